package identity_test

import (
	"context"
	"strings"
	"testing"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

func update(t *testing.T, d *db.DB, f func(ctx context.Context, tx *db.Tx) error) error {
	t.Helper()
	return d.Update(t.Context(), func(tx *db.Tx) error { return f(t.Context(), tx) })
}

// waiting is the identity that a refused login left.
func waiting(t *testing.T, d *db.DB, user principal.Name) (found identity.Account) {
	t.Helper()
	err := update(t, d, func(ctx context.Context, tx *db.Tx) error {
		all, err := identity.Accounts(ctx, tx, user)
		for _, a := range all {
			if a.Waiting {
				found = a
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLink_WaitingIdentity(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		mustSignIn(t, d, alice())
		other := with(func(in *identity.SignIn) { in.Subject, in.Groups = "s-2", []string{"admins"} })
		for range 2 {
			if _, err := identity.SignedIn(t.Context(), d, other, now); !fault.Is(err, fault.Denied) {
				t.Fatalf("the stranger: %v", err)
			}
		}
		wantGroups(t, d, "user:alice@example.com")
		w := waiting(t, d, "user:alice@example.com")
		if w.ID == "" || w.Subject != "s-2" || !w.LastLogin.Equal(now) {
			t.Fatalf("remembered as %+v", w)
		}
		if err := gate(t, d, w.ID); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("gate before: %v", err)
		}
		link := func(ctx context.Context, tx *db.Tx) error {
			return identity.Link(ctx, tx, byRoot, w.ID, "user:alice@example.com")
		}
		if err := update(t, d, link); err != nil {
			t.Fatal(err)
		}
		if who := mustSignIn(t, d, other); who.User != "user:alice@example.com" || who.ID != w.ID {
			t.Errorf("linked: %+v", who)
		}
		if err := gate(t, d, w.ID); err != nil {
			t.Errorf("gate after: %v", err)
		}
		err := update(t, d, func(ctx context.Context, tx *db.Tx) error {
			_, err := identity.Unlink(ctx, tx, byRoot, w.ID, "user:alice@example.com")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := gate(t, d, w.ID); !fault.Is(err, fault.Unauthenticated) || !strings.Contains(fault.Message(err), "unlinked") {
			t.Errorf("gate after it was unlinked: %v", err)
		}
		wantGroups(t, d, "user:alice@example.com")
	})
}

func TestSignedIn_WaitingIdentityWithFreeName(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		mustSignIn(t, d, alice())
		other := func(email string) identity.SignIn {
			return with(func(in *identity.SignIn) { in.Subject, in.Email = "s-2", email })
		}
		if _, err := identity.SignedIn(t.Context(), d, other("alice@example.com"), now); !fault.Is(err, fault.Denied) {
			t.Fatal(err)
		}
		if who := mustSignIn(t, d, other("alison@example.com")); who.User != "user:alison@example.com" || who.Waiting {
			t.Errorf("under a name of her own: %+v", who)
		}
		if w := waiting(t, d, "user:alice@example.com"); w.ID != "" {
			t.Errorf("still waits: %+v", w)
		}
	})
}

func TestLink_Refused(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		who := mustSignIn(t, d, alice())
		bob := mustSignIn(t, d, with(func(in *identity.SignIn) { in.Instance, in.Subject, in.Email = "second", "b", "bob@example.com" }))
		if _, err := identity.SignedIn(t.Context(), d, with(func(in *identity.SignIn) { in.Instance, in.Subject = "second", "c" }), now); !fault.Is(err, fault.Denied) {
			t.Fatal(err)
		}
		w := waiting(t, d, who.User)
		endInstance(t, d, "second")
		for name, c := range map[string]struct {
			id   string
			user principal.Name
			kind fault.Kind
		}{
			"somebody else's": {who.ID, bob.User, fault.Precondition},
			"an ended one":    {w.ID, who.User, fault.Precondition},
			"to a stranger":   {w.ID, "user:nobody@example.com", fault.NotFound},
			"an unknown one":  {"nosuch", who.User, fault.NotFound},
		} {
			err := update(t, d, func(ctx context.Context, tx *db.Tx) error { return identity.Link(ctx, tx, byRoot, c.id, c.user) })
			if !fault.Is(err, c.kind) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
