package txn

import (
	"context"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

func (t *Transaction) scan(scan func(...any) error) error {
	var started int64
	err := scan(&t.ID, &t.Owner, &started, &t.Version)
	t.Started = db.Time(started)
	return err
}

func count(ctx context.Context, tx *db.Tx, owner principal.Name) (n int64, err error) {
	err = tx.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM transactions WHERE owner = $1`, owner)
	return n, err
}

func insert(ctx context.Context, tx *db.Tx, t Transaction) error {
	_, err := tx.Exec(ctx, `INSERT INTO transactions (id, owner, started, version) VALUES ($1, $2, $3, $4)`,
		t.ID, t.Owner, db.Micros(t.Started), t.Version)
	return err
}

func one(ctx context.Context, tx *db.Tx, id string) (t Transaction, err error) {
	err = t.scan(func(dest ...any) error {
		return tx.Row(ctx, dest, `SELECT id, owner, started, version FROM transactions WHERE id = $1`, id)
	})
	if fault.Is(err, fault.NotFound) {
		err = errNone(id)
	}
	return t, err
}

func of(ctx context.Context, tx *db.Tx, owner principal.Name) (all []Transaction, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var t Transaction
		err := t.scan(scan)
		all = append(all, t)
		return err
	}, `SELECT id, owner, started, version FROM transactions WHERE owner = $1 ORDER BY started`, owner)
	return all, err
}

func requests(ctx context.Context, tx *db.Tx, id string) (all []Request, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var r Request
		err := scan(&r.Request, &r.Response)
		all = append(all, r)
		return err
	}, `SELECT request, response FROM transaction_requests WHERE transaction_id = $1 ORDER BY n`, id)
	return all, err
}

// bump counts a request, unless there is another than those that were read.
func bump(ctx context.Context, tx *db.Tx, t Transaction) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE transactions SET version = version + 1 WHERE id = $1 AND version = $2`, t.ID, t.Version)
	return n == 1, err
}

func add(ctx context.Context, tx *db.Tx, id string, n int64, r Request) error {
	_, err := tx.Exec(ctx, `INSERT INTO transaction_requests (transaction_id, n, request, response) VALUES ($1, $2, $3, $4)`,
		id, n, r.Request, r.Response)
	return err
}

func remove(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM transaction_requests WHERE transaction_id = $1`, id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM transactions WHERE id = $1`, id)
	return err
}
