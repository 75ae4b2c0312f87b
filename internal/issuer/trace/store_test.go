package trace_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/claimlog"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret/secrettest"
)

type env struct {
	*trace.Store
	*testing.T
	db  *db.DB
	now time.Time
}

func open(t *testing.T, d *db.DB, keep trace.Keep) *env {
	t.Helper()
	sealer := secrettest.Sealer(t, d)
	e := &env{T: t, db: d, now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	e.Store = trace.New(trace.Config{
		DB: d, Sealer: sealer, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return e.now }, Keep: keep,
		Roles: func(_ context.Context, who principal.Name, groups []string) ([]string, error) {
			return []string{fmt.Sprintf("role of %s in %v", who, groups)}, nil
		},
	})
	return e
}

// signIn adds the trace of a sign-in of who, who may be nobody, that ended with why.
func (e *env) signIn(connector string, who principal.Name, why error) trace.Trace {
	e.now = e.now.Add(time.Second)
	_, d := trace.Begin(e.Context(), func() time.Time { return e.now }, connector, "r1", "app")
	d.Person = who
	if who != "" {
		d.Asserted, d.Groups = []string{"/admins"}, []string{"admins"}
	}
	t := d.End(e.now, trace.Account{}, why)
	e.Add(t)
	return t
}

func (e *env) list(f trace.Filter) (all []trace.Trace) {
	e.Helper()
	err := db.EachPage(func(p db.Page) (string, error) {
		p.Limit = 7
		page, next, err := e.List(e.Context(), f, p)
		if err != nil {
			return "", err
		}
		for range 2 { // what was opened before is remembered
			brief, also, err := e.ListBrief(e.Context(), f, p)
			if err != nil || also != next || len(brief) != len(page) {
				e.Fatalf("in brief: %d of %d, %v", len(brief), len(page), err)
			}
			for n, want := range page {
				want.Body = trace.Body{Brief: want.Brief}
				if diff := cmp.Diff(want, brief[n]); diff != "" {
					e.Errorf("in brief: -want +got:\n%s", diff)
				}
			}
		}
		all = append(all, page...)
		return next, err
	})
	if err != nil {
		e.Fatal(err)
	}
	return all
}

func keepMany() trace.Keep { return trace.Keep{PerConnector: 100, For: 24 * time.Hour} }

var errDisabled = fault.New(fault.Denied, "%s is disabled", "user:jane@example.com").Next("ask an administrator").At("config.x")

func TestTraces_AreFoundByCode(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		e := open(t, d, keepMany())
		e.now = e.now.Add(time.Hour)
		ctx, draft := trace.Begin(t.Context(), func() time.Time { return e.now }, "okta", "r1", "app")
		draft.CameWith(url.Values{"code": {"very-secret"}, "error": {"access_denied"}, "state": {"also-secret"}})
		claimlog.Record(ctx, map[string]any{"sub": "42", "nonce": "once", "groups": []string{"/admins"}}, claimlog.Use{As: claimlog.UserID, Claim: "sub"},
			claimlog.Use{As: claimlog.Email, Claim: "mail"})
		end := claimlog.Begin(ctx, "request to the provider")
		e.now = e.now.Add(time.Second)
		end(errors.New("slow\x00"), "POST %s", "https://idp.example.com/token")
		draft.Person, draft.Asserted, draft.Groups = "user:jane@example.com", []string{"/admins"}, []string{"admins"}
		want := draft.End(e.now, trace.Account{}, nil)
		e.Add(want)
		want.Roles = []string{"role of user:jane@example.com in [admins]"}

		got, err := e.ByCode(t.Context(), " "+strings.ToLower(want.Code))
		if err != nil {
			t.Fatal(err)
		}
		got.At = got.At.UTC()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if diff := cmp.Diff([]trace.Parameter{{"code", "(11 bytes)"}, {"error", "access_denied"}, {"state", "(11 bytes)"}}, got.Request); diff != "" {
			t.Errorf("what the browser brought: -want +got:\n%s", diff)
		}
		if diff := cmp.Diff([]trace.Claim{
			{"groups", `["/admins"]`, ""}, {"sub", `"42"`, "user id"}, {"mail", "", "e-mail address (missing)"},
		}, got.Claims); diff != "" {
			t.Errorf("claims: -want +got:\n%s", diff)
		}
		if diff := cmp.Diff([]trace.Step{
			{"request to the provider", "POST https://idp.example.com/token", "slow", 0, time.Second},
		}, got.Steps); diff != "" {
			t.Errorf("steps: -want +got:\n%s", diff)
		}
		if _, err := e.ByCode(t.Context(), "NOSUCHONE"); !fault.Is(err, fault.NotFound) || !strings.Contains(fault.NextOf(err), "list-traces") {
			t.Errorf("one that is not there: %v", err)
		}
	})
}

func TestTraces_AreSealed(t *testing.T) {
	e := open(t, dbtest.SQLite(t), keepMany())
	ctx, d := trace.Begin(t.Context(), func() time.Time { return e.now }, "okta", "", "")
	claimlog.Record(ctx, map[string]any{"department": "the-secret-department"})
	e.Add(d.End(e.now, trace.Account{}, fault.New(fault.Denied, "no, says %s", "the-secret-provider")))
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var row []any
	for range 11 {
		row = append(row, new(any))
	}
	err := e.db.View(t.Context(), func(tx *db.Tx) error { return tx.Row(t.Context(), row, `SELECT * FROM sign_in_traces`) })
	if err != nil {
		t.Fatal(err)
	}
	for _, column := range row {
		raw, _ := (*column.(*any)).([]byte)
		if text := fmt.Sprint(*column.(*any)) + string(raw); strings.Contains(text, "the-secret") {
			t.Errorf("stored as it is: %s", text)
		}
		if bytes.Contains(raw, []byte("the-secret")) {
			t.Error("stored as it is")
		}
	}
}

func TestTraces_AreListedByFilter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		e := open(t, d, keepMany())
		for n := range 10 {
			e.signIn("okta", "user:jane@example.com", nil)
			e.signIn("okta", principal.Name(fmt.Sprintf("user:p%d@example.com", n)), errDisabled)
			e.signIn("ldap", "", fault.New(fault.Unauthenticated, "wrong password"))
		}
		e.signIn("ldap", "", fault.New(fault.Unavailable, "the directory does not answer"))
		e.signIn("ldap", "", errors.New("a bug"))
		for name, c := range map[string]struct {
			filter trace.Filter
			want   int
		}{
			"all":         {trace.Filter{}, 32},
			"a connector": {trace.Filter{Connector: "okta"}, 20},
			"a person":    {trace.Filter{Person: "user:jane@example.com"}, 10},
			"refused":     {trace.Filter{Result: trace.Refused}, 10},
			"unproven":    {trace.Filter{Result: trace.Unproven, Connector: "ldap"}, 10},
			"unavailable": {trace.Filter{Result: trace.Unavailable}, 1},
			"error":       {trace.Filter{Result: trace.Failed}, 1},
			"a cause":     {trace.Filter{Cause: "... is disabled"}, 10},
			"none":        {trace.Filter{Connector: "okta", Result: trace.Unproven}, 0},
		} {
			got := e.list(c.filter)
			if len(got) != c.want {
				t.Errorf("%s: %d, want %d", name, len(got), c.want)
			}
			for n := 1; n < len(got); n++ {
				if !got[n].At.Before(got[n-1].At) {
					t.Errorf("%s: %v comes after %v", name, got[n].At, got[n-1].At)
				}
			}
		}
		if _, _, err := e.List(t.Context(), trace.Filter{}, db.Page{After: "x"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("another page token: %v", err)
		}
	})
}

// Strangers cannot push out what is known of people who proved who they are.
func TestTraces_AreBounded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		e := open(t, d, trace.Keep{PerConnector: 10, For: time.Hour})
		for range 30 {
			e.signIn("okta", "user:jane@example.com", nil)
		}
		e.signIn("ldap", "", nil)
		for range 100 {
			e.signIn("okta", "", fault.New(fault.Denied, "the browser says that it was refused"))
		}
		if proven, unproven := len(e.list(trace.Filter{Result: trace.Completed, Connector: "okta"})), len(e.list(trace.Filter{Result: trace.Refused})); proven != 10 ||
			unproven != 5 {
			t.Errorf("%d proven and %d unproven are kept", proven, unproven)
		}
		for n := range 50 { // of as many documents
			_, test := trace.Begin(t.Context(), func() time.Time { return e.now }, fmt.Sprint("draft-", n), "", "")
			e.now = e.now.Add(time.Second)
			test.Test = true
			e.Add(test.End(e.now, trace.Account{}, nil))
		}
		if all := len(e.list(trace.Filter{})); all != 10+5+1+10 {
			t.Errorf("%d are kept", all)
		}
		e.now = e.now.Add(time.Hour + time.Second)
		if err := d.Update(t.Context(), func(tx *db.Tx) error { return e.DeleteExpired(t.Context(), tx, e.now) }); err != nil {
			t.Fatal(err)
		}
		if all := e.list(trace.Filter{}); len(all) != 0 {
			t.Errorf("%d are older than is kept", len(all))
		}
	})
}

func TestTraces_WaitForNothing(t *testing.T) {
	d := dbtest.SQLite(t)
	e := open(t, d, keepMany())
	if err := d.Close(); err != nil { // it does not answer
		t.Fatal(err)
	}
	for range 5000 {
		e.signIn("okta", "", nil)
	}
	if err := e.Flush(t.Context()); err == nil {
		t.Error("written to a database that is closed")
	}
}

func TestTraces_CanBeOff(t *testing.T) {
	e := open(t, dbtest.SQLite(t), trace.Keep{For: time.Hour})
	e.signIn("okta", "user:jane@example.com", nil)
	if e.On() || len(e.list(trace.Filter{})) != 0 {
		t.Error("a trace is kept")
	}
}

func TestSummary_GroupsCauses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		e := open(t, d, keepMany())
		first := e.now.Add(time.Second)
		for _, who := range []principal.Name{"user:jane@example.com", "user:joe@example.com", "user:joe@example.com"} {
			e.signIn("okta", who, fault.New(fault.Denied, "%s is disabled", who))
		}
		last := e.signIn("okta", "", fault.New(fault.Denied, "%s is disabled", "somebody"))
		e.signIn("okta", "", fault.New(fault.Denied, "%s", "said by the provider"))
		e.signIn("okta", "user:jane@example.com", nil)
		_, test := trace.Begin(t.Context(), func() time.Time { return e.now }, "okta", "", "")
		test.Test = true
		e.Add(test.End(e.now, trace.Account{}, errDisabled))
		s, err := e.Summarize(t.Context(), "", time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		for n := range s.Causes {
			s.Causes[n].First, s.Causes[n].Last = s.Causes[n].First.UTC(), s.Causes[n].Last.UTC()
		}
		want := trace.Cause{Connector: "okta", Cause: "... is disabled", Attempts: 4, People: 2, First: first, Last: last.At, Example: last.Code}
		if len(s.Causes) != 2 {
			t.Fatalf("%d causes: %+v", len(s.Causes), s.Causes)
		}
		if diff := cmp.Diff(want, s.Causes[0]); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if s.Causes[1].Cause != "said by the provider" {
			t.Errorf("a cause that is nothing but a value: %+v", s.Causes[1])
		}
		if diff := cmp.Diff([]trace.Counts{{Connector: "okta", Completed: 1, Refused: 5}}, s.Connectors); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if s, err := e.Summarize(t.Context(), "", e.now.Add(time.Hour)); err != nil || len(s.Causes) != 0 || len(s.Connectors) != 0 {
			t.Errorf("since later: %+v, %v", s, err)
		}
		if s, err := e.Summarize(t.Context(), "ldap", time.Unix(0, 0)); err != nil || len(s.Causes) != 0 || len(s.Connectors) != 0 {
			t.Errorf("another connector: %+v, %v", s, err)
		}
	})
}

func TestSummary_WarnsOfWhoNeverCameBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		e := open(t, d, keepMany())
		const wrong, right = "https://pach.example.com/dex/callback", "https://pach.example.com/callback"
		for range 7 {
			e.Sent("okta", wrong, "pach.example.com")
			if err := e.Flush(t.Context()); err != nil { // as each minute
				t.Fatal(err)
			}
		}
		for range 9 {
			e.Sent("azure", right, "pach.example.com")
		}
		e.Returned("azure", right, "pach.example.com")
		for range 2 {
			e.Sent("new", right, "pach.example.com")
		}
		for range 3 {
			e.Strayed("azure", "pach.example.com")
		}
		s, err := e.Summarize(t.Context(), "", e.now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]trace.Counts{
			{Connector: "azure", Sent: 9, Returned: 1}, {Connector: "new", Sent: 2}, {Connector: "okta", Sent: 7},
		}, s.Connectors); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if len(s.Warnings) != 2 {
			t.Fatalf("%d warnings: %+v", len(s.Warnings), s.Warnings)
		}
		if w := s.Warnings[0]; w.Connector != "azure" || !strings.Contains(w.What, "3 browsers") || !strings.Contains(w.What, "cookie") {
			t.Errorf("%+v", w)
		}
		if w := s.Warnings[1]; w.Connector != "okta" || !strings.Contains(w.What, "7 sign-ins") || !strings.Contains(w.What, wrong) ||
			!strings.Contains(w.Next, "registered") {
			t.Errorf("%+v", w)
		}
	})
}

// A stranger may choose the host of a request.
func TestCounts_AreBounded(t *testing.T) {
	e := open(t, dbtest.SQLite(t), keepMany())
	for n := range 5000 {
		e.Sent("okta", "https://pach.example.com/callback", fmt.Sprint("host-", n))
	}
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var rows int64
	err := e.db.View(t.Context(), func(tx *db.Tx) error { return tx.Row(t.Context(), []any{&rows}, `SELECT COUNT(*) FROM sign_in_counts`) })
	if err != nil || rows != 1000 {
		t.Errorf("%d rows, %v", rows, err)
	}
}
