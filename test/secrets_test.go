package test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // to look into the database from outside

	"pachyderm/demo/op/optest"
	"pachyderm/internal/db/dbtest"
)

// Client secrets, signing keys and what logins need in between are sealed at
// rest; a token is stored as its hash.
func TestDatabase_NoSecretInClear(t *testing.T) {
	for engine, look := range map[string]func(*testing.T, *daemon, string) []byte{
		"sqlite": func(t *testing.T, d *daemon, _ string) []byte {
			t.Helper()
			files, err := filepath.Glob(filepath.Join(d.dir, "pachd.db*"))
			if err != nil {
				t.Fatal(err)
			}
			var all []byte
			for _, f := range files {
				data, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, data...)
			}
			return all
		},
		"postgres": func(t *testing.T, _ *daemon, url string) []byte { t.Helper(); return dump(t, url) },
	} {
		t.Run(engine, func(t *testing.T) {
			var env []string
			url := ""
			if engine == "postgres" {
				url = dbtest.PostgresURL(t)
				env = append(env, "PACHD_DATABASE_URL="+url)
			}
			d := newDaemon(t, env...)
			provider := optest.Start(t, d.callback())
			d.start()
			d.connect(provider)
			session, err := d.login(t.Context(), d.dial(), optest.Alice)
			if err != nil {
				t.Fatal(err)
			}
			content := look(t, d, url)
			for name, secret := range map[string]string{
				"client secret": provider.ClientSecret, "session token": session, "root token": d.rootToken(),
				"signing key": `"kty"`, "code challenge": "code_challenge", "password": optest.Alice.Password,
			} {
				if bytes.Contains(content, []byte(secret)) {
					t.Errorf("the %s is in the database", name)
				}
			}
			// The search itself must be able to find something.
			if !bytes.Contains(content, []byte("user:alice@example.com")) {
				t.Error("the database was not looked into: the user's name is not found")
			}
			if bytes.Contains([]byte(d.output.String()), []byte(provider.ClientSecret)) || bytes.Contains([]byte(d.output.String()), []byte(session)) {
				t.Error("a secret is in the log")
			}
		})
	}
}

// dump reads every row of every table as text, byte columns as they are.
func dump(t *testing.T, url string) []byte {
	t.Helper()
	pool, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	ctx := t.Context()
	var all bytes.Buffer
	for _, table := range column(ctx, t, pool, `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`) {
		dumpTable(ctx, t, pool, table, &all)
	}
	return all.Bytes()
}

func dumpTable(ctx context.Context, t *testing.T, pool *sql.DB, table string, all *bytes.Buffer) {
	t.Helper()
	rows, err := pool.QueryContext(ctx, `SELECT * FROM `+table)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values := make([]sql.RawBytes, len(columns))
		into := make([]any, len(columns))
		for n := range values {
			into[n] = &values[n]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			all.Write(v)
			all.WriteByte('\n')
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func column(ctx context.Context, t *testing.T, pool *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := pool.QueryContext(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
