package test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	authpb "pachyderm/api/auth"
	"pachyderm/internal/db/dbtest"
)

// offline is a command of pachd's on d's data.
func (d *daemon) offline(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), program(d.tb, "pachd"), append(args, "--data-dir", d.dir)...)
	cmd.Env = d.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// A kill -9 while a dump is imported leaves an empty database, into which it can be
// imported then. The dump goes through pipes.
func TestKill_ImportIsAllOrNothing(t *testing.T) {
	source := newDaemon(t, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256")
	source.start()
	source.kill()
	pool, err := sql.Open("sqlite", filepath.Join(source.dir, "pachd.db"))
	if err != nil {
		t.Fatal(err)
	}
	const events = 50_000
	_, err = pool.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO audit_events (id, at, actor, action, object, detail) SELECT 'event-' || i, i, 'robot:ci', 'test', 'cluster', hex(randomblob(40)) FROM n`, events)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	dump, err := source.offline("export", "-").Output()
	if err != nil || len(dump) < 5<<20 {
		t.Fatalf("%d bytes, %v", len(dump), err)
	}
	for driver, url := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteURL, "pgx": dbtest.PostgresURL} {
		t.Run(driver, func(t *testing.T) {
			url := url(t)
			target := newDaemon(t, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256", "PACHD_DATABASE_URL="+url)
			for _, name := range []string{"sealing-key", "root-token"} {
				data, err := os.ReadFile(filepath.Join(source.dir, name))
				if err == nil {
					err = os.WriteFile(filepath.Join(target.dir, name), data, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			killed := target.offline("import", "-")
			into, err := killed.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := killed.Start(); err != nil {
				t.Fatal(err)
			}
			// It has read this but for what is in the pipe, and stored what it could make of it.
			if _, err := into.Write(dump[:4<<20]); err != nil {
				t.Fatal(err)
			}
			if err := killed.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = killed.Wait()
			pool, err := sql.Open(driver, strings.TrimPrefix(url, "sqlite:"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = pool.Close() }()
			count := func() (n int) {
				if err := pool.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM audit_events) + (SELECT count(*) FROM meta)`).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			if n := count(); n != 0 {
				t.Errorf("%d rows are left", n)
			}
			again := target.offline("import", "-")
			again.Stdin = bytes.NewReader(dump)
			if out, err := again.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if n := count(); n <= events {
				t.Errorf("%d rows", n)
			}
			target.start()
			res, err := authpb.NewAPIClient(target.dial()).WhoAmI(as(t.Context(), target.rootToken()), &authpb.WhoAmIRequest{})
			if err != nil || res.GetUsername() != "pach:root" {
				t.Errorf("%v, %v", res, err)
			}
		})
	}
}
