package claimlog_test

import (
	"errors"
	"testing"
	"time"

	"pachyderm/internal/claimlog"
)

func TestRecord(t *testing.T) {
	claimlog.Record(t.Context(), map[string]any{"sub": "1"}) // nobody looks
	claimlog.Begin(t.Context(), "search")(nil, "")

	l := claimlog.New(time.Now)
	use := claimlog.Use{As: claimlog.Email, Claim: "mail"}
	claimlog.Record(claimlog.In(t.Context(), l), map[string]any{"mail": "jane@example.com"}, use)
	if s := l.Seen(); s.Claims["mail"] != "jane@example.com" || len(s.Uses) != 1 || s.Uses[0] != use {
		t.Errorf("got %+v", s)
	}
}

func TestBegin_NotesSteps(t *testing.T) {
	now := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	l := claimlog.New(func() time.Time { return now })
	ctx := claimlog.In(t.Context(), l)
	end := claimlog.Begin(ctx, "search")
	now = now.Add(time.Second)
	why := errors.New("too slow")
	end(why, "%d entries", 3)
	if s := l.Seen().Steps; len(s) != 1 || s[0] != (claimlog.Step{
		Name: "search", Detail: "3 entries", Err: why, Began: now.Add(-time.Second), Took: time.Second,
	}) {
		t.Errorf("got %+v", s)
	}
	for range 1000 {
		claimlog.Begin(ctx, "again")(nil, "")
	}
	if n := len(l.Seen().Steps); n != 50 {
		t.Errorf("%d steps are kept", n)
	}
}
