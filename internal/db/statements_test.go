package db_test

import (
	"fmt"
	"testing"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

// Statements stay prepared: one that is being read is asked for again, one has
// failed, and one is of before the schema changed.
func TestStatements_UsedAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		update := func(f func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Update(ctx, f); err != nil {
				t.Fatal(err)
			}
		}
		exec := func(query string, args ...any) {
			t.Helper()
			update(func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, query, args...)
				return err
			})
		}
		exec(`CREATE TABLE n (id BIGINT NOT NULL PRIMARY KEY)`)
		const insert = `INSERT INTO n (id) VALUES ($1)`
		for id := range 3 {
			exec(insert, id)
			err := d.Update(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, insert, id)
				return err
			})
			if !fault.Is(err, fault.Exists) {
				t.Fatalf("twice: %v", err)
			}
		}
		const list = `SELECT id FROM n WHERE id >= $1 ORDER BY id`
		var pairs []string
		update(func(tx *db.Tx) error {
			outer, err := db.Column[int64](ctx, tx, list, 1)
			if err != nil {
				return err
			}
			return tx.Rows(ctx, func(scan func(...any) error) error {
				var a int64
				if err := scan(&a); err != nil {
					return err
				}
				for _, b := range outer {
					pairs = append(pairs, fmt.Sprint(a, b))
				}
				return nil
			}, list, 1)
		})
		if len(pairs) != 4 {
			t.Errorf("pairs: %v", pairs)
		}
		exec(`ALTER TABLE n ADD COLUMN text TEXT NOT NULL DEFAULT 'x'`)
		exec(insert, 3)
		var all []int64
		update(func(tx *db.Tx) (err error) {
			all, err = db.Column[int64](ctx, tx, list, 0)
			return err
		})
		if len(all) != 4 {
			t.Errorf("after the schema has changed: %v", all)
		}
	})
}

// SQLite's rows may be open while the same is asked for again; PostgreSQL has one
// result at a time on a connection.
func TestStatements_ReadWhileInUse(t *testing.T) {
	d := dbtest.SQLite(t)
	ctx := t.Context()
	const count = `SELECT value FROM (SELECT 1 AS value UNION SELECT 2) WHERE value >= $1`
	seen := ""
	err := d.View(ctx, func(tx *db.Tx) error {
		return tx.Rows(ctx, func(scan func(...any) error) error {
			var outer int
			if err := scan(&outer); err != nil {
				return err
			}
			inner, err := db.Column[int64](ctx, tx, count, outer)
			seen += fmt.Sprint(outer, inner)
			return err
		}, count, 1)
	})
	if want := "1 [1 2]2 [2]"; err != nil || seen != want {
		t.Errorf("seen %q, want %q, %v", seen, want, err)
	}
}
