package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"pachyderm/internal/db/batch"
	"pachyderm/internal/db/single"
	"pachyderm/internal/fault"
	"pachyderm/internal/tracing"
)

// maxAttempts bounds the retries of one Update. Fifty writers on one row needed
// 196 retries in all; a transaction that loses this often is a fault of ours.
const maxAttempts = 64

// Options say how to reach a database.
type Options struct {
	// URL is "sqlite:/var/lib/pachd/pachd.db" or "postgres://user:password@host/name".
	URL string

	// All that follows is for PostgreSQL.

	// ListenURL leads to the same database without a pooler in between, which has to
	// be named if URL leads through one that lends out its connections for a
	// transaction each (pgbouncer's pool_mode=transaction).
	ListenURL string
	// Password, if there is one, is asked for each new connection's.
	Password func() (string, error)
	// RootCert, Cert and Key are PEM files: the authority of the server's certificate,
	// which is then verified, and a certificate of ours.
	RootCert, Cert, Key string
	// MaxConns and MaxIdle bound the connections that are open, and kept; 0 is 32,
	// and all.
	MaxConns, MaxIdle int
}

func (o Options) maxIdle() int { return cmp.Or(o.MaxIdle, o.MaxConns, maxConns) }

// DB is an open, migrated database.
type DB struct {
	engine  engine
	read    *sql.DB
	write   *sql.DB
	changes changes
	batches *batch.Line // nil where writers do not stand in line
	maxIdle int
}

// engine is what differs between the databases.
type engine interface {
	name() string
	open(ctx context.Context) (read, write *sql.DB, err error)
	migrate(ctx context.Context, write *sql.DB) error
	// look opens a database without changing it, or returns nil if there is none.
	look(ctx context.Context) (*sql.DB, error)
	others(ctx context.Context, t *Tx) (int64, error)
	bytewise() string
	// shrink gives back to the disk what deleted rows have left.
	shrink(ctx context.Context, write *sql.DB) error
	readOptions() *sql.TxOptions
	writeOptions() *sql.TxOptions
	// unsyncedOptions are those of a transaction that does not wait for the disk.
	unsyncedOptions() *sql.TxOptions
	// begun does what is to be done at the beginning of a transaction.
	begun(ctx context.Context, t *sql.Tx, opts *sql.TxOptions) error
	isDuplicate(err error) bool
	isConflict(err error) bool
	isUndefined(err error) bool // a table
	// isLost reports that a pooled connection has died, whatever the server does.
	isLost(err error) bool
	// announce notifies other replicas when the transaction commits.
	announce(ctx context.Context, t *Tx, payload string) error
	// listen receives changes of other replicas; it calls ready once it does,
	// and returns when it does not any more. An engine without replicas returns nil.
	listen(ctx context.Context, l listener) error
	// unavailable is the fault to show if the database cannot serve, or nil.
	unavailable(err error) *fault.Error
}

// Open connects to a database and brings its schema up to date. No error shows
// the password.
func Open(ctx context.Context, o Options) (*DB, error) { return open(ctx, o, true) }

func open(ctx context.Context, o Options, mayMigrate bool) (*DB, error) {
	e, err := engineFor(o)
	if err != nil {
		return nil, err
	}
	read, write, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	d := &DB{engine: e, read: read, write: write, maxIdle: o.maxIdle()}
	if read != write {
		d.batches = &batch.Line{Begin: write.BeginTx}
	}
	d.changes.disconnected.Store(e.name() == "postgres") // until Listen is connected
	if mayMigrate {
		if err := e.migrate(ctx, write); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

// Close ends all connections.
func (d *DB) Close() error {
	err := d.write.Close()
	if d.read != d.write {
		err = errors.Join(err, d.read.Close())
	}
	return err
}

// Alone reports whether no other process can have the database, now or later: what
// others need not know, and a crash may forget, needs no row.
func (d *DB) Alone() bool { return d.batches != nil }

// Stats are those of the connections; SQLite's writing one and its readers count
// as one pool.
func (d *DB) Stats() sql.DBStats {
	s := d.write.Stats()
	if d.read != d.write {
		r := d.read.Stats()
		s.InUse, s.Idle, s.WaitCount, s.WaitDuration = s.InUse+r.InUse, s.Idle+r.Idle, s.WaitCount+r.WaitCount, s.WaitDuration+r.WaitDuration
	}
	return s
}

// Ping reports whether the database answers; the error is fit for a user.
func (d *DB) Ping(ctx context.Context) error {
	return d.fault(d.overLost(func() error { return d.read.PingContext(ctx) }))
}

// Shrink gives back to the disk what deleted rows have left, where the database
// does not do that itself. Writers wait meanwhile, for moments.
func (d *DB) Shrink(ctx context.Context) error { return d.fault(d.engine.shrink(ctx, d.write)) }

// View runs f in a read-only transaction that sees one state of the data.
func (d *DB) View(ctx context.Context, f func(*Tx) error) error {
	return d.fault(d.run(ctx, "view", d.read, d.engine.readOptions(), f))
}

// ViewOne is View for an f that reads by one statement, which needs no transaction
// around it: it sees one state of the data anyway. A second one fails. f may run again
// when a connection turns out to be lost.
func (d *DB) ViewOne(ctx context.Context, f func(*Tx) error) error {
	return d.fault(d.alone(ctx, "read", d.read, Tx{reads: true}, f))
}

// UpdateOne is Update for an f that runs one statement, which needs no transaction around
// it: on PostgreSQL a third of the messages, and those who change the same counters wait
// for each other, where Update would have to begin anew. f may run again, after its
// change was made, when a connection turns out to be lost; a power cut may forget it, as
// with UpdateUnsynced.
func (d *DB) UpdateOne(ctx context.Context, f func(*Tx) error) error {
	if d.batches != nil { // where waiting for the disk is a matter of transactions
		return d.UpdateUnsynced(ctx, f)
	}
	return d.again(ctx, func() error { return d.alone(ctx, "update one", d.write, Tx{}, f) })
}

// alone runs the one statement of f.
func (d *DB) alone(ctx context.Context, name string, pool *sql.DB, how Tx, f func(*Tx) error) (err error) {
	_, traced := tracing.Step(ctx, "database "+name)
	defer func() { traced(err) }()
	return d.overLost(func() error {
		tx := how
		tx.engine, tx.on = d.engine, single.Once(pool)
		return f(&tx)
	})
}

// Update runs f in a transaction and commits it unless f fails. f runs again
// when the database refuses because of a concurrent change, so it must have no
// effects outside of tx, and must not open another transaction.
func (d *DB) Update(ctx context.Context, f func(*Tx) error) error {
	return d.update(ctx, batch.Synced, d.engine.writeOptions(), f)
}

// UpdateBulk is Update for an f that may change very many rows, such as a sweep: made
// behind others' changes in one transaction, it would have SQLite keep all that it
// overwrites in memory (230 MB for half a million tokens; 0.3 MB so).
func (d *DB) UpdateBulk(ctx context.Context, f func(*Tx) error) error {
	return d.update(ctx, batch.Bulk, d.engine.writeOptions(), f)
}

func (d *DB) update(ctx context.Context, kind batch.Kind, opts *sql.TxOptions, f func(*Tx) error) error {
	name := "update"
	if kind == batch.Unsynced {
		name = "update unsynced"
	}
	return d.again(ctx, func() error {
		if d.batches != nil {
			return d.inBatch(ctx, name, kind, opts, f)
		}
		return d.run(ctx, name, d.write, opts, f)
	})
}

func (d *DB) inBatch(ctx context.Context, name string, kind batch.Kind, opts *sql.TxOptions, f func(*Tx) error) (err error) {
	ctx, traced := tracing.Step(ctx, "database "+name)
	defer func() { traced(err) }()
	tx := &Tx{engine: d.engine}
	err = d.batches.Update(ctx, kind, opts, func(on *sql.Tx) error {
		tx.on = on
		return f(tx)
	})
	if err == nil {
		d.changes.notify(tx.changed...)
	}
	return err
}

// again does what loses to a concurrent change until it does not.
func (d *DB) again(ctx context.Context, do func() error) error {
	var err error
	for attempt := range maxAttempts {
		err = do()
		if err == nil || !d.engine.isConflict(err) {
			return d.fault(err)
		}
		if err := Pause(ctx, attempt); err != nil {
			return err
		}
	}
	return fault.New(fault.Unavailable, "too many changes at once").
		Next("try again").Because(err)
}

// UpdateUnsynced is Update for what a power cut may forget, as long as nobody was
// told that it is kept: the commit does not wait for the disk. What is committed
// later, with Update or without, is never kept without it. Transactions stay whole.
func (d *DB) UpdateUnsynced(ctx context.Context, f func(*Tx) error) error {
	return d.update(ctx, batch.Unsynced, d.engine.unsyncedOptions(), f)
}

// Pause waits, before an attempt that follows a lost one, a random time of at
// most 2^attempt milliseconds, 16 ms at most.
func Pause(ctx context.Context, attempt int) error {
	limit := time.Millisecond << min(attempt, 4)
	timer := time.NewTimer(rand.N(limit)) //nolint:gosec // jitter, not a secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (d *DB) run(ctx context.Context, name string, pool *sql.DB, opts *sql.TxOptions, f func(*Tx) error) (err error) {
	ctx, traced := tracing.Step(ctx, "database "+name)
	defer func() { traced(err) }()
	var t *sql.Tx
	err = d.overLost(func() (err error) {
		t, err = pool.BeginTx(ctx, opts)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	tx := &Tx{on: t, engine: d.engine}
	err = d.engine.begun(ctx, t, opts)
	if err == nil {
		err = f(tx)
	}
	if err != nil {
		// The transaction is lost either way; what f reports matters more.
		_ = t.Rollback()
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	d.changes.notify(tx.changed...)
	return nil
}

// overLost does again what found a pooled connection lost, which is how every
// one of them is after the server has restarted; each try takes another out of
// the pool. Only for what may be sent twice: a ping, the begin of a transaction.
func (d *DB) overLost(do func() error) (err error) {
	for range d.maxIdle + 1 {
		if err = do(); err == nil || !d.engine.isLost(err) {
			return err
		}
	}
	return err
}

// fault turns what the driver says into what a user may read.
func (d *DB) fault(err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	if why := d.engine.unavailable(err); why != nil {
		return why.Because(err)
	}
	return err
}

// Tx is a transaction, or one statement where that is enough.
type Tx struct {
	on      single.Querier
	engine  engine
	changed []Change
	reads   bool // and nothing else: of a statement without a transaction
}

var errReads = errors.New("a change where only reading is allowed")

func (t *Tx) mayRun(query string) error {
	if t.reads && !strings.HasPrefix(query, "SELECT ") {
		return errReads
	}
	return nil
}

// Exec runs a statement and returns the number of rows it changed. A duplicate
// key is a fault.Exists.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := t.mayRun(query); err != nil {
		return 0, err
	}
	res, err := t.on.ExecContext(ctx, query, args...)
	if err != nil {
		if t.engine.isDuplicate(err) {
			return 0, fault.New(fault.Exists, "it exists already").Because(err)
		}
		return 0, err
	}
	return res.RowsAffected()
}

// Row reads one row into dest; no row is a fault.NotFound.
func (t *Tx) Row(ctx context.Context, dest []any, query string, args ...any) (err error) {
	if err := t.mayRun(query); err != nil {
		return err
	}
	rows, err := t.on.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	switch {
	case rows.Next():
		return rows.Scan(dest...)
	case rows.Err() != nil:
		return rows.Err()
	}
	return fault.New(fault.NotFound, "not found")
}

// Rows calls each for every row; each reads it with scan.
func (t *Tx) Rows(ctx context.Context, each func(scan func(dest ...any) error) error, query string, args ...any) (err error) {
	if err := t.mayRun(query); err != nil {
		return err
	}
	rows, err := t.on.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Column reads the one column of a query.
func Column[T any](ctx context.Context, t *Tx, query string, args ...any) (all []T, err error) {
	err = t.Rows(ctx, func(scan func(...any) error) error {
		var v T
		err := scan(&v)
		all = append(all, v)
		return err
	}, query, args...)
	return all, err
}

// Micros is t as the database keeps it: microseconds since 1970, 0 for the
// zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time reads what Micros wrote.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
