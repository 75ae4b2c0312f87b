package console_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/principal"
)

// BenchmarkPages says what each page costs at 100,000 people, 1,000,000 events in the
// audit and 1,000 sign-ins that are kept whole, as one of them is shown.
func BenchmarkPages(b *testing.B) {
	s := pachdtest.Start(b)
	crowd(b, s, 100_000)
	busy(b, s, 1_000_000)
	code := signIns(b, s, 5, 200)
	_, token := s.Robot("bench", 3600)
	if err := s.Bind(pachdtest.Cluster(), "robot:bench", "clusterAdmin"); err != nil {
		b.Fatal(err)
	}
	_, token = s.Robot("bench", 3600)
	for _, path := range []string{
		"", "overview", "explain", "connectors", "people", "people?prefix=person050", "people/of/person050000@example.com", "groups", "groups/of/group-0000", "access",
		"access/grant?principal=user:person050000@example.com", "applications", "audit", "settings",
		"people/of/person050000@example.com/rename", "people/unused", "people/unused/disable?days=90",
		"explain?permission=REPO_READ&type=PROJECT&name=default&principal=user:person050000@example.com&at=" +
			url.QueryEscape(s.Now().Add(-time.Second).UTC().Format(time.RFC3339Nano)),
		"sign-ins", "sign-ins?user=user:person000100@example.com", "sign-ins/of/" + code,
		"audit?actor=user:person050000@example.com", "audit?action=binding.", "audit?object=connector/idp-1",
	} {
		b.Run("/"+path, func(b *testing.B) {
			size, began := 0, cpu(b)
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
			b.ReportMetric(float64((cpu(b)-began).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpu is the processor time that this process has used: on a machine that does other
// things as well it says more than the time that has passed.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// crowd makes so many people, each in two of a thousand groups, a tenth with a role. Of
// each hundred one was not here for a year.
func crowd(b *testing.B, s *pachdtest.Server, n int) {
	b.Helper()
	s.Update(func(tx *db.Tx) error {
		now := db.Micros(time.Now())
		for i := range n {
			last := now
			if i%100 == 0 {
				last -= int64(365 * 24 * time.Hour / time.Microsecond)
			}
			name := fmt.Sprintf("user:person%06d@example.com", i)
			if _, err := tx.Exec(b.Context(), `INSERT INTO users (name, disabled, created_at, login_at) VALUES ($1, FALSE, $2, $2)`, name, last); err != nil {
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
		}
		return tx.Changed(b.Context(), "", "")
	})
}

// busy makes so many events of the last year, as they are told apart: most are
// sign-ins, and of a hundred one is a change of roles.
func busy(b *testing.B, s *pachdtest.Server, n int) {
	b.Helper()
	const year = 365 * 24 * time.Hour
	first, each := db.Micros(s.Now().Add(-year)), int64(year/time.Microsecond)/int64(n)
	s.Update(func(tx *db.Tx) error {
		for i := range n {
			who := fmt.Sprintf("user:person%06d@example.com", i%100_000)
			actor, action, object, detail := who, "login", fmt.Sprintf("connector/idp-%d", i%5), "session abcdefghijkl"
			if i%100 == 0 {
				actor, action, object, detail = "user:admin@example.com", "binding.set", "PROJECT default", who+": projectViewer (was none)"
			}
			_, err := tx.Exec(b.Context(), `INSERT INTO audit_events (id, at, actor, action, object, detail, request) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
				fmt.Sprintf("event-%07d", i), first+int64(i)*each, actor, action, object, detail, fmt.Sprintf("REQ%05X", i))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// signIns makes so many connectors with so many sign-ins each, over two weeks, and
// returns the code of one. Each has about what a provider says of somebody in fifty
// groups.
func signIns(b *testing.B, s *pachdtest.Server, connectors, each int) (code string) {
	b.Helper()
	p := optest.Start(b, s.Issuer.Callback())
	for n := range connectors {
		err := s.Issuer.Registry.CreateConnector(b.Context(), registry.Operator(), registry.Connector{
			ID: fmt.Sprintf("idp-%d", n), Name: fmt.Sprintf("Provider %d", n), Type: "oidc", Config: map[string]any{
				"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": s.Issuer.Callback(),
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		for i := range each {
			t := signIn(n*each+i, s.Now().Add(-time.Duration(i)*13*24*time.Hour/time.Duration(each)))
			t.Connector = fmt.Sprintf("idp-%d", n)
			s.Issuer.Traces.Add(t)
			code = t.Code
		}
		if err := s.Issuer.Traces.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return code
}

func signIn(n int, at time.Time) trace.Trace {
	t := trace.Trace{
		Code: fmt.Sprintf("CODE%04d", n), At: at, Revision: "3", Client: "pachd", Result: trace.Completed,
		Person: principal.Name(fmt.Sprintf("user:person%06d@example.com", n)),
	}
	t.Took = time.Duration(20+n%100) * time.Millisecond
	if n%10 == 0 {
		t.Result, t.Cause, t.Error = trace.Refused, "not in an allowed group", "you are in none of the groups that may sign in"
		t.Next, t.Setting = "ask an administrator", "config.allowedGroups"
	}
	t.Request = []trace.Parameter{{Name: "code", Value: "(43 bytes)"}, {Name: "state", Value: "(43 bytes)"}}
	for _, url := range []string{"/.well-known/openid-configuration", "/token", "/keys", "/userinfo"} {
		t.Steps = append(t.Steps, trace.Step{Name: "request", Detail: "POST https://login.example.com" + url + ": 200 OK", Took: time.Millisecond})
	}
	for i := range 50 {
		t.Groups = append(t.Groups, fmt.Sprintf("group-%04d", (n+i)%1000))
	}
	t.Asserted = t.Groups
	for i := range 20 {
		t.Claims = append(t.Claims, trace.Claim{Name: fmt.Sprintf("https://example.com/claims/%d", i), Value: `"` + rand.Text() + rand.Text() + `"`})
	}
	t.Claims = append(t.Claims, trace.Claim{Name: "groups", Value: `["` + strings.Join(t.Groups, `","`) + `"]`, UsedAs: "groups"})
	return t
}

func drain(res *http.Response) (int, error) {
	defer func() { _ = res.Body.Close() }()
	n, err := io.Copy(io.Discard, res.Body)
	return int(n), err
}
