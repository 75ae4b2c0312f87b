package session_test

import (
	"testing"

	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
)

// Whoever comes through a connector that nobody approved says who they are, and
// is nobody for what that would give.
func TestCaller_Is(t *testing.T) {
	const alice, bob = principal.Name("user:alice@example.com"), principal.Name("user:bob@example.com")
	for name, c := range map[string]struct {
		caller session.Caller
		want   bool
	}{
		"they":                      {session.Caller{Name: alice}, true},
		"somebody else":             {session.Caller{Name: bob}, false},
		"they, through a connector": {session.Caller{Name: alice, Unapproved: "demo"}, false},
		"nobody":                    {session.Caller{}, false},
	} {
		if got := c.caller.Is(alice); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
