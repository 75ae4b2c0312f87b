package db_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
)

// temporary are the files of SQLite's that this process has open, which have no name any
// more.
func temporary(t *testing.T) (found []string) {
	t.Helper()
	const files = "/proc/self/fd"
	all, err := os.ReadDir(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if to, err := os.Readlink(filepath.Join(files, f.Name())); err == nil && strings.Contains(to, "etilqs_") {
			found = append(found, to)
		}
	}
	return found
}

// A change that is committed with others can be undone alone.
func TestSQLite_ChangeAmongOthersNeedsNoFile(t *testing.T) {
	d := dbtest.SQLite(t)
	fill := `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
		INSERT INTO meta (key, value) SELECT 'filler-' || i, randomblob(2000) FROM n`
	if err := d.Update(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(t.Context(), fill); return err }); err != nil {
		t.Fatal(err)
	}
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		for _, query := range []string{"SAVEPOINT one", `UPDATE meta SET value = randomblob(2000)`} {
			if _, err := tx.Exec(t.Context(), query); err != nil {
				return err
			}
		}
		if open := temporary(t); len(open) > 0 {
			t.Errorf("it has %v", open)
		}
		_, err := tx.Exec(t.Context(), "RELEASE one")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
