package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"pachyderm/internal/db"
)

// Each runs f on a fresh database of each engine.
func Each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, Open(t, SQLiteURL(t))) })
	t.Run("postgres", func(t *testing.T) { f(t, Open(t, PostgresURL(t))) })
}

// SQLite is a fresh SQLite database, for tests to which the engine is the same.
func SQLite(t testing.TB) *db.DB { return Open(t, SQLiteURL(t)) }

// SQLiteURL names a new SQLite file that the test removes.
func SQLiteURL(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "pachd.db")
}

// Open opens the database and closes it with the test.
func Open(t testing.TB, databaseURL string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Options{URL: databaseURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// PostgresURL names a new, empty database on the PostgreSQL of this process.
func PostgresURL(t testing.TB) string {
	t.Helper()
	base, err := server()
	if err != nil {
		t.Fatalf("PostgreSQL is needed: %v (make test installs it)", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	admin(t, base, "CREATE DATABASE "+name)
	t.Cleanup(func() { admin(t, base, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func admin(t testing.TB, base, statement string) {
	t.Helper()
	pool, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	// The test's own context ends before its clean-up runs.
	if _, err := pool.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Error(fmt.Errorf("%s: %w", statement, err))
	}
}
