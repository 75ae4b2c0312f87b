package registry_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/principal"
)

func (o *office) serves(id string) bool {
	o.t.Helper()
	_, err := o.ReadRevision(o.t.Context(), id, "")
	if err != nil && !fault.Is(err, fault.NotFound) {
		o.t.Fatal(err)
	}
	return err == nil
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) wantKind(what string, err error, kind fault.Kind) {
	o.t.Helper()
	if !fault.Is(err, kind) || fault.NextOf(err) == "" {
		o.t.Errorf("%s: %v, which is %s, or says nothing to do", what, err, fault.KindOf(err))
	}
}

func TestState_DraftBecomesActiveOnceItIsVerified(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		draft := o.document("draft")
		draft.Config["issuer"] = "https://not-there.example.com" // of which nobody is asked
		draft.Config["clientSecret"] = "another-secret"
		o.must(o.CreateDraft(t.Context(), registry.Operator(), draft))
		if o.serves("draft") {
			t.Error("people sign in with a draft")
		}
		o.must(o.update(registry.Connector{ID: "draft", Config: map[string]any{"issuer": o.op.Issuer, "clientSecret": o.op.ClientSecret}}))
		r, err := o.Connector(t.Context(), "draft")
		o.must(err)
		if r.State != registry.Draft || r.Verified {
			t.Errorf("%+v", r)
		}
		o.wantKind("enabled before anybody has tried it", o.SetState(t.Context(), registry.Operator(), "draft", registry.Active, false), fault.Precondition)
		o.must(o.Verify(t.Context(), "draft", "another revision"))
		o.wantKind("tried as it was before", o.SetState(t.Context(), registry.Operator(), "draft", registry.Active, false), fault.Precondition)
		o.must(o.Verify(t.Context(), "draft", r.Revision))
		o.must(o.SetState(t.Context(), registry.Operator(), "draft", registry.Active, false))
		if !o.serves("draft") || !o.owns("draft") {
			t.Error("enabled, people cannot sign in with it, or it does not name groups as they are")
		}
		// What was tried is not what is stored.
		o.must(o.update(registry.Connector{ID: "draft", Name: "x"}))
		if o.stored("draft").Verified {
			t.Error("verified as it was before")
		}
	})
}

func TestState_DisabledEndsSignInsUnderWay(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		r := o.stored("demo")
		check := func() error {
			return o.db.View(t.Context(), func(tx *db.Tx) error {
				_, err := registry.CheckConnected(t.Context(), tx, "demo", r.Instance)
				return err
			})
		}
		o.must(check())
		o.must(o.SetState(t.Context(), registry.Operator(), "demo", registry.Disabled, false))
		o.must(o.SetState(t.Context(), registry.Operator(), "demo", registry.Disabled, false)) // again
		if o.serves("demo") || !fault.Is(check(), fault.Denied) {
			t.Errorf("disabled, it serves: %v", check())
		}
		if rows, err := o.Rows(t.Context()); err != nil || len(rows) != 0 {
			t.Errorf("people are offered %v, %v", rows, err)
		}
		o.must(o.update(registry.Connector{ID: "demo", Name: "x"}))
		if o.serves("demo") {
			t.Error("an update enables it")
		}
		o.must(o.SetState(t.Context(), registry.Operator(), "demo", registry.Active, false))
		if !o.serves("demo") || check() != nil || !o.owns("demo") {
			t.Errorf("enabled: %v", check())
		}
		o.wantKind("of no connector", o.SetState(t.Context(), registry.Operator(), "nosuch", registry.Active, false), fault.NotFound)
	})
}

// A clusterAdmin who has switched a provider off has a reason.
func TestState_ApprovedIsEnabledByWhoMayGrant(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		o.must(o.SetState(t.Context(), registry.Operator(), "demo", registry.Disabled, false))
		o.wantKind("an idpAdmin enables it", o.SetState(t.Context(), idpAdmin(), "demo", registry.Active, true), fault.Denied)
		o.must(o.CreateDraft(t.Context(), idpAdmin(), o.document("own")))
		o.must(o.SetState(t.Context(), idpAdmin(), "own", registry.Active, true))
		o.must(o.SetState(t.Context(), idpAdmin(), "own", registry.Disabled, true))
		if o.serves("demo") || o.serves("own") {
			t.Error("one serves")
		}
	})
}

func TestDeleteAll_DeletesDraftsToo(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		o.must(o.CreateDraft(t.Context(), registry.Operator(), o.document("draft")))
		o.must(o.SetState(t.Context(), registry.Operator(), "demo", registry.Disabled, false))
		o.must(o.DeleteAll(t.Context(), principal.Root))
		if all, err := o.Connectors(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
	})
}

func (o *office) mapGroups(by registry.Author, claim string) error {
	return o.UpdateConnector(o.t.Context(), by, registry.Connector{ID: "demo", Config: map[string]any{"claimMapping": map[string]any{"groups": claim}}})
}

func (o *office) groupsClaim() any {
	mapping, _ := o.stored("demo").Config["claimMapping"].(map[string]any)
	return mapping["groups"]
}

func TestHistory_RollsBack(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		first := o.stored("demo")
		o.now = o.now.Add(time.Hour)
		o.must(o.UpdateConnector(t.Context(), registry.Author{Name: "user:ann@example.com", MayGrant: true}, registry.Connector{ID: "demo", Name: "Two", Config: map[string]any{
			"clientSecret": "another-secret",
		}}))
		o.now = o.now.Add(time.Hour)
		all, err := o.History(t.Context(), "demo")
		o.must(err)
		type line struct {
			Name, Secret string
			Version      int64
			Author       principal.Name
			Made         time.Time
		}
		shown := func(all []registry.Past) (out []line) {
			for _, p := range all {
				out = append(out, line{p.Name, fmt.Sprint(p.Config["clientSecret"]), p.Version, p.Author, p.Made})
			}
			return out
		}
		if diff := cmp.Diff([]line{
			{"Two", "***", 2, "user:ann@example.com", o.now.Add(-time.Hour)}, {"Demo", "***", 1, principal.Root, o.now.Add(-2 * time.Hour)},
		}, shown(all)); diff != "" {
			t.Errorf("history: -want +got:\n%s", diff)
		}
		o.must(o.RollBack(t.Context(), registry.Operator(), "demo", first.Revision))
		back := o.stored("demo")
		if back.Name != "Demo" || back.Version != 3 || back.Approval != registry.Approved || back.Revision == first.Revision ||
			back.Config["clientSecret"] != first.Config["clientSecret"] {
			t.Errorf("rolled back: %+v", back.Connector)
		}
		if all, err := o.History(t.Context(), "demo"); err != nil || len(all) != 3 || all[0].Note != "rolled back to "+first.Revision {
			t.Errorf("%+v, %v", all, err)
		}
		o.must(o.RollBack(t.Context(), registry.Operator(), "demo", back.Revision)) // to what is stored
		if o.stored("demo").Version != 3 {
			t.Error("the same again is a change")
		}
		o.wantKind("to nothing", o.RollBack(t.Context(), registry.Operator(), "demo", "nosuch"), fault.NotFound)
		o.create(o.document("other"))
		o.wantKind("to another connector's", o.RollBack(t.Context(), registry.Operator(), "other", first.Revision), fault.NotFound)
	})
}

// Rolling back is no way around approval.
func TestHistory_RollBackNeedsApproval(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		bad := o.stored("demo")
		o.must(o.mapGroups(registry.Operator(), "nick"))
		serving := o.stored("demo")
		o.must(o.RollBack(t.Context(), idpAdmin(), "demo", bad.Revision))
		if r, err := o.ReadRevision(t.Context(), "demo", ""); err != nil || r.Revision != serving.Revision {
			t.Errorf("%s serves, %v", r.Revision, err)
		}
		o.wantApproval("rolled back by an idpAdmin", registry.Pending)
	})
}

func TestUndo_GoesBackUnlessConfirmed(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		change := func(claim string, within time.Duration) error {
			return o.UpdateUnconfirmed(t.Context(), registry.Operator(), registry.Connector{ID: "demo", Config: map[string]any{
				"claimMapping": map[string]any{"groups": claim},
			}}, within)
		}
		for _, within := range []time.Duration{0, time.Second, 25 * time.Hour} {
			o.wantKind("within "+within.String(), change("nick", within), fault.Invalid)
		}
		o.must(change("nick", 10*time.Minute))
		if at := o.stored("demo").UndoAt; !at.Equal(o.now.Add(10 * time.Minute)) {
			t.Errorf("it goes back at %s", at)
		}
		o.now = o.now.Add(9 * time.Minute)
		o.must(o.Undo(t.Context()))
		if o.groupsClaim() != "nick" {
			t.Error("it went back too early")
		}
		o.now = o.now.Add(time.Minute)
		o.must(o.Undo(t.Context()))
		o.must(o.Undo(t.Context())) // once
		r := o.stored("demo")
		if o.groupsClaim() != "roles" || r.Approval != registry.Approved || r.Version != 3 || !r.UndoAt.IsZero() {
			t.Errorf("after its time: %+v", r.Connector)
		}
		o.wantKind("confirmed too late", o.Confirm(t.Context(), principal.Root, "demo"), fault.Precondition)

		o.must(change("nick", time.Minute))
		o.must(o.Confirm(t.Context(), principal.Root, "demo"))
		o.now = o.now.Add(time.Hour)
		o.must(o.Undo(t.Context()))
		if o.groupsClaim() != "nick" || o.stored("demo").Version != 4 {
			t.Errorf("confirmed: %v", o.stored("demo").Connector)
		}
		// Another change is what somebody wants now.
		o.must(change("roles", time.Minute))
		o.must(o.update(registry.Connector{ID: "demo", Name: "x"}))
		o.now = o.now.Add(time.Hour)
		o.must(o.Undo(t.Context()))
		if o.groupsClaim() != "roles" || o.stored("demo").Name != "x" {
			t.Errorf("changed before its time: %v", o.stored("demo").Connector)
		}
	})
}

// Going back must not approve what nobody has approved.
func TestUndo_ApprovesNothing(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		o.must(o.mapGroups(idpAdmin(), "evil"))
		o.wantApproval("written by an idpAdmin", registry.Pending)
		err := o.UpdateUnconfirmed(t.Context(), registry.Operator(), registry.Connector{ID: "demo", Config: map[string]any{
			"claimMapping": map[string]any{"groups": "roles"},
		}}, time.Minute)
		o.wantKind("over what waits for approval", err, fault.Precondition)

		o.must(o.RollBack(t.Context(), registry.Operator(), "demo", o.stored("demo").Revision))
		o.must(o.mapGroups(registry.Operator(), "roles"))
		o.wantApproval("as it was", registry.Approved)
		o.must(o.UpdateUnconfirmed(t.Context(), idpAdmin(), registry.Connector{ID: "demo", Config: map[string]any{
			"claimMapping": map[string]any{"groups": "evil"},
		}}, time.Minute))
		o.now = o.now.Add(time.Hour)
		o.must(o.Undo(t.Context()))
		o.wantApproval("gone back", registry.Approved)
		if o.groupsClaim() != "roles" {
			t.Errorf("groups are %v", o.groupsClaim())
		}
	})
}

func TestHistory_IsBounded(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.create(o.document("demo"))
		for n := range 60 {
			o.now = o.now.Add(time.Second)
			o.must(o.update(registry.Connector{ID: "demo", Name: fmt.Sprint("name ", n)}))
		}
		o.now = o.now.Add(48 * time.Hour)
		o.must(o.db.Update(t.Context(), func(tx *db.Tx) error { return registry.DeleteReplaced(t.Context(), tx, o.now) }))
		all, err := o.History(t.Context(), "demo")
		if err != nil || len(all) != 51 || all[0].Name != "name 59" || all[50].Name != "name 9" {
			t.Errorf("%d revisions, %v", len(all), err)
		}
		o.must(o.DeleteConnector(t.Context(), principal.Root, "demo"))
		var left int64
		o.must(o.db.View(t.Context(), func(tx *db.Tx) error {
			return tx.Row(t.Context(), []any{&left}, `SELECT COUNT(*) FROM connector_revisions`)
		}))
		if left != 0 {
			t.Errorf("%d revisions, with their secrets, of a connector that was deleted", left)
		}
	})
}
