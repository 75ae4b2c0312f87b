package registry_test

import (
	"testing"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/registry"
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
		// What it said before is nothing that an approval is about: also logins
		// under way end.
		o.updateBy(idpAdmin(), map[string]any{"claimMapping": map[string]any{"groups": "nick"}})
		second := o.stored("demo")
		if second.Instance == first.Instance {
			t.Error("it vouches for the same people as before")
		}
		if _, err := connected(first.Instance); !fault.Is(err, fault.Denied) {
			t.Errorf("a login under way: %v", err)
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
		err := o.StoreSettings(t.Context(), idpAdmin(), registry.Settings{Issuer: "https://elsewhere.example.com"})
		if !fault.Is(err, fault.Denied) || fault.FieldOf(err) != "issuer" {
			t.Errorf("another issuer: %v", err)
		}
		if err := o.StoreSettings(t.Context(), idpAdmin(), registry.Settings{IDTokenExpiry: "1h"}); err != nil {
			t.Errorf("the same issuer: %v", err)
		}
	})
}
