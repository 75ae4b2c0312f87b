package prepared

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"

	"modernc.org/sqlite"
)

// SQLite is the name of SQLite's driver whose connections keep what they have
// prepared, as pgx does for PostgreSQL: parsing took a third of the time that
// statements took.
var SQLite = sync.OnceValue(func() string {
	const name = "sqlite-prepared"
	sql.Register(name, preparing{&sqlite.Driver{}})
	return name
})

// keptStatements bounds what one connection keeps. All statements are written out
// in this program, so there are fewer.
const keptStatements = 1000

type preparing struct{ driver.Driver }

// Open is driver.Driver's.
func (d preparing) Open(name string) (driver.Conn, error) {
	c, err := d.Driver.Open(name)
	if err != nil {
		return nil, err
	}
	inner, ok := c.(sqliteConn)
	if !ok {
		return nil, errors.Join(errors.New("SQLite's driver is not what it was"), c.Close())
	}
	return &preparedConn{sqliteConn: inner, kept: map[string]*statement{}}, nil
}

// sqliteConn is what a connection of SQLite's driver can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// preparedConn keeps statements by their text. database/sql uses a connection for
// one thing at a time, but for rows that are read while others are asked for.
type preparedConn struct {
	sqliteConn
	kept map[string]*statement
	// unsynced says that commits do not wait for the disk.
	unsynced bool
}

// Unsynced is, in place of an isolation level, for a transaction whose commit does
// not wait for the disk (PRAGMA synchronous, NORMAL in place of FULL): a power cut may
// lose it, with all that was committed after it and not waited for.
const Unsynced = sql.LevelReadUncommitted

// BeginTx is driver.ConnBeginTx's.
func (c *preparedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	unsynced := opts.Isolation == driver.IsolationLevel(Unsynced)
	if unsynced != c.unsynced {
		pragma := "PRAGMA synchronous = FULL"
		if unsynced {
			pragma = "PRAGMA synchronous = NORMAL"
		}
		if _, err := c.ExecContext(ctx, pragma, nil); err != nil {
			return nil, err
		}
		c.unsynced = unsynced
	}
	begin := "BEGIN IMMEDIATE"
	if opts.ReadOnly {
		begin = "BEGIN"
	}
	if _, err := c.ExecContext(ctx, begin, nil); err != nil {
		return nil, err
	}
	return transaction{c}, nil
}

// transaction begins and ends by statements that stay prepared as well.
type transaction struct{ c *preparedConn }

// Commit is driver.Tx's. One that fails may have left its transaction open, which would
// be the next one's.
func (t transaction) Commit() error {
	_, err := t.c.ExecContext(context.Background(), "COMMIT", nil)
	if err != nil {
		_ = t.Rollback()
	}
	return err
}

// Rollback is driver.Tx's.
func (t transaction) Rollback() error {
	_, err := t.c.ExecContext(context.Background(), "ROLLBACK", nil)
	return err
}

type statement struct {
	driver.StmtExecContext
	driver.StmtQueryContext
	close func() error
	busy  bool // its rows are being read
}

// take finds or prepares a statement; false if it is in use, or there are too many.
func (c *preparedConn) take(ctx context.Context, query string) (s *statement, free bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	if s = c.kept[query]; s != nil {
		return s, !s.busy, nil
	}
	if len(c.kept) >= keptStatements {
		return nil, false, nil
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, false, err
	}
	exec, execs := prepared.(driver.StmtExecContext)
	ask, asks := prepared.(driver.StmtQueryContext)
	if !execs || !asks {
		return nil, false, prepared.Close()
	}
	s = &statement{StmtExecContext: exec, StmtQueryContext: ask, close: prepared.Close}
	c.kept[query] = s
	return s, true, nil
}

// ExecContext is driver.ExecerContext's.
func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, free, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if !free {
		return c.sqliteConn.ExecContext(ctx, query, args)
	}
	return s.ExecContext(begun(ctx), args)
}

// begun is the context of a statement that has begun: it does not end before the
// statement does. For one that may the driver keeps a goroutine waiting, which costs
// more than most statements; those of one call are short, and none is begun after its
// context has ended.
func begun(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// QueryContext is driver.QueryerContext's.
func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, free, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if !free {
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	rows, err := s.QueryContext(begun(ctx), args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return readRows{rows, s}, nil
}

// Close is driver.Conn's.
func (c *preparedConn) Close() error {
	var err error
	for _, s := range c.kept {
		err = errors.Join(err, s.close())
	}
	return errors.Join(err, c.sqliteConn.Close())
}

// readRows gives their statement back when they are closed.
type readRows struct {
	driver.Rows
	of *statement
}

// Close is driver.Rows'.
func (r readRows) Close() error {
	r.of.busy = false
	return r.Rows.Close()
}
