package reseal

import (
	"context"
	"fmt"
	"slices"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// batch is how many rows are read and written in one transaction: few, so that those
// who use the database meanwhile do not wait.
const batch = 100

// Counts is how many values there are, and how many were not sealed with the
// primary key.
type Counts struct{ Values, Old int }

// All seals anew what is not sealed with the primary key. It may run beside pachds,
// and again after it has failed. Fault: Precondition for a value that no key opens.
func All(ctx context.Context, d *db.DB, s *secret.Sealer, where []secret.Sealed) (Counts, error) {
	return visit(ctx, d, s, where, store)
}

// Count is All that changes nothing.
func Count(ctx context.Context, d *db.DB, s *secret.Sealer, where []secret.Sealed) (Counts, error) {
	return visit(ctx, d, s, where, func(context.Context, *db.Tx, secret.Sealed, row, []byte) error { return nil })
}

// row is one with a sealed value.
type row struct {
	key   []string
	value []byte
}

type change func(ctx context.Context, tx *db.Tx, at secret.Sealed, r row, anew []byte) error

func visit(ctx context.Context, d *db.DB, s *secret.Sealer, where []secret.Sealed, f change) (all Counts, err error) {
	for _, at := range where {
		var after []string
		for {
			var rows []row
			var old int
			err := d.Update(ctx, func(tx *db.Tx) (err error) {
				if rows, err = next(ctx, tx, at, after); err == nil {
					old, err = visitRows(ctx, tx, s, at, rows, f)
				}
				return err
			})
			if err != nil {
				return all, fmt.Errorf("table %s: %w", at.Table, err)
			}
			all.Values, all.Old = all.Values+len(rows), all.Old+old
			if len(rows) < batch {
				break
			}
			after = rows[len(rows)-1].key
		}
	}
	return all, nil
}

func visitRows(ctx context.Context, tx *db.Tx, s *secret.Sealer, at secret.Sealed, rows []row, f change) (old int, err error) {
	for _, r := range rows {
		if slices.Contains(at.Plain, r.key[0]) {
			continue
		}
		anew, done, err := s.SealAnew(r.value, at.Place(r.key))
		if err != nil {
			return 0, fault.New(fault.Precondition, "a value in the table %s is sealed with none of the keys: that of %q", at.Table, r.key).
				Next("add the copy of the key file that has its key, or restore a dump from before").Because(err)
		}
		if !done {
			continue
		}
		old++
		if err := f(ctx, tx, at, r, anew); err != nil {
			return 0, err
		}
	}
	return old, nil
}
