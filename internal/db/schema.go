package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"pachyderm/internal/db/migrations"
	"pachyderm/internal/fault"
)

// Pending is the version of a database's schema, 0 where there is none yet, and what
// is to be done to bring it up to date. It changes nothing. Fault: Precondition for a
// schema that a newer pachd has made.
func Pending(ctx context.Context, o Options) (has int64, pending []migrations.Migration, err error) {
	e, err := engineFor(o)
	if err != nil {
		return 0, nil, err
	}
	pool, err := e.look(ctx)
	if err != nil {
		return 0, nil, err
	}
	if pool != nil {
		defer func() { err = errors.Join(err, pool.Close()) }()
		if has, err = schemaVersion(ctx, e, pool); err != nil {
			return 0, nil, err
		}
	}
	if err := migrations.NotNewer(has); err != nil {
		return 0, nil, err
	}
	all := migrations.All()
	known := func(m migrations.Migration) bool { return m.Version <= has }
	return has, slices.DeleteFunc(all, known), nil
}

// OpenMigrated is Open for a database whose schema is up to date: it leaves it as it
// is. Fault: Precondition for another one.
func OpenMigrated(ctx context.Context, o Options) (*DB, error) {
	has, pending, err := Pending(ctx, o)
	switch {
	case err != nil:
		return nil, err
	case has == 0:
		return nil, fault.New(fault.Precondition, "no pachd has started on the database yet").
			Next("check database.url and --data-dir")
	case len(pending) > 0:
		return nil, fault.New(fault.Precondition, "the database has schema version %d, and this pachd needs %d", has, migrations.Latest()).
			Next("bring it up to date first, with: pachd migrate apply")
	}
	return open(ctx, o, false)
}

// schemaVersion is the version of the schema that is there, or 0.
func schemaVersion(ctx context.Context, e engine, pool *sql.DB) (int64, error) {
	var has sql.NullInt64
	err := pool.QueryRowContext(ctx, `SELECT MAX(version_id) FROM goose_db_version WHERE is_applied`).Scan(&has)
	if err != nil && !e.isUndefined(err) {
		return 0, fmt.Errorf("read the schema version: %w", err)
	}
	return has.Int64, nil
}

// Bytewise follows a column of text in ORDER BY, and has either database compare
// bytes.
func (t *Tx) Bytewise() string { return t.engine.bytewise() }

// Others is how many sessions, of whomever, are open on the database beside that of
// one View. SQLite knows of none.
func (d *DB) Others(ctx context.Context) (n int64, err error) {
	err = d.View(ctx, func(tx *Tx) error {
		n, err = d.engine.others(ctx, tx)
		return err
	})
	return n, err
}
