package edit_test

import (
	"testing"

	"pachyderm/internal/people/session"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/pfs/edit"
)

// Whoever comes to have a name that was somebody's, such as after pachctl idp rename,
// is another owner; and who keeps their identity under another name is the same one.
func TestOwner_IsTheIdentityAndNotTheName(t *testing.T) {
	owner := func(name principal.Name, identity, unapproved string) string {
		c := session.Caller{Name: name, Token: token.Info{IdentityID: identity}, Unapproved: unapproved}
		return edit.Owner(session.NewContext(t.Context(), c)).Owner
	}
	ada := owner("user:ada@example.com", "1", "")
	for name, other := range map[string]string{
		"of the same name": owner("user:ada@example.com", "2", ""), "without identity": owner("user:ada@example.com", "", ""),
		"a robot of that name": owner("robot:1", "", ""), "by the word of nobody": owner("user:ada@example.com", "3", "new"),
	} {
		if other == ada {
			t.Errorf("somebody else %s is the owner too: %s", name, other)
		}
	}
	if renamed := owner("user:ada@example.org", "1", ""); renamed != ada {
		t.Errorf("with another name it is %s, not %s", renamed, ada)
	}
}

func TestIsInternal(t *testing.T) {
	for name, want := range map[principal.Name]bool{
		principal.Root: true, principal.AuthServer: true, "internal:pps": true, "user:ada@example.com": false, "robot:internal": false,
		"pipeline:default/edges": false, "group:pach:root": false, "": false,
	} {
		if got := edit.IsInternal(session.Caller{Name: name}); got != want {
			t.Errorf("%s: %v", name, got)
		}
		if edit.IsInternal(session.Caller{Name: name, Unapproved: "new"}) {
			t.Errorf("%s by the word of a connector that nobody has approved", name)
		}
	}
	if c := session.FromContext(session.Unguarded(t.Context())); !edit.IsInternal(c) {
		t.Error("authentication is off, and nobody may do everything")
	}
}
