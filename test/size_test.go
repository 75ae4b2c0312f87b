package test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	pachpb "pachyderm/api/pach"
	"pachyderm/demo/op/optest"
)

// What fill puts into a database.
const (
	people      = "person"
	memberships = "membership"
	bindings    = "binding"
	tokens      = "token"
)

// fill gives a database parts of so many people, each with ten roles on as many repos
// and ten tokens, and a tenth as many groups, of which each person is in two. The
// people's identities are of no connector; nobody signs in with one.
func (d *daemon) fill(many int, parts ...string) {
	d.tb.Helper()
	pool, err := sql.Open("sqlite", filepath.Join(d.dir, "pachd.db"))
	if err != nil {
		d.tb.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	const n = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1) `
	now := time.Now().UnixMicro()
	for _, s := range []struct {
		part, statement string
		rows            int
		args            []any
	}{
		{people, `INSERT INTO users (name, disabled, created_at, login_at) ` + n + `SELECT printf('user:p%07d@example.com', i), FALSE, $2, $2 FROM n`, many, []any{now}},
		{people, `INSERT INTO identities (id, user_name, connector_id, instance, issuer, subject, token_sub, ended, waiting, email, created_at, login_at) ` + n +
			`SELECT printf('id-%07d', i), printf('user:p%07d@example.com', i), 'filled', 'filled', '', printf('s%07d', i), printf('t%07d', i), FALSE, FALSE,
			printf('p%07d@example.com', i), $2, $2 FROM n`, many, []any{now}},
		{memberships, `INSERT INTO known_groups (name, created_at) ` + n + `SELECT printf('group:g%06d', i), $2 FROM n`, many / 10, []any{now}},
		{memberships, `INSERT INTO memberships (member, group_name, source, seen_at) ` + n +
			`SELECT printf('user:p%07d@example.com', i / 2), printf('group:g%06d', (i / 2 + i % 2 * 7) % $3), 'administrator', $2 FROM n`, many * 2, []any{now, many / 10}},
		{bindings, `INSERT INTO bound_resources (resource_type, resource_name) ` + n + `SELECT 2, printf('default/r%07d', i) FROM n`, many, nil},
		{bindings, `INSERT INTO bindings (resource_type, resource_name, principal, role) ` + n +
			`SELECT 2, printf('default/r%07d', (i / 10 + i % 10 * 13) % $2), printf('user:p%07d@example.com', i / 10), 'repoReader' FROM n`, many * 10, []any{many}},
		{
			tokens, `INSERT INTO tokens (hash, subject, identity_id, created_at, expires_at) ` + n +
				`SELECT lower(hex(randomblob(32))), printf('user:p%07d@example.com', i / 10), printf('id-%07d', i / 10), $2, $3 FROM n`, many * 10,
			[]any{now, now + (30 * 24 * time.Hour).Microseconds()},
		},
	} {
		if !slices.Contains(parts, s.part) {
			continue
		}
		if _, err := pool.ExecContext(context.Background(), s.statement, append([]any{s.rows}, s.args...)...); err != nil {
			d.tb.Fatalf("%v: %s", err, s.statement)
		}
	}
}

// rest waits until pachd has nothing to do.
func (d *daemon) rest() {
	const pause, little = 100 * time.Millisecond, 5 * time.Millisecond
	for {
		before := cpuTime(d.tb, d.cmd.Process.Pid)
		time.Sleep(pause)
		if cpuTime(d.tb, d.cmd.Process.Pid)-before < little {
			return
		}
	}
}

// BenchmarkSize measures what it costs to have many people: each with ten roles and
// ten tokens. Goals at 100,000 of them: ready within 1 s, a page of 100 within 20 ms.
func BenchmarkSize(b *testing.B) {
	for _, many := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("people=%d", many), func(b *testing.B) {
			d := newDaemon(b, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256")
			provider := optest.Start(b, d.callback())
			d.start()
			d.connect(provider)
			d.kill()
			d.fill(many, people, memberships, bindings, tokens)
			d.start() // once, for what the first start after a kill does
			d.kill()
			begun := time.Now()
			d.start()
			b.ReportMetric(ms(time.Since(begun)), "ms-to-ready")
			b.ReportMetric(ms(cpuTime(b, d.cmd.Process.Pid)), "cpu-ms-to-ready")
			b.ReportMetric(residentMiB(b, d.cmd.Process.Pid), "MiB-RSS")
			if info, err := os.Stat(filepath.Join(d.dir, "pachd.db")); err == nil {
				b.ReportMetric(float64(info.Size())/float64(many), "disk-B/person")
			}
			conn := d.dial()
			ctx := as(b.Context(), d.rootToken())
			pach := pachpb.NewAPIClient(conn)
			for name, page := range map[string]func() (int, error){
				"users": func() (int, error) {
					r, err := pach.ListUsers(ctx, &pachpb.ListUsersRequest{PageSize: 100})
					return len(r.GetUsers()), err
				},
				"groups": func() (int, error) {
					r, err := pach.ListGroups(ctx, &pachpb.ListGroupsRequest{PageSize: 100})
					return len(r.GetGroups()), err
				},
				"sessions": func() (int, error) {
					r, err := pach.ListTokens(ctx, &pachpb.ListTokensRequest{PageSize: 100})
					return len(r.GetTokens()), err
				},
			} {
				var took []time.Duration
				for range 21 {
					begun := time.Now()
					if n, err := page(); err != nil || n == 0 {
						b.Fatalf("%s: %d, %v", name, n, err)
					}
					took = append(took, time.Since(begun))
				}
				slices.Sort(took)
				b.ReportMetric(took[10].Seconds()*1000, "ms/page-of-"+name)
			}
			if _, err := d.login(b.Context(), conn, optest.Alice); err != nil {
				b.Fatal(err)
			}
			d.rest()           // a start goes on with what nobody waits for
			const logins = 200 // several times as many as have the sweeper look at what is pending
			before := cpuTime(b, d.cmd.Process.Pid)
			for range logins {
				if _, err := d.login(b.Context(), conn, optest.Alice); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((cpuTime(b, d.cmd.Process.Pid)-before).Seconds()*1000/logins, "cpu-ms/login")
			b.ReportMetric(0, "ns/op")
			for range b.N - 1 { // which the metrics above have nothing to do with
			}
		})
	}
}
