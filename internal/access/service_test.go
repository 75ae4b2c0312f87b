package access

import (
	"context"
	"testing"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
)

// Whoever gives up a call while it reads what has changed has nobody else read all.
func TestIndex_GivenUpReadIsMadeUpFor(t *testing.T) {
	d := dbtest.SQLite(t)
	s := &Service{DB: d}
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := Binding{Resource{Type: Repo, Name: "p/r"}, "user:alice@example.com", []string{"repoReader"}}
	if err := d.Update(t.Context(), func(tx *db.Tx) error { return Put(t.Context(), tx, b) }); err != nil {
		t.Fatal(err)
	}
	away, leave := context.WithCancel(t.Context())
	leave()
	for range 20 { // to wait for the turn and to give up are both possible, and either is taken
		if _, err := s.Index(away); err == nil {
			t.Fatal("what was given up was read")
		}
	}
	if s.pending.all || !s.pending.resources[b.Resource] {
		t.Errorf("what is to be read is all: %t, or %v", s.pending.all, s.pending.resources)
	}
	ix, err := s.Index(t.Context())
	if err != nil || !ix.Decide(b.Principal, nil, b.Resource, SetOf(RepoRead)).Allowed {
		t.Errorf("the role is not seen: %v", err)
	}
}
