package identity_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f(t, d)
	})
}

// alice signs in through the connector instance "first".
func alice() identity.SignIn {
	return identity.SignIn{
		ConnectorID: "corp", Instance: "first", Issuer: "https://id.example.com", Subject: "s-1", Email: "alice@example.com",
		TokenSub:  func(id string) (string, error) { return "sub-" + id, nil },
		Connected: func(context.Context, *db.Tx) (bool, error) { return true, nil },
	}
}

func with(change func(*identity.SignIn)) identity.SignIn {
	in := alice()
	change(&in)
	return in
}

// byRoot is who changes people in these tests.
var byRoot = audit.By{Actor: principal.Root, At: time.Now()}

func mustSignIn(t *testing.T, d *db.DB, in identity.SignIn) identity.Identity {
	t.Helper()
	who, err := identity.SignedIn(t.Context(), d, in, now)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func gate(t *testing.T, d *db.DB, id string) error {
	t.Helper()
	return d.View(t.Context(), func(tx *db.Tx) error {
		_, err := identity.Gate(t.Context(), tx, "", id)
		return err
	})
}

func setEnabled(t *testing.T, d *db.DB, user principal.Name, enabled bool) error {
	t.Helper()
	return d.Update(t.Context(), func(tx *db.Tx) error { return identity.SetEnabled(t.Context(), tx, byRoot, user, enabled, "") })
}

func wantGroups(t *testing.T, d *db.DB, who principal.Name, want ...principal.Name) {
	t.Helper()
	var got []principal.Name
	err := d.View(t.Context(), func(tx *db.Tx) (err error) {
		got, err = identity.Groups(t.Context(), tx, who)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups of %s (-want +got):\n%s", who, diff)
	}
}

func TestSignedIn_FirstIdentityOwnsTheName(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		first := mustSignIn(t, d, alice())
		if first.User != "user:alice@example.com" || first.ID == "" || first.TokenSub != "sub-"+first.ID {
			t.Errorf("first login: %+v", first)
		}
		if again := mustSignIn(t, d, alice()); again != first {
			t.Errorf("second login: %+v, not %+v", again, first)
		}
		for name, in := range map[string]identity.SignIn{
			"another account of the provider": with(func(in *identity.SignIn) { in.Subject = "s-2" }),
			"another issuer":                  with(func(in *identity.SignIn) { in.Issuer = "https://other.example.com" }),
			"another connector instance":      with(func(in *identity.SignIn) { in.Instance = "second" }),
		} {
			_, err := identity.SignedIn(t.Context(), d, in, now)
			if !fault.Is(err, fault.Denied) || !strings.Contains(fault.Message(err), "user:alice@example.com") || !strings.Contains(fault.Message(err), "pachctl idp link") {
				t.Errorf("%s claims her address: %v", name, err)
			}
		}
		err := d.View(t.Context(), func(tx *db.Tx) error {
			for name, find := range map[string]func() (identity.Identity, error){
				"id":            func() (identity.Identity, error) { return identity.ByID(t.Context(), tx, first.ID) },
				"token subject": func() (identity.Identity, error) { return identity.ByTokenSub(t.Context(), tx, first.TokenSub) },
			} {
				if got, err := find(); err != nil || got != first {
					t.Errorf("found by %s: %+v, %v", name, got, err)
				}
			}
			_, err := identity.ByTokenSub(t.Context(), tx, "sub-of-nobody")
			return err
		})
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("an unknown subject: %v", err)
		}
	})
}

func TestSignedIn_ChangedAddressKeepsTheName(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		first := mustSignIn(t, d, alice())
		married := mustSignIn(t, d, with(func(in *identity.SignIn) { in.Email, in.Groups = "alice.b@example.com", []string{"admins"} }))
		if married != first {
			t.Errorf("with a new address: %+v, not %+v", married, first)
		}
		wantGroups(t, d, "user:alice@example.com", "group:admins")
		wantGroups(t, d, "user:alice.b@example.com")
		// nor may she take a name that is somebody's by changing her address
		bob := mustSignIn(t, d, with(func(in *identity.SignIn) { in.Subject, in.Email = "s-2", "bob@example.com" }))
		if got := mustSignIn(t, d, with(func(in *identity.SignIn) { in.Email = "bob@example.com" })); got.User == bob.User {
			t.Errorf("alice became %s", got.User)
		}
	})
}

func TestSignedIn_BadAddressOrGroup(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		for name, in := range map[string]identity.SignIn{
			"no address":             with(func(in *identity.SignIn) { in.Email = "" }),
			"a line break":           with(func(in *identity.SignIn) { in.Email = "alice@example.com\nx" }),
			"a group without name":   with(func(in *identity.SignIn) { in.Groups = []string{"admins", ""} }),
			"an invisible group":     with(func(in *identity.SignIn) { in.Groups = []string{"ad\u200bmins"} }),
			"a group without a name": with(func(in *identity.SignIn) { in.Groups = []string{""} }),
		} {
			if _, err := identity.SignedIn(t.Context(), d, in, now); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		wantGroups(t, d, "user:alice@example.com")
	})
}

func TestGate_DisabledUser(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		who := mustSignIn(t, d, alice())
		if err := gate(t, d, who.ID); err != nil {
			t.Fatalf("before: %v", err)
		}
		if err := setEnabled(t, d, who.User, false); err != nil {
			t.Fatal(err)
		}
		if _, err := identity.SignedIn(t.Context(), d, alice(), now); !fault.Is(err, fault.Denied) || !strings.Contains(fault.Message(err), "ask an administrator") {
			t.Errorf("login: %v", err)
		}
		if err := gate(t, d, who.ID); !fault.Is(err, fault.Unauthenticated) || !strings.Contains(fault.Message(err), "disabled") {
			t.Errorf("gate: %v", err)
		}
		if err := setEnabled(t, d, who.User, true); err != nil {
			t.Fatal(err)
		}
		if err := gate(t, d, who.ID); err != nil {
			t.Errorf("enabled again: %v", err)
		}
		mustSignIn(t, d, alice())

		if err := setEnabled(t, d, "user:nobody@example.com", false); !fault.Is(err, fault.NotFound) {
			t.Errorf("somebody unknown: %v", err)
		}
		if err := setEnabled(t, d, principal.Root, false); !fault.Is(err, fault.Invalid) {
			t.Errorf("root: %v", err)
		}
	})
}

func TestGate_WithoutIdentity(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		if err := gate(t, d, ""); err != nil {
			t.Errorf("a robot or root: %v", err)
		}
		if err := gate(t, d, "made-up"); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("an identity that does not exist: %v", err)
		}
	})
}

func endInstance(t *testing.T, d *db.DB, instance string) {
	t.Helper()
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		_, err := identity.EndInstance(t.Context(), tx, instance)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGate_DeletedConnector(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		who := mustSignIn(t, d, with(func(in *identity.SignIn) { in.Groups = []string{"admins"} }))
		bob := mustSignIn(t, d, with(func(in *identity.SignIn) { in.Instance, in.Subject, in.Email = "second", "b", "bob@example.com" }))
		endInstance(t, d, "first")
		if err := gate(t, d, who.ID); !fault.Is(err, fault.Unauthenticated) || !strings.Contains(fault.Message(err), "no longer connected") {
			t.Errorf("gate: %v", err)
		}
		if err := gate(t, d, bob.ID); err != nil {
			t.Errorf("somebody of another connector: %v", err)
		}
		wantGroups(t, d, who.User)

		// The same document again is a new instance.
		again := with(func(in *identity.SignIn) { in.Instance, in.Groups = "third", []string{"admins"} })
		if _, err := identity.SignedIn(t.Context(), d, again, now); !fault.Is(err, fault.Denied) {
			t.Errorf("the same account through a new connector: %v", err)
		}
		if err := gate(t, d, who.ID); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the old session afterwards: %v", err)
		}
		wantGroups(t, d, who.User)
	})
}

func TestSignedIn_ConnectorDeletedMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		gone := fault.New(fault.Denied, "removed")
		_, err := identity.SignedIn(t.Context(), d, with(func(in *identity.SignIn) {
			in.Groups = []string{"admins"}
			in.Connected = func(context.Context, *db.Tx) (bool, error) { return false, gone }
		}), now)
		if !fault.Is(err, fault.Denied) {
			t.Errorf("login: %v", err)
		}
		wantGroups(t, d, "user:alice@example.com")
		if err := setEnabled(t, d, "user:alice@example.com", false); !fault.Is(err, fault.NotFound) {
			t.Errorf("she was recorded: %v", err)
		}
	})
}

func TestSignedIn_GroupsOfItsOwnSource(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		login := func(groups []string) {
			t.Helper()
			mustSignIn(t, d, with(func(in *identity.SignIn) { in.Groups = groups }))
		}
		login([]string{"b", "a", "b", "group:okta/c"})
		wantGroups(t, d, "user:alice@example.com", "group:a", "group:b", "group:group:okta/c")
		// What an administrator has said of her, and what another connector says.
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			for group, source := range map[string]string{"group:manual": "admin", "group:a": "admin", "group:okta/x": "connector:second"} {
				_, err := tx.Exec(t.Context(), `INSERT INTO memberships (member, group_name, source, seen_at) VALUES ($1, $2, $3, 1)`, "user:alice@example.com", group, source)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		login(nil) // the provider said nothing about groups
		wantGroups(t, d, "user:alice@example.com", "group:a", "group:b", "group:group:okta/c", "group:manual", "group:okta/x")
		login([]string{"d"})
		wantGroups(t, d, "user:alice@example.com", "group:a", "group:d", "group:manual", "group:okta/x")
		login([]string{}) // it said: none
		wantGroups(t, d, "user:alice@example.com", "group:a", "group:manual", "group:okta/x")
		endInstance(t, d, "second")
		wantGroups(t, d, "user:alice@example.com", "group:a", "group:manual")
	})
}

func TestSignedIn_ConcurrentFirstLogins(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		const logins = 16
		ids, errs := make([]string, 2*logins), make([]error, 2*logins)
		var wg sync.WaitGroup
		for n := range 2 * logins {
			wg.Go(func() {
				// Two accounts that claim one address, each from many windows.
				who, err := identity.SignedIn(t.Context(), d, with(func(in *identity.SignIn) {
					in.Subject, in.Groups = fmt.Sprintf("s-%d", n%2), []string{"a"}
				}), now)
				ids[n], errs[n] = who.ID, err
			})
		}
		wg.Wait()
		won := map[string]bool{}
		refused := 0
		for n, err := range errs {
			switch {
			case err == nil:
				won[ids[n]] = true
			case fault.Is(err, fault.Denied):
				refused++
			default:
				t.Errorf("login %d: %v", n, err)
			}
		}
		if len(won) != 1 || refused != logins {
			t.Errorf("%d identities own the address, %d of %d logins were refused", len(won), refused, logins)
		}
	})
}

// evil signs in as Alice through a connector that nobody has approved.
func evil() identity.SignIn {
	return with(func(in *identity.SignIn) {
		in.ConnectorID, in.Instance, in.Subject, in.Groups = "evil", "second", "e-1", []string{"admins"}
		in.Connected = func(context.Context, *db.Tx) (bool, error) { return false, nil }
	})
}

func TestSignedIn_UnapprovedStatesNoFacts(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		who := mustSignIn(t, d, evil())
		if who.Approved || who.Waiting {
			t.Errorf("it is %+v", who)
		}
		wantGroups(t, d, "user:alice@example.com")
		other := evil()
		other.ConnectorID, other.Instance = "worse", "third"
		if _, err := identity.SignedIn(t.Context(), d, other, now); !fault.Is(err, fault.Denied) {
			t.Errorf("another unapproved one claims the name: %v", err)
		}
		if err := gate(t, d, who.ID); err != nil {
			t.Errorf("the first one after that: %v", err)
		}
		told := make(chan db.Change, 10)
		d.Watch(func(c db.Change) { told <- c })
		// The person who comes through an approved connector is not kept out, and
		// inherits nothing.
		first := mustSignIn(t, d, alice())
		if !first.Approved || first.Waiting {
			t.Errorf("it is %+v", first)
		}
		forget := db.Change{Topic: principal.Topic, Key: "user:alice@example.com"}
		if changes := len(told); changes == 0 || <-told != forget {
			t.Errorf("whoever remembers the unapproved one is told of %d changes, want %v", changes, forget)
		}
		mustSignIn(t, d, with(func(in *identity.SignIn) { in.Groups = []string{"engineers"} }))
		wantGroups(t, d, "user:alice@example.com", "group:engineers")
		if err := gate(t, d, who.ID); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the sessions of the unapproved one: %v", err)
		}
		if _, err := identity.SignedIn(t.Context(), d, evil(), now); !fault.Is(err, fault.Denied) {
			t.Errorf("the unapproved one again: %v", err)
		}
	})
}

func TestApproveInstance_CountsFromThenOn(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		who := mustSignIn(t, d, evil())
		err := d.Update(t.Context(), func(tx *db.Tx) error { return identity.ApproveInstance(t.Context(), tx, "second") })
		if err != nil {
			t.Fatal(err)
		}
		err = d.View(t.Context(), func(tx *db.Tx) error {
			who, err = identity.Gate(t.Context(), tx, "", who.ID)
			return err
		})
		if err != nil || !who.Approved {
			t.Errorf("it is %+v, %v", who, err)
		}
		if _, err := identity.SignedIn(t.Context(), d, alice(), now); !fault.Is(err, fault.Denied) {
			t.Errorf("a second approved one claims the name: %v", err)
		}
	})
}
