package pach_test

import (
	"context"
	"net/url"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"pachyderm/api/auth"
	pb "pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/test/idp"
)

func (h *env) setMaxAge(ctx context.Context, on *auth.Resource, who string, age, grace time.Duration) error {
	_, err := h.API.Pach.SetMaxAge(ctx, &pb.SetMaxAgeRequest{Resource: on, Principal: who, MaxAge: durationpb.New(age), Grace: durationpb.New(grace)})
	return err
}

// A role by a group counts for as long as it is known that somebody is in it.
func TestMaxAge_RoleEndsWithTheFact(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		alice := pachdtest.As(t.Context(), h.Alice())
		for _, err := range []error{
			h.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"), h.Bind(pachdtest.Project("genomics"), "group:admins", "projectWriter"),
			h.setMaxAge(h.Root(), pachdtest.Cluster(), "group:admins", 5*time.Minute, 0),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		administers := func(ctx context.Context) error {
			_, err := h.API.Pach.ListMaxAges(ctx, &pb.ListMaxAgesRequest{})
			return err
		}
		explain := func(r *auth.Resource, p auth.Permission) *pb.ExplainResponse {
			t.Helper()
			e, err := h.API.Pach.Explain(alice, &pb.ExplainRequest{Permission: p, Resource: r})
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		for _, at := range []time.Duration{0, 4 * time.Minute} {
			h.Ahead(at)
			if err := administers(alice); err != nil {
				t.Errorf("after %s: %v", at, err)
			}
		}
		if e := explain(pachdtest.Cluster(), auth.Permission_CLUSTER_GET_BINDINGS); !e.GetAllowed() || len(e.GetGrants()) != 1 ||
			e.GetGrants()[0].GetMaxAge().GetMaxAge().AsDuration() != 5*time.Minute || len(e.GetTooOld()) != 0 {
			t.Errorf("explained: %v", e)
		}
		h.Ahead(6 * time.Minute)
		pachdtest.Want(t, administers(alice), codes.PermissionDenied, "sign in again")
		if e := explain(pachdtest.Cluster(), auth.Permission_CLUSTER_GET_BINDINGS); e.GetAllowed() || len(e.GetGrants()) != 0 || len(e.GetTooOld()) != 1 {
			t.Errorf("explained: %v", e)
		}
		// Where nothing is said of it, the fact is good.
		if e := explain(pachdtest.Project("genomics"), auth.Permission_PROJECT_LIST_REPO); !e.GetAllowed() {
			t.Errorf("on a project without a limit: %v", e)
		}
		_, err := h.API.Auth.GetRobotToken(alice, &auth.GetRobotTokenRequest{Robot: "made-by-old-fact"})
		pachdtest.Want(t, err, codes.PermissionDenied)
		// The other session of hers has the newer fact, too.
		again := pachdtest.As(t.Context(), h.Alice())
		for _, ctx := range []context.Context{again, alice} {
			if err := administers(ctx); err != nil {
				t.Errorf("signed in again: %v", err)
			}
		}
		h.Ahead(12 * time.Minute)
		pachdtest.Want(t, administers(again), codes.PermissionDenied)
		if err := h.setMaxAge(h.Root(), pachdtest.Cluster(), "group:admins", 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := administers(alice); err != nil {
			t.Errorf("without a limit: %v", err)
		}
	})
}

func TestMaxAge_StatedFactsDoNotAge(t *testing.T) {
	h := open(t)
	h.Connect()
	alice := pachdtest.As(t.Context(), h.Alice())
	_, err := h.API.Auth.ModifyMembers(h.Root(), &auth.ModifyMembersRequest{Group: "group:ops", Add: []string{"user:alice@example.com"}})
	h.mustCall(nil, err)
	h.mustCall(nil, h.Bind(pachdtest.Cluster(), "group:ops", "clusterAdmin"))
	h.mustCall(nil, h.setMaxAge(h.Root(), pachdtest.Cluster(), "group:ops", 15*time.Minute, 0))
	h.Ahead(50 * time.Minute)
	if _, err := h.API.Pach.ListMaxAges(alice, &pb.ListMaxAgesRequest{}); err != nil {
		t.Errorf("an administrator says that she is in it: %v", err)
	}
}

func TestMaxAge_Refused(t *testing.T) {
	h := open(t)
	h.Connect()
	alice := pachdtest.As(t.Context(), h.Alice())
	h.mustCall(nil, h.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"))
	h.mustCall(nil, h.Bind(pachdtest.Cluster(), "group:engineers", "debugger"))
	h.mustCall(nil, h.Bind(pachdtest.Cluster(), "robot:ci", "debugger"))
	for name, c := range map[string]struct {
		ctx  context.Context
		who  string
		age  time.Duration
		code codes.Code
	}{
		"a robot":         {h.Root(), "robot:ci", time.Hour, codes.InvalidArgument},
		"a person":        {h.Root(), "user:alice@example.com", time.Hour, codes.InvalidArgument},
		"too short":       {h.Root(), "group:admins", time.Second, codes.InvalidArgument},
		"negative":        {h.Root(), "group:admins", -time.Hour, codes.InvalidArgument},
		"without a role":  {h.Root(), "group:nobody", time.Hour, codes.NotFound},
		"no name":         {h.Root(), "admins", time.Hour, codes.InvalidArgument},
		"without a token": {t.Context(), "group:admins", time.Hour, codes.Unauthenticated},
	} {
		if err := h.setMaxAge(c.ctx, pachdtest.Cluster(), c.who, c.age, 0); status.Code(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Who may not bind may not say how old facts may be either: Alice is an
	// administrator by one group, and is none by the other.
	h.mustCall(nil, h.setMaxAge(alice, pachdtest.Cluster(), "group:engineers", time.Hour, 0))
	h.mustCall(nil, h.Bind(pachdtest.Cluster(), "group:admins"))
	if err := h.setMaxAge(alice, pachdtest.Cluster(), "group:engineers", 0, 0); status.Code(err) != codes.PermissionDenied {
		t.Errorf("by somebody who may not bind: %v", err)
	}
}

// directory connects a real directory and signs its Alice in; the connector reads
// groups again.
func (h *env) directory() (l *idp.OpenLDAP, session context.Context) {
	h.t.Helper()
	l = idp.StartOpenLDAP(h.t, idp.OpenLDAPOptions{})
	err := h.Issuer.Registry.CreateConnector(h.t.Context(), registry.Operator(), registry.Connector{ID: "ldap", Name: "LDAP", Type: "ldap", Config: map[string]any{
		"host": l.LDAPS, "rootCAData": string(l.CA.PEM), "bindDN": l.BindDN, "bindPW": l.BindPassword,
		"userSearch":  map[string]any{"baseDN": l.PeopleDN, "username": "uid"},
		"groupSearch": map[string]any{"baseDN": l.GroupsDN, "userMatchers": []any{map[string]any{"userAttr": "DN", "groupAttr": "member"}}},
	}})
	h.mustCall(nil, err)
	start, err := h.API.Auth.GetOIDCLogin(h.t.Context(), &auth.GetOIDCLoginRequest{})
	h.mustCall(nil, err)
	waiting := h.Wait(start.GetState())
	b := optest.NewBrowser(h.t, func(*url.URL) bool { return false })
	asked := b.Submit(b.Get(start.GetLoginUrl()), map[string]string{"login": idp.Alice.Name, "password": idp.Alice.Password})
	b.Submit(asked, map[string]string{"answer": "yes"})
	return l, pachdtest.As(h.t.Context(), <-waiting)
}

// uses is a call in the session, after a time; pachd reads the groups again by itself.
func (h *env) uses(session context.Context, after time.Duration) error {
	h.Ahead(after)
	_, err := h.WhoAmI(session)
	return err
}

func (h *env) awaitGroups(want func([]string) bool) {
	h.t.Helper()
	for !want(h.Users()["user:"+idp.Alice.Email].GetGroups()) {
		time.Sleep(10 * time.Millisecond)
	}
}

func TestRegroup_RemovedFromAGroupLosesItsRoles(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		l, alice := h.directory()
		h.mustCall(nil, h.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"))
		administers := func() error {
			_, err := h.API.Pach.ListMaxAges(alice, &pb.ListMaxAgesRequest{})
			return err
		}
		h.mustCall(nil, administers())
		l.Modify("dn: cn=admins," + l.GroupsDN + "\nchangetype: modify\nreplace: member\nmember: cn=nobody\n")
		h.mustCall(nil, h.uses(alice, 14*time.Minute))
		h.mustCall(nil, administers()) // it is not time
		h.mustCall(nil, h.uses(alice, 16*time.Minute))
		h.awaitGroups(func(groups []string) bool { return !slices.Contains(groups, "group:admins") })
		pachdtest.Want(t, administers(), codes.PermissionDenied)
		h.mustCall(nil, h.uses(alice, 17*time.Minute))
	})
}

func TestRegroup_GoneAtTheProviderLosesTheSession(t *testing.T) {
	h := open(t)
	l, alice := h.directory()
	l.Modify("dn: " + l.DN(idp.Alice) + "\nchangetype: delete\n")
	h.mustCall(nil, h.uses(alice, 14*time.Minute))
	for err := h.uses(alice, 16*time.Minute); status.Code(err) != codes.Unauthenticated; _, err = h.WhoAmI(alice) {
		h.mustCall(nil, err)
		time.Sleep(10 * time.Millisecond)
	}
	events, err := h.API.Pach.ListAuditEvents(h.Root(), &pb.ListAuditEventsRequest{Action: "session.gone-at-provider"})
	if err != nil || len(events.GetEvents()) != 1 {
		t.Errorf("the audit: %v, %v", events, err)
	}
}

// A provider that is away is no reason to lose a session; roles end with the fact, or
// with its grace.
func TestRegroup_ProviderThatIsAway(t *testing.T) {
	h := open(t)
	l, alice := h.directory()
	h.mustCall(nil, h.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"))
	h.mustCall(nil, h.Bind(pachdtest.Project("genomics"), "group:admins", "projectViewer"))
	h.mustCall(nil, h.setMaxAge(h.Root(), pachdtest.Cluster(), "group:admins", 20*time.Minute, 0))
	h.mustCall(nil, h.setMaxAge(h.Root(), pachdtest.Project("genomics"), "group:admins", 20*time.Minute, 20*time.Minute))
	l.Stop()
	h.mustCall(nil, h.uses(alice, 16*time.Minute))
	unasked := func() bool {
		e, err := h.API.Pach.Explain(alice, &pb.ExplainRequest{Permission: auth.Permission_PROJECT_LIST_REPO, Resource: pachdtest.Project("genomics")})
		h.mustCall(nil, err)
		for _, g := range e.GetGrants() {
			for _, s := range g.GetSources() {
				if s.GetUnasked() {
					return true
				}
			}
		}
		return false
	}
	for !unasked() {
		time.Sleep(10 * time.Millisecond)
	}
	may := func(p auth.Permission, r *auth.Resource) bool {
		e, err := h.API.Pach.Explain(alice, &pb.ExplainRequest{Permission: p, Resource: r})
		h.mustCall(nil, err)
		return e.GetAllowed()
	}
	h.mustCall(nil, h.uses(alice, 21*time.Minute))
	if may(auth.Permission_CLUSTER_GET_BINDINGS, pachdtest.Cluster()) || !may(auth.Permission_PROJECT_LIST_REPO, pachdtest.Project("genomics")) {
		t.Error("after 21 minutes it is closed for administrators, and readers have their grace")
	}
	h.mustCall(nil, h.uses(alice, 41*time.Minute))
	if may(auth.Permission_PROJECT_LIST_REPO, pachdtest.Project("genomics")) {
		t.Error("after 41 minutes the grace is over")
	}
	l.Start()
	h.mustCall(nil, h.uses(alice, 50*time.Minute))
	for !may(auth.Permission_CLUSTER_GET_BINDINGS, pachdtest.Cluster()) {
		time.Sleep(10 * time.Millisecond)
	}
}
