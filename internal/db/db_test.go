package db_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/test/idp"
)

func put(ctx context.Context, tx *db.Tx, key, value string) error {
	_, err := tx.Exec(ctx, `INSERT INTO meta (key, value) VALUES ($1, $2)`, key, []byte(value))
	return err
}

func TestUpdate_Concurrent(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		if _, err := d.EnsureMeta(ctx, "n", []byte{0}); err != nil {
			t.Fatal(err)
		}
		const writers = 50
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				err := d.Update(ctx, func(tx *db.Tx) error {
					var v []byte
					if err := tx.Row(ctx, []any{&v}, `SELECT value FROM meta WHERE key = $1`, "n"); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, `UPDATE meta SET value = $2 WHERE key = $1`, "n", []byte{v[0] + 1})
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := d.Meta(ctx, "n")
		if err != nil || got[0] != writers {
			t.Errorf("after %d increments: %v, %v", writers, got, err)
		}
	})
}

func TestUpdate_FailureRollsBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		boom := errors.New("boom")
		err := d.Update(ctx, func(tx *db.Tx) error {
			if err := put(ctx, tx, "a", "1"); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Errorf("Update = %v", err)
		}
		if _, err := d.Meta(ctx, "a"); !fault.Is(err, fault.NotFound) {
			t.Errorf("Meta = %v", err)
		}
	})
}

func TestView_SeesOneState(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		has := func(tx *db.Tx) (n int64, err error) {
			return n, tx.Row(ctx, []any{&n}, `SELECT count(*) FROM meta`)
		}
		err := d.View(ctx, func(tx *db.Tx) error {
			before, err := has(tx)
			if err != nil {
				return err
			}
			if _, err := d.EnsureMeta(ctx, "meanwhile", []byte{1}); err != nil {
				return err
			}
			after, err := has(tx)
			if after != before {
				t.Errorf("%d rows, then %d", before, after)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// The engines must agree wherever the one SQL text could mean two things.
func TestEngines_Agree(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		err := d.Update(ctx, func(tx *db.Tx) error {
			for _, k := range []string{"alice", "Alice", "ALICE", "ålice", "a lice ", ""} {
				if err := put(ctx, tx, k, k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.Meta(ctx, "Alice"); err != nil || string(got) != "Alice" {
			t.Errorf("keys must be compared with case: %q, %v", got, err)
		}
		if got, err := d.Meta(ctx, ""); err != nil || len(got) != 0 {
			t.Errorf("an empty key is a key: %q, %v", got, err)
		}
		err = d.Update(ctx, func(tx *db.Tx) error { return put(ctx, tx, "alice", "again") })
		if !fault.Is(err, fault.Exists) {
			t.Errorf("duplicate key: %v", err)
		}
		err = d.View(ctx, func(tx *db.Tx) error { return put(ctx, tx, "x", "y") })
		if err == nil {
			t.Error("View let a change through")
		}
	})
}

func TestOpen_NewerSchema(t *testing.T) {
	for name, driver := range map[string]string{"sqlite": "sqlite", "postgres": "pgx"} {
		t.Run(name, func(t *testing.T) {
			url := dbtest.SQLiteURL(t)
			dsn := strings.TrimPrefix(url, "sqlite:")
			if name == "postgres" {
				url = dbtest.PostgresURL(t)
				dsn = url
			}
			d, err := db.Open(t.Context(), db.Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			pool, err := sql.Open(driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pool.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`); err != nil {
				t.Fatal(err)
			}
			if err := pool.Close(); err != nil {
				t.Fatal(err)
			}
			_, err = db.Open(t.Context(), db.Options{URL: url})
			if !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), "schema version 999") {
				t.Errorf("Open = %v", err)
			}
		})
	}
}

func TestOpen_SaysWhatToDo(t *testing.T) {
	garbage := filepath.Join(t.TempDir(), "pachd.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"sqlite:/nosuch/dir/pachd.db":                         "--data-dir",
		"sqlite:" + garbage:                                   "not a SQLite database",
		"mysql://u:hunter2@h/d":                               "database.url must begin with",
		"postgres://u:hunter2@127.0.0.1:1/d":                  "does not answer",
		"postgres://u:hunter2@[::1/d":                         "not a PostgreSQL URL",
		"postgres://u:hunter2@127.0.0.1:1/d?sslmode=whatever": "not a PostgreSQL URL",
	} {
		_, err := db.Open(t.Context(), db.Options{URL: url})
		if err == nil || !strings.Contains(fault.Message(err), want) {
			t.Errorf("Open(%q) = %v, want %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) shows the password: %v", url, err)
		}
	}
}

func TestOpen_PostgresSeesWhoIsConnected(t *testing.T) {
	url := dbtest.PostgresURL(t)
	for want, parameter := range map[string]string{
		"pachd": "", "ours": "&application_name=ours", "our own": "&application_name=our%20own", "a+b": "&application_name=a+b",
	} {
		err := dbtest.Open(t, url+parameter).View(t.Context(), func(tx *db.Tx) error {
			var name string
			err := tx.Row(t.Context(), []any{&name}, `SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()`)
			if name != want {
				t.Errorf("with %q: %q", parameter, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Many who come at once find the connections of those who came before.
func TestOpen_PostgresKeepsConnections(t *testing.T) {
	d := dbtest.Open(t, dbtest.PostgresURL(t))
	const atOnce = 20
	var here, gone sync.WaitGroup
	here.Add(atOnce)
	for range atOnce {
		gone.Go(func() {
			err := d.View(t.Context(), func(*db.Tx) error {
				here.Done()
				here.Wait()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	gone.Wait()
	if kept := d.Stats().Idle; kept < atOnce {
		t.Errorf("%d connections are kept, of %d", kept, atOnce)
	}
}

func TestOpen_PostgresWithTLS(t *testing.T) {
	ca, other := idp.NewCA(t), idp.NewCA(t)
	its, ours := ca.Certificate(t), ca.Certificate(t)
	url := dbtest.TLSURL(t, its.CertFile, its.KeyFile, ca.File)
	odd := filepath.Join(t.TempDir(), "our certificates+more")
	if err := os.Rename(filepath.Dir(ours.CertFile), odd); err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(odd, filepath.Base(ours.CertFile)), filepath.Join(odd, filepath.Base(ours.KeyFile))

	d, err := db.Open(t.Context(), db.Options{URL: url, RootCert: ca.File, Cert: cert, Key: key})
	if err != nil {
		t.Fatal(fault.Message(err), err)
	}
	t.Cleanup(func() { _ = d.Close() })
	var encrypted bool
	var who string
	if err := d.ViewOne(t.Context(), func(tx *db.Tx) error {
		return tx.Row(t.Context(), []any{&encrypted, &who}, `SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()`)
	}); err != nil || !encrypted || who != "/CN=localhost" {
		t.Errorf("TLS: %v, we are %q to it: %v", encrypted, who, err)
	}
	content, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	locked, err := x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte("our secret"), x509.PEMCipherAES256) //nolint:staticcheck // which libpq reads
	if err != nil {
		t.Fatal(err)
	}
	lockedKey := filepath.Join(odd, "locked.key")
	if err := os.WriteFile(lockedKey, pem.EncodeToMemory(locked), 0o600); err != nil {
		t.Fatal(err)
	}
	unlocked, err := db.Open(t.Context(), db.Options{URL: url + "?sslpassword=our%20secret", RootCert: ca.File, Cert: cert, Key: lockedKey})
	if err != nil {
		t.Fatal("with a password on the key:", fault.Message(err))
	}
	t.Cleanup(func() { _ = unlocked.Close() })
	for name, c := range map[string]struct {
		options db.Options
		want    string
	}{
		"another authority":     {db.Options{URL: url, RootCert: other.File, Cert: cert, Key: key}, "unknown authority"},
		"another name":          {db.Options{URL: strings.Replace(url, "127.0.0.1", "127.0.0.2", 1), RootCert: ca.File, Cert: cert, Key: key}, "not 127.0.0.2"},
		"no certificate":        {db.Options{URL: url, RootCert: ca.File}, "requires a valid client certificate"},
		"no such file":          {db.Options{URL: url, RootCert: ca.File + "x"}, "database.sslRootCert: the file cannot be read"},
		"the authority twice":   {db.Options{URL: url + "?sslrootcert=" + ca.File, RootCert: ca.File}, "database.sslRootCert: it stands in database.url as well"},
		"no TLS":                {db.Options{URL: url + "?sslmode=disable"}, "refuses"},
		"a file that is no key": {db.Options{URL: url, RootCert: ca.File, Cert: cert, Key: ca.File}, "database.sslCert: the certificate and database.sslKey do not belong together"},
		"a file that is no CA":  {db.Options{URL: url, RootCert: key}, "database.sslRootCert: no certificate is in the file"},
	} {
		if _, err := db.Open(t.Context(), c.options); err == nil || !strings.Contains(fault.Message(err), c.want) {
			t.Errorf("%s: %v, want %q", name, fault.Message(err), c.want)
		}
	}
}

func TestOpen_FileIsPrivate(t *testing.T) {
	url := dbtest.SQLiteURL(t)
	dbtest.Open(t, url)
	info, err := os.Stat(strings.TrimPrefix(url, "sqlite:"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A server that has restarted leaves a pool of dead connections behind, which
// are found out by whoever uses them.
func TestView_AllConnectionsLost(t *testing.T) {
	url := dbtest.PostgresURL(t)
	d, err := db.Open(t.Context(), db.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for _, use := range []func() error{
		func() error { return d.Ping(t.Context()) },
		func() error { return d.View(t.Context(), func(*db.Tx) error { return nil }) },
	} {
		// Twice: only a connection that was used again within the last second is not asked for a sign of life.
		for range 2 {
			if err := connections(t.Context(), d, 8); err != nil {
				t.Fatal(err)
			}
		}
		terminate(t, url)
		if err := use(); err != nil {
			t.Error(err)
		}
	}
}

// connections has n transactions open at once.
func connections(ctx context.Context, d *db.DB, n int) error {
	if n == 0 {
		return nil
	}
	return d.View(ctx, func(*db.Tx) error { return connections(ctx, d, n-1) })
}

// terminate ends the connections of everybody else.
func terminate(t *testing.T, url string) {
	t.Helper()
	other, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	const all = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
	for left := -1; left != 0; {
		if err := other.QueryRowContext(t.Context(), all).Scan(&left); err != nil {
			t.Fatal(err)
		}
	}
}

func TestViewOne_ReadsOnceAndChangesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		if _, err := d.EnsureMeta(ctx, "n", []byte{1}); err != nil {
			t.Fatal(err)
		}
		count := func(tx *db.Tx) (n int64, err error) {
			return n, tx.Row(ctx, []any{&n}, `SELECT count(*) FROM meta WHERE key = $1`, "n")
		}
		change := func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM meta WHERE key = $1`, "n")
			return err
		}
		var n int64
		if err := d.ViewOne(ctx, func(tx *db.Tx) (err error) { n, err = count(tx); return err }); err != nil || n != 1 {
			t.Errorf("one statement: %d, %v", n, err)
		}
		for name, f := range map[string]func(tx *db.Tx) error{
			"a second statement": func(tx *db.Tx) error {
				_, err := count(tx)
				if err == nil {
					_, err = count(tx)
				}
				return err
			},
			"a change": change,
			"a change that answers": func(tx *db.Tx) error {
				_, err := db.Column[string](ctx, tx, `DELETE FROM meta WHERE key = $1 RETURNING key`, "n")
				return err
			},
		} {
			if err := d.ViewOne(ctx, f); err == nil {
				t.Errorf("%s was let through", name)
			}
		}
		if err := d.ViewOne(ctx, func(tx *db.Tx) error {
			return tx.Row(ctx, []any{&n}, `SELECT 1 FROM meta WHERE key = $1`, "nothing")
		}); !fault.Is(err, fault.NotFound) {
			t.Errorf("no row: %v", err)
		}
		if _, err := d.Meta(ctx, "n"); err != nil {
			t.Error(err)
		}
	})
}

// Counters that many change at once are changed once by each, and nobody has to begin
// anew.
func TestUpdateOne_CountsAll(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		if err := d.Update(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `CREATE TABLE counters (id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		const writers = 50
		var calls, last atomic.Int64
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				err := d.UpdateOne(ctx, func(tx *db.Tx) error {
					calls.Add(1)
					var n int64
					err := tx.Row(ctx, []any{&n}, `INSERT INTO counters (id, n) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = counters.n + 1 RETURNING n`)
					if n == writers {
						last.Add(1)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if calls.Load() != writers || last.Load() != 1 {
			t.Errorf("%d calls, and %d of them were the last of %d", calls.Load(), last.Load(), writers)
		}
	})
}
