package registry_test

import (
	"context"
	"testing"

	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

// idpAdmin may manage connectors, and grant nothing.
func idpAdmin() registry.Author { return registry.Author{Name: "user:ida@example.com"} }

// shown is what a list shows.
func (o *office) shown() registry.Connector {
	o.t.Helper()
	c, err := o.Connector(o.t.Context(), "demo")
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

func (o *office) updateBy(by registry.Author, config map[string]any) {
	o.t.Helper()
	if err := o.UpdateConnector(o.t.Context(), by, registry.Connector{ID: "demo", Config: config}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) approve(revision string) error {
	return o.ApproveConnector(o.t.Context(), principal.Root, "demo", revision)
}

func (o *office) wantApproval(what string, want registry.Approval) {
	o.t.Helper()
	if got := o.shown().Approval; got != want {
		o.t.Errorf("%s: approval %d, want %d", what, got, want)
	}
}

func TestApproveConnector_ChangeOfAnIDPAdminWaits(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		before := o.stored("demo")
		o.updateBy(idpAdmin(), map[string]any{"claimMapping": map[string]any{"groups": "nick"}})
		o.wantApproval("changed", registry.Pending)
		if serves := o.stored("demo"); serves.Revision != before.Revision || serves.Instance != before.Instance {
			t.Error("it serves before anybody approved it")
		}
		rows, err := o.Rows(t.Context())
		if err != nil || len(rows) != 1 || rows[0].Revision != before.Revision {
			t.Errorf("people may choose %v, %v", rows, err)
		}
		seen := o.shown().Revision
		o.updateBy(idpAdmin(), map[string]any{"claimMapping": map[string]any{"groups": "email"}})
		if err := o.approve(seen); !fault.Is(err, fault.Conflict) {
			t.Errorf("what was changed since somebody looked: %v", err)
		}
		// A clusterAdmin who changes one thing has not approved what others changed.
		o.updateBy(registry.Operator(), map[string]any{"insecureEnableGroups": true})
		o.wantApproval("changed by a clusterAdmin", registry.Pending)
		if err := o.approve(o.shown().Revision); err != nil {
			t.Fatal(err)
		}
		o.wantApproval("approved", registry.Approved)
		serves := o.stored("demo")
		if serves.Revision != o.shown().Revision || serves.Instance != before.Instance || serves.Config["insecureEnableGroups"] != true {
			t.Errorf("it serves %+v", serves.Connector)
		}
		// Logins under way finish on what they began with, which was approved too.
		if _, err := o.ReadRevision(t.Context(), "demo", before.Revision); err != nil {
			t.Error(err)
		}
	})
}

func TestApproveConnector_WhatVouchesTheSameServes(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		if err := o.UpdateConnector(t.Context(), idpAdmin(), registry.Connector{ID: "demo", Name: "Another name"}); err != nil {
			t.Fatal(err)
		}
		o.wantApproval("the name", registry.Approved)
		if o.stored("demo").Name != "Another name" {
			t.Error("the name that people see is the old one")
		}
		o.updateBy(idpAdmin(), map[string]any{"clientSecret": "another-secret-value"})
		o.wantApproval("the secret", registry.Approved)
		mapping := o.shown().Config["claimMapping"]
		o.updateBy(idpAdmin(), map[string]any{"claimMapping": map[string]any{"groups": "nick"}})
		o.wantApproval("the mapping", registry.Pending)
		o.updateBy(idpAdmin(), map[string]any{"claimMapping": mapping})
		o.wantApproval("taken back", registry.Approved)
	})
}

func TestApproveConnector_NeverApproved(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		if err := o.CreateConnector(t.Context(), idpAdmin(), o.document("demo")); err != nil {
			t.Fatal(err)
		}
		o.wantApproval("created", registry.Unapproved)
		first := o.stored("demo")
		connected := func(instance string) (approved bool, err error) {
			err = o.db.View(t.Context(), func(tx *db.Tx) error {
				approved, err = registry.CheckConnected(t.Context(), tx, "demo", instance)
				return err
			})
			return approved, err
		}
		if approved, err := connected(first.Instance); approved || err != nil {
			t.Errorf("connected: approved %t, %v", approved, err)
		}
		if o.owns("demo") {
			t.Error("it names groups as they are")
		}
		alice, err := identity.SignedIn(t.Context(), o.db, identity.SignIn{
			ConnectorID: "demo", Instance: first.Instance, Subject: "s", Email: "alice@example.com",
			TokenSub:  func(id string) (string, error) { return id, nil },
			Connected: func(context.Context, *db.Tx) (bool, error) { return false, nil },
		}, o.now)
		if err != nil {
			t.Fatal(err)
		}
		gate := func() error {
			return o.db.View(t.Context(), func(tx *db.Tx) error {
				_, err := identity.Gate(t.Context(), tx, alice.User, alice.ID)
				return err
			})
		}
		if err := gate(); err != nil {
			t.Errorf("who has signed in: %v", err)
		}
		// What it said before is nothing that an approval is about: also logins
		// under way end, and who has signed in is nobody any more.
		o.updateBy(idpAdmin(), map[string]any{"claimMapping": map[string]any{"groups": "nick"}})
		second := o.stored("demo")
		if second.Instance == first.Instance {
			t.Error("it vouches for the same people as before")
		}
		if _, err := connected(first.Instance); !fault.Is(err, fault.Denied) {
			t.Errorf("a login under way: %v", err)
		}
		if err := gate(); err == nil {
			t.Error("who has signed in through what it was goes on")
		}
		if _, err := o.ReadRevision(t.Context(), "demo", first.Revision); !fault.Is(err, fault.NotFound) {
			t.Errorf("a login under way: %v", err)
		}
		o.updateBy(registry.Operator(), map[string]any{"insecureEnableGroups": true})
		o.wantApproval("changed by a clusterAdmin", registry.Unapproved)
		third := o.stored("demo")
		if err := o.approve(third.Revision); err != nil {
			t.Fatal(err)
		}
		o.wantApproval("approved", registry.Approved)
		if approved, err := connected(third.Instance); !approved || err != nil {
			t.Errorf("connected: approved %t, %v", approved, err)
		}
		if !o.owns("demo") {
			t.Error("approved, it does not name groups as they are")
		}
		o.now = o.now.Add(48 * 3600e9)
		if err := o.db.Update(t.Context(), func(tx *db.Tx) error { return registry.DeleteReplaced(t.Context(), tx, o.now) }); err != nil {
			t.Fatal(err)
		}
		if o.stored("demo").Revision != third.Revision {
			t.Error("what serves is gone")
		}
	})
}

// What serves stays, however long what is stored waits.
func TestDeleteReplaced_ApprovedServes(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		before := o.stored("demo")
		for _, claim := range []string{"nick", "email"} {
			o.updateBy(idpAdmin(), map[string]any{"claimMapping": map[string]any{"groups": claim}})
		}
		o.now = o.now.Add(48 * 3600e9)
		if err := o.db.Update(t.Context(), func(tx *db.Tx) error { return registry.DeleteReplaced(t.Context(), tx, o.now) }); err != nil {
			t.Fatal(err)
		}
		if o.stored("demo").Revision != before.Revision {
			t.Error("what serves is gone")
		}
		o.wantApproval("still", registry.Pending)
	})
}

func TestStoreSettings_IssuerOnlyByWhoMayGrant(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		err := o.StoreSettings(t.Context(), idpAdmin(), settings.Settings{Issuer: "https://elsewhere.example.com"})
		if !fault.Is(err, fault.Denied) || fault.FieldOf(err) != "issuer" {
			t.Errorf("another issuer: %v", err)
		}
		if err := o.StoreSettings(t.Context(), idpAdmin(), settings.Settings{IDTokenExpiry: "1h"}); err != nil {
			t.Errorf("the same issuer: %v", err)
		}
		if err := o.StoreSettings(t.Context(), idpAdmin(), settings.Settings{Issuer: "http://pachd:1658/"}); err != nil {
			t.Errorf("what names no issuer, in place of none: %v", err)
		}
		if s, err := o.Settings(t.Context()); err != nil || s.Issuer != "http://pachd:1658/" {
			t.Errorf("it is given back as %q, %v", s.Issuer, err)
		}
		if err := o.StoreSettings(t.Context(), registry.Operator(), settings.Settings{Issuer: "https://elsewhere.example.com"}); err != nil {
			t.Fatal(err)
		}
		for _, none := range []string{"", "http://pachd:1658/"} {
			if err := o.StoreSettings(t.Context(), idpAdmin(), settings.Settings{Issuer: none}); !fault.Is(err, fault.Denied) {
				t.Errorf("%q, which takes the issuer back: %v", none, err)
			}
		}
	})
}

func (o *office) grants(group principal.Name) bool {
	o.t.Helper()
	var bound map[access.Resource][]string
	err := o.db.View(o.t.Context(), func(tx *db.Tx) (err error) {
		bound, err = access.RolesOf(o.t.Context(), tx, group)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return len(bound) > 0
}

// What a connector called its groups is no claim on what another calls so.
func TestDeleteConnector_RolesOfItsGroupsEnd(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		o.create(o.document("other"))
		by := audit.By{Actor: principal.Root, At: o.now}
		err := o.db.Update(t.Context(), func(tx *db.Tx) error {
			for _, group := range []principal.Name{"group:admins", "group:demo/a", "group:demo2/a", "group:other/a", "group:kept", "group:demo/kept"} {
				if err := access.Set(t.Context(), tx, by, access.Resource{Type: access.Cluster}, group, []string{"clusterAdmin"}); err != nil {
					return err
				}
			}
			return identity.SetGroups(t.Context(), tx, by, "user:bob@example.com", []string{"kept"})
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = identity.SignedIn(t.Context(), o.db, identity.SignIn{
			ConnectorID: "demo", Instance: o.stored("demo").Instance, Subject: "s", Email: "alice@example.com", Groups: []string{"admins", "kept"},
			TokenSub:  func(id string) (string, error) { return id, nil },
			Connected: func(context.Context, *db.Tx) (bool, error) { return true, nil },
		}, o.now)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.DeleteConnector(t.Context(), principal.Root, "demo"); err != nil {
			t.Fatal(err)
		}
		for group, want := range map[principal.Name]bool{
			"group:admins": false, "group:demo/a": false, "group:demo/kept": false, "group:demo2/a": true, "group:other/a": true, "group:kept": true,
		} {
			if o.grants(group) != want {
				t.Errorf("%s has roles: %t", group, !want)
			}
		}
	})
}

func TestCreateClient_LookAlikes(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		client := func(id string) oidcclient.Client {
			return oidcclient.Client{ID: id, Name: "x", RedirectURIs: []string{"https://x.example.com/cb"}}
		}
		if _, err := o.CreateClient(t.Context(), principal.Root, client("console")); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"PACHD", "pachd ", " pachd", "pa\u0441hd", "Pachctl", "Console", "con\u00adsole", "con\tsole"} {
			if _, err := o.CreateClient(t.Context(), principal.Root, client(id)); !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "id" {
				t.Errorf("%q: %v", id, err)
			}
		}
		if _, err := o.CreateClient(t.Context(), principal.Root, client("pachd")); err != nil {
			t.Error(err)
		}
	})
}
