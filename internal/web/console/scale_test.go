package console_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/pachd/pachdtest"
)

// BenchmarkPages says what each page costs at 100,000 people, as one of them is shown.
func BenchmarkPages(b *testing.B) {
	s := pachdtest.Start(b)
	crowd(b, s, 100_000)
	_, token := s.Robot("bench", 3600)
	if err := s.Bind(pachdtest.Cluster(), "robot:bench", "clusterAdmin"); err != nil {
		b.Fatal(err)
	}
	_, token = s.Robot("bench", 3600)
	for _, path := range []string{
		"", "overview", "explain", "connectors", "people", "people?prefix=person050", "people/of/person050000@example.com", "groups", "groups/of/group-0000", "access",
		"access/grant?principal=user:person050000@example.com", "applications", "audit", "settings",
	} {
		b.Run("/"+path, func(b *testing.B) {
			size := 0
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.HTTP+"/console/"+path, nil)
				if err != nil {
					b.Fatal(err)
				}
				r.AddCookie(&http.Cookie{Name: "pach-console", Value: token})
				res, err := http.DefaultClient.Do(r) //nolint:bodyclose // drain does
				if err != nil {
					b.Fatal(err)
				}
				n, err := drain(res)
				if size = n; err != nil || res.StatusCode != http.StatusOK {
					b.Fatalf("%s: %d, %v", path, res.StatusCode, err)
				}
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// crowd makes so many people, each in two of a thousand groups, a tenth with a role, and
// an audit event of each.
func crowd(b *testing.B, s *pachdtest.Server, n int) {
	b.Helper()
	s.Update(func(tx *db.Tx) error {
		now := db.Micros(time.Now())
		for i := range n {
			name := fmt.Sprintf("user:person%06d@example.com", i)
			if _, err := tx.Exec(b.Context(), `INSERT INTO users (name, disabled, created_at, login_at) VALUES ($1, FALSE, $2, $2)`, name, now); err != nil {
				return err
			}
			for _, group := range []int{i % 1000, (i + 1) % 1000} {
				_, err := tx.Exec(b.Context(), `INSERT INTO memberships (member, group_name, source, seen_at, written) VALUES ($1, $2, 'administrator', $3, '')`,
					name, fmt.Sprintf("group:group-%04d", group), now)
				if err != nil {
					return err
				}
			}
			if i%10 == 0 {
				_, err := tx.Exec(b.Context(), `INSERT INTO bindings (resource_type, resource_name, principal, role) VALUES (4, 'default', $1, 'projectViewer')`, name)
				if err != nil {
					return err
				}
			}
			_, err := tx.Exec(b.Context(), `INSERT INTO audit_events (id, at, actor, action, object, detail, request) VALUES ($1, $2, $3, 'login', 'connector/demo', '', '')`,
				fmt.Sprintf("event-%06d", i), now+int64(i), name)
			if err != nil {
				return err
			}
		}
		return tx.Changed(b.Context(), "", "")
	})
}

func drain(res *http.Response) (int, error) {
	defer func() { _ = res.Body.Close() }()
	n, err := io.Copy(io.Discard, res.Body)
	return int(n), err
}
