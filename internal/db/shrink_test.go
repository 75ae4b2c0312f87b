package db_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"pachyderm/internal/db"
)

// sizeOf is how large a database is on the disk, with its log.
func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	sum := int64(0)
	for _, name := range []string{path, path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// fill stores 4 MB and deletes them.
func fill(t *testing.T, d *db.DB) {
	t.Helper()
	for _, query := range []string{
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
			INSERT INTO meta (key, value) SELECT 'filler-' || i, randomblob(20000) FROM n`,
		`DELETE FROM meta WHERE key >= 'filler-'`,
	} {
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), query)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestShrink_FileGivesBackWhatIsDeleted(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"new": func(string) error { return nil },
		"from before files could shrink": func(path string) error {
			d, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)")
			if err != nil {
				return err
			}
			_, err = d.ExecContext(context.Background(), `CREATE TABLE before (id TEXT)`)
			_ = d.Close()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pachd.db")
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
			d, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + path})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = d.Close() }()
			fill(t, d)
			if grown := sizeOf(t, path); grown < 4<<20 {
				t.Fatalf("only %d bytes to begin with", grown)
			}
			if err := d.Shrink(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := sizeOf(t, path); left > 2<<20 {
				t.Errorf("%d bytes are left", left)
			}
		})
	}
}
