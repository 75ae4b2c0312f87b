package single

import (
	"context"
	"database/sql"
	"errors"
)

// Querier is a transaction of package sql, or a pool.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Once lets through one statement.
func Once(q Querier) Querier { return &once{Querier: q} }

type once struct {
	Querier
	asked bool
}

var errAskedTwice = errors.New("more than one statement where no transaction is")

func (o *once) ask() error {
	if o.asked {
		return errAskedTwice
	}
	o.asked = true
	return nil
}

func (o *once) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := o.ask(); err != nil {
		return nil, err
	}
	return o.Querier.ExecContext(ctx, query, args...)
}

func (o *once) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := o.ask(); err != nil {
		return nil, err
	}
	return o.Querier.QueryContext(ctx, query, args...)
}
