package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pachyderm/internal/db"
)

// Each runs f on a fresh database of each engine.
func Each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, Open(t, ReadyPostgresURL(t))) })
}

// SQLite is a fresh SQLite database, for tests to which the engine is the same.
func SQLite(t testing.TB) *db.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pachd.db")
	Ready(t, path)
	return Open(t, "sqlite:"+path)
}

// Ready puts a SQLite file in a place that has the schema already, which takes long to
// make, most of all with the race detector.
func Ready(t testing.TB, path string) {
	t.Helper()
	data, err := ready()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

var ready = sync.OnceValues(func() (data []byte, err error) {
	dir, err := os.MkdirTemp("", "schema")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "pachd.db")
	d, err := db.Open(context.Background(), db.Options{URL: "sqlite:" + path})
	if err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// SQLiteURL names a SQLite file that is not there yet, and that the test removes.
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
	return create(t, "")
}

// ReadyPostgresURL names one that has the schema already.
func ReadyPostgresURL(t testing.TB) string {
	t.Helper()
	const template = "ready"
	base := postgres(t)
	templateOnce.Do(func() {
		admin(t, base, "CREATE DATABASE "+template)
		d, err := db.Open(t.Context(), db.Options{URL: on(t, base, template)})
		if err == nil {
			err = d.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	return create(t, " TEMPLATE "+template)
}

var templateOnce sync.Once

// postgres is the URL of the server of this process.
func postgres(t testing.TB) string {
	t.Helper()
	base, err := server()
	if err != nil {
		t.Fatalf("PostgreSQL is needed: %v (make test installs it)", err)
	}
	return base
}

func create(t testing.TB, from string) string {
	t.Helper()
	base := postgres(t)
	name := "test_" + strings.ToLower(rand.Text())
	admin(t, base, "CREATE DATABASE "+name+from)
	t.Cleanup(func() { admin(t, base, "DROP DATABASE "+name+" WITH (FORCE)") })
	return on(t, base, name)
}

func on(t testing.TB, base, database string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
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
