package pach_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	pb "pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/pachd/pachdtest"
)

func (h *env) life(id string) pb.ConnectorState_Life {
	h.t.Helper()
	r, err := h.API.Pach.ListConnectorStates(h.Root(), &pb.ListConnectorStatesRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range r.GetStates() {
		if s.GetId() == id {
			return s.GetLife()
		}
	}
	return pb.ConnectorState_LIFE_UNKNOWN
}

// connector is a document of one that changes keys of config.
func connector(id string, config map[string]any) *identity.IDPConnector {
	c := &identity.IDPConnector{Id: id}
	if config != nil {
		c.Config, _ = structpb.NewStruct(config)
	}
	return c
}

func (h *env) mustCall(_ any, err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestLife_FromDraftToDisabled(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		p := h.Connect() // another connector, by which nobody signs in here
		draft := connector("draft", map[string]any{
			"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": h.Issuer.Callback(),
		})
		draft.Name, draft.Type = "Draft", "oidc"
		apply := &pb.ApplyConnectorRequest{Connector: draft, Draft: true}
		h.mustCall(h.API.Pach.ApplyConnector(h.Root(), apply))
		_, err := h.API.Pach.ApplyConnector(h.Root(), apply)
		pachdtest.Want(t, err, codes.AlreadyExists)
		enable := func(on, force bool) error {
			_, err := h.API.Pach.SetConnectorEnabled(h.Root(), &pb.SetConnectorEnabledRequest{Id: "draft", Enabled: on, Force: force})
			return err
		}
		offered := func() bool {
			start, err := h.API.Auth.GetOIDCLogin(t.Context(), &auth.GetOIDCLoginRequest{})
			if err != nil {
				t.Fatal(err)
			}
			return strings.Contains(optest.NewBrowser(t, func(*url.URL) bool { return false }).Get(start.GetLoginUrl()).Text(), "Draft")
		}
		if h.life("draft") != pb.ConnectorState_DRAFT || offered() {
			t.Errorf("life %s", h.life("draft"))
		}
		pachdtest.Want(t, enable(true, false), codes.FailedPrecondition, "test-connector draft")
		r, _ := h.TestConnector(registry.Connector{ID: "draft"}, func(b *optest.Browser, start string) optest.Page { return b.SignIn(start, optest.Alice) })
		if r.Error != "" || h.life("draft") != pb.ConnectorState_VERIFIED {
			t.Fatalf("%+v, life %s", r, h.life("draft"))
		}
		if err := enable(true, false); err != nil || h.life("draft") != pb.ConnectorState_ACTIVE || !offered() {
			t.Errorf("enabled: %v, life %s", err, h.life("draft"))
		}
		if err := enable(false, false); err != nil || h.life("draft") != pb.ConnectorState_DISABLED || offered() {
			t.Errorf("disabled: %v, life %s", err, h.life("draft"))
		}
	})
}

func TestLife_ChangeIsUndoneUnlessConfirmed(t *testing.T) {
	h := open(t)
	h.Connect()
	h.Alice() // so that her groups are known
	apply := func(within time.Duration) *pb.ApplyConnectorResponse {
		r, err := h.API.Pach.ApplyConnector(h.Root(), &pb.ApplyConnectorRequest{
			Connector: connector("demo", map[string]any{"insecureEnableGroups": false}), ConfirmWithin: durationpb.New(within),
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := apply(time.Minute); r.GetUndoAt() == nil {
		t.Error("nobody is told when")
	}
	groups := func() any {
		r, err := h.API.Identity.GetIDPConnector(h.Root(), &identity.GetIDPConnectorRequest{Id: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		return r.GetConnector().GetConfig().AsMap()["insecureEnableGroups"]
	}
	if groups() != false {
		t.Fatal("it is not stored")
	}
	h.Ahead(2 * time.Minute)
	for groups() != true { // pachd does so by itself
		time.Sleep(10 * time.Millisecond)
	}
	_, err := h.API.Pach.ConfirmConnector(h.Root(), &pb.ConfirmConnectorRequest{Id: "demo"})
	pachdtest.Want(t, err, codes.FailedPrecondition, "undone")
	apply(time.Minute)
	h.mustCall(h.API.Pach.ConfirmConnector(h.Root(), &pb.ConfirmConnectorRequest{Id: "demo"}))
	h.Ahead(time.Hour)
	h.mustCall(nil, h.Issuer.Registry.Undo(t.Context()))
	if groups() != false {
		t.Error("confirmed, it was undone")
	}

	r, err := h.API.Pach.ListConnectorRevisions(h.Root(), &pb.ListConnectorRevisionsRequest{Id: "demo"})
	if err != nil || len(r.GetRevisions()) != 4 {
		t.Fatalf("%v, %v", r, err)
	}
	last := r.GetRevisions()[0]
	if last.GetAuthor() != "pach:root" || len(last.GetDifferences()) != 1 || last.GetDifferences()[0].GetKey() != "config.insecureEnableGroups" ||
		!strings.Contains(r.GetRevisions()[1].GetNote(), "not confirmed in time") {
		t.Errorf("%v", r.GetRevisions())
	}
	h.mustCall(h.API.Pach.RollBackConnector(h.Root(), &pb.RollBackConnectorRequest{Id: "demo", Revision: r.GetRevisions()[3].GetRevision()}))
	if groups() != true {
		t.Error("rolled back, it is not what it was")
	}
	_, err = h.API.Pach.ApplyConnector(h.Root(), &pb.ApplyConnectorRequest{Connector: connector("nosuch", nil), ConfirmWithin: durationpb.New(time.Hour)})
	pachdtest.Want(t, err, codes.InvalidArgument, "nothing to confirm")
}

// An administrator does not lock all administrators out without hearing of it.
func TestLife_LastWayInOfAdministrators(t *testing.T) {
	h := open(t)
	h.Connect()
	h.Alice()
	if err := h.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"); err != nil {
		t.Fatal(err)
	}
	disable := func(force bool) error {
		_, err := h.API.Pach.SetConnectorEnabled(h.Root(), &pb.SetConnectorEnabledRequest{Id: "demo", Force: force})
		return err
	}
	pachdtest.Want(t, disable(false), codes.FailedPrecondition, "user:alice@example.com", "only the root token", "--force")
	r, err := h.API.Pach.PlanConnector(h.Root(), &pb.PlanConnectorRequest{Document: &pb.ConnectorDocument{Id: "demo"}, Removed: true})
	if err != nil || len(r.GetWarnings()) != 1 || !strings.Contains(r.GetWarnings()[0], "only the root token") {
		t.Errorf("what if it were deleted: %v, %v", r, err)
	}
	if h.life("demo") != pb.ConnectorState_ACTIVE {
		t.Error("it is disabled")
	}
	h.connectAs("other")
	h.through("other", optest.Bob)
	h.bind(pachdtest.Cluster(), "user:bob@example.com", "clusterAdmin")
	h.mustCall(nil, h.SetEnabled("user:bob@example.com", false))
	pachdtest.Want(t, disable(false), codes.FailedPrecondition, "user:alice@example.com")
	h.mustCall(nil, h.SetEnabled("user:bob@example.com", true))
	if err := disable(false); err != nil {
		t.Errorf("while Bob can sign in elsewhere: %v", err)
	}
	h.mustCall(h.API.Pach.SetConnectorEnabled(h.Root(), &pb.SetConnectorEnabledRequest{Id: "demo", Enabled: true}))
	h.mustCall(nil, h.SetEnabled("user:bob@example.com", false))
	if err := disable(true); err != nil || h.life("demo") != pb.ConnectorState_DISABLED {
		t.Errorf("by force: %v", err)
	}
	if err := disable(false); err != nil { // nobody is in it any more
		t.Error(err)
	}
}

func (h *env) plan(ctx context.Context, config map[string]any) *pb.PlanConnectorResponse {
	h.t.Helper()
	r, err := h.API.Pach.PlanConnector(ctx, &pb.PlanConnectorRequest{Document: &pb.ConnectorDocument{Connector: connector("demo", config)}})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func TestPlan_MakesSignInsAgain(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		h.Alice()
		h.Alice() // of whom the last counts
		h.fails(optest.Bob)
		for _, err := range []error{
			h.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"), h.Bind(pachdtest.Project("genomics"), "group:engineers", "projectWriter"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		users := int64(len(h.Users()))
		for name, c := range map[string]struct {
			config                                 map[string]any
			asBefore, refused, changed, cannotTell int64
			want                                   []string // of Alice's line
			warns                                  string
		}{
			"nothing":           {nil, users, 0, 0, 0, nil, ""},
			"another secret":    {map[string]any{"clientSecret": "new"}, users, 0, 0, 0, nil, ""},
			"no groups":         {map[string]any{"insecureEnableGroups": false}, users, 0, 0, 0, nil, "keep those that they are in"},
			"other groups":      {map[string]any{"claimMapping": map[string]any{"groups": "amr"}}, 0, 0, users, 0, []string{"admins", "engineers", "clusterAdmin on cluster", "projectWriter on project genomics"}, "nobody would administer"},
			"another address":   {map[string]any{"claimMapping": map[string]any{"email": "name"}, "insecureSkipEmailVerified": true}, 0, users, 0, 0, []string{"not exactly one e-mail address"}, "nobody would administer"},
			"a claim not known": {map[string]any{"claimMapping": map[string]any{"email": "upn"}, "insecureSkipEmailVerified": true}, 0, 0, 0, users, []string{"is not kept"}, ""},
			"another user id":   {map[string]any{"userIDKey": "name"}, 0, users, 0, 0, []string{"another account"}, "nobody would administer"},
			"other scopes":      {map[string]any{"scopes": []any{"openid", "email"}}, users, 0, 0, 0, nil, "config.scopes"},
		} {
			r := h.plan(h.Root(), c.config)
			got := []int64{r.GetAsBefore(), r.GetRefused(), r.GetChanged(), r.GetCannotBeTold()}
			if diff := cmp.Diff([]int64{c.asBefore, c.refused, c.changed, c.cannotTell}, got); diff != "" {
				t.Errorf("%s: as before, refused, changed, cannot be told: -want +got:\n%s", name, diff)
			}
			text := ""
			for _, s := range r.GetSignIns() {
				if s.GetUser() == "user:alice@example.com" {
					text = fmt.Sprint(s)
				}
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s: %q is not in %s", name, want, text)
				}
			}
			if warnings := strings.Join(r.GetWarnings(), "\n"); !strings.Contains(warnings, c.warns) || c.warns == "" && warnings != "" {
				t.Errorf("%s: warnings %q, want %q", name, warnings, c.warns)
			}
		}
		if got := h.plan(h.Root(), map[string]any{"clientSecret": "new"}).GetDifferences(); len(got) != 1 || got[0].GetTested() != `"***"` {
			t.Errorf("%v", got)
		}
		if h.life("demo") != pb.ConnectorState_ACTIVE {
			t.Error("a plan changes the connector")
		}
	})
}

// By another mapping an idpAdmin could read any claim.
func TestPlan_PrivateAddressIsWithheld(t *testing.T) {
	h := open(t)
	h.Connect()
	h.Alice()
	ida, _ := h.Robot("ida", 0)
	if err := h.Bind(pachdtest.Cluster(), "robot:ida", "idpAdmin"); err != nil {
		t.Fatal(err)
	}
	for _, config := range []map[string]any{
		{"claimMapping": map[string]any{"groups": "amr"}}, {"claimMapping": map[string]any{"email": "name"}, "insecureSkipEmailVerified": true}, {"userIDKey": "name"},
	} {
		all := h.plan(h.Root(), config)
		if len(all.GetSignIns()) != 1 {
			t.Fatalf("%v: %v", config, all)
		}
		shown := h.plan(ida, config).GetSignIns()
		if len(shown) != 1 || !strings.Contains(shown[0].GetWhy(), "ask a clusterAdmin") ||
			slices.ContainsFunc([]string{"pwd", "Anderson"}, func(secret string) bool { return strings.Contains(fmt.Sprint(shown), secret) }) {
			t.Errorf("%v: shown %v", config, shown)
		}
	}
}

// The provider has ended the secret, and people go on signing in.
func TestLife_NextSecretTakesOver(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		p := h.Connect()
		update := func(config map[string]any) {
			t.Helper()
			h.mustCall(h.API.Identity.UpdateIDPConnector(h.Root(), &identity.UpdateIDPConnectorRequest{Connector: connector("demo", config)}))
		}
		stored := func() (map[string]any, *pb.ConnectorState) {
			r, err := h.API.Identity.GetIDPConnector(h.Root(), &identity.GetIDPConnectorRequest{Id: "demo"})
			h.mustCall(nil, err)
			states, err := h.API.Pach.ListConnectorStates(h.Root(), &pb.ListConnectorStatesRequest{})
			h.mustCall(nil, err)
			return r.GetConnector().GetConfig().AsMap(), states.GetStates()[0]
		}
		update(map[string]any{"nextClientSecret": "one that comes later", "clientSecretExpires": "2027-05-31"})
		h.Alice()
		config, state := stored()
		if config["nextClientSecret"] != "***" || state.GetApproval() != pb.ConnectorState_APPROVED {
			t.Errorf("while the first is good: %v, %v", config, state)
		}
		if all := state.GetExpiries(); len(all) != 1 || all[0].GetWhat() != "client secret" ||
			all[0].GetEnds().AsTime() != time.Date(2027, 5, 31, 0, 0, 0, 0, time.UTC) {
			t.Errorf("expiries: %v", all)
		}
		update(map[string]any{"clientSecret": "one that has ended", "nextClientSecret": p.ClientSecret})
		h.fails(optest.Alice) // the demo's provider takes a code once, whoever asks
		h.Alice()
		for config, state = stored(); config["nextClientSecret"] != nil; config, state = stored() { // pachd does so by itself
			time.Sleep(10 * time.Millisecond)
		}
		if config["clientSecretExpires"] != nil || state.GetApproval() != pb.ConnectorState_APPROVED {
			t.Errorf("after it took over: %v, %v", config, state)
		}
		h.Alice()
		r, err := h.API.Pach.ListConnectorRevisions(h.Root(), &pb.ListConnectorRevisionsRequest{Id: "demo"})
		if err != nil || !strings.Contains(r.GetRevisions()[0].GetNote(), "was seen to work") {
			t.Errorf("%v, %v", r, err)
		}
	})
}
