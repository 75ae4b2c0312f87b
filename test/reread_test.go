package test

import (
	"database/sql"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	authpb "pachyderm/api/auth"
	"pachyderm/internal/db/dbtest"
)

// BenchmarkReread measures how long calls wait at most where the connection is cut on
// which a replica hears of others' changes: what it does not hear of may be a role that
// was taken, so that it reads all bindings anew before it decides anything.
func BenchmarkReread(b *testing.B) {
	const bindings, callers, cuts, after = 1_000_000, 4, 3, 4 * time.Second
	url := dbtest.PostgresURL(b)
	d := newDaemon(b, "PACHD_DATABASE_URL="+url)
	d.start()
	d.kill()
	pool, err := sql.Open("pgx", url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	must := func(query string, args ...any) {
		b.Helper()
		if _, err := pool.ExecContext(b.Context(), query, args...); err != nil {
			b.Fatal(err)
		}
	}
	must(`INSERT INTO bound_resources (resource_type, resource_name) SELECT 2, 'default/r' || i FROM generate_series(0, $1 / 10 - 1) i`, bindings)
	must(`INSERT INTO bindings (resource_type, resource_name, principal, role)
		SELECT 2, 'default/r' || (i / 10 + i % 10 * 13) % ($1 / 10), 'user:p' || i / 10 || '@example.com', 'repoReader' FROM generate_series(0, $1 - 1) i`, bindings)
	d.start()
	c, ctx := authpb.NewAPIClient(d.dial()), as(b.Context(), d.rootToken())
	call := func() time.Duration {
		begun := time.Now()
		res, err := c.Authorize(ctx, &authpb.AuthorizeRequest{
			Resource: &authpb.Resource{Type: authpb.ResourceType_REPO, Name: "default/r1"}, Permissions: []authpb.Permission{authpb.Permission_REPO_READ},
		})
		if err != nil || !res.GetAuthorized() {
			b.Errorf("%v, %v", res, err)
		}
		return time.Since(begun)
	}
	call() // the first one may wait for the start
	var waits []time.Duration
	for range cuts {
		until := time.Now().Add(after)
		longest := make([]time.Duration, callers)
		var wg sync.WaitGroup
		for n := range longest {
			wg.Go(func() {
				for time.Now().Before(until) {
					longest[n] = max(longest[n], call())
				}
			})
		}
		must(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND (query LIKE 'LISTEN%' OR query = '-- ping')`)
		wg.Wait()
		waits = append(waits, longest...)
	}
	b.ReportMetric(ms(median(waits)), "ms-waited")
	b.ReportMetric(0, "ns/op")
}
