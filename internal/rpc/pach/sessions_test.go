package pach_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"pachyderm/api/auth"
	pb "pachyderm/api/pach"
	"pachyderm/internal/pachd/pachdtest"
)

func TestGetSession_WhoCallsAndHowThatIsKnown(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		alice := pachdtest.As(t.Context(), h.Alice())
		got, err := h.API.Pach.GetSession(alice, &pb.GetSessionRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if s := got.GetSession(); s.GetPrincipal() != pachdtest.Alice || s.GetConnector() != "demo" || s.GetExpires() == nil || len(s.GetId()) != 12 {
			t.Errorf("session %v", s)
		}
		var groups []string
		for _, m := range got.GetGroups() {
			groups = append(groups, m.GetGroup()+" by "+m.GetSources()[0].GetSource())
		}
		if diff := cmp.Diff([]string{"group:admins by connector/demo", "group:engineers by connector/demo"}, groups); diff != "" {
			t.Error(diff)
		}
		root, err := h.API.Pach.GetSession(h.Root(), &pb.GetSessionRequest{})
		if err != nil || root.GetSession().GetPrincipal() != "pach:root" || root.GetSession().GetExpires() != nil {
			t.Errorf("%v, %v", root, err)
		}
	})
}

func TestBeginRootSession_EndsWhileTheTokenDoesNot(t *testing.T) {
	h := open(t)
	begun, err := h.API.Pach.BeginRootSession(h.Root(), &pb.BeginRootSessionRequest{})
	if err != nil {
		t.Fatal(err)
	}
	session := pachdtest.As(t.Context(), begun.GetToken())
	_, err = h.API.Pach.BeginRootSession(session, &pb.BeginRootSessionRequest{})
	pachdtest.Want(t, err, codes.PermissionDenied, "only the root token")
	robot, _ := h.Robot("r", 0)
	_, err = h.API.Pach.BeginRootSession(robot, &pb.BeginRootSessionRequest{})
	pachdtest.Want(t, err, codes.PermissionDenied, "only the root token")

	// The session may be ended, the token may not.
	_, err = h.API.Auth.RevokeAuthToken(h.Root(), &auth.RevokeAuthTokenRequest{Token: h.RootToken})
	pachdtest.Want(t, err, codes.FailedPrecondition, "cannot revoke tokens for pach")
	if res, err := h.API.Auth.RevokeAuthToken(session, &auth.RevokeAuthTokenRequest{Token: begun.GetToken()}); err != nil || res.GetNumber() != 1 {
		t.Errorf("%v, %v", res, err)
	}
	_, err = h.WhoAmI(session)
	pachdtest.Want(t, err, codes.Unauthenticated)

	begun, err = h.API.Pach.BeginRootSession(h.Root(), &pb.BeginRootSessionRequest{})
	if err != nil {
		t.Fatal(err)
	}
	h.Ahead(61 * time.Minute)
	_, err = h.WhoAmI(pachdtest.As(t.Context(), begun.GetToken()))
	pachdtest.Want(t, err, codes.Unauthenticated, "expiration is in the past")
	if _, err := h.WhoAmI(h.Root()); err != nil {
		t.Error(err)
	}
}

func TestListUsers_ByPrefix(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		h.Alice()
		for prefix, want := range map[string]int{"": 1, "alice": 1, "ALICE@": 1, "user:alice": 1, "alice@example.com": 1, "lice": 0, "alicf": 0, "alicd": 0} {
			got, err := h.API.Pach.ListUsers(h.Root(), &pb.ListUsersRequest{Prefix: prefix})
			if err != nil || len(got.GetUsers()) != want {
				t.Errorf("%q: %v, %v", prefix, got.GetUsers(), err)
			}
			for _, u := range got.GetUsers() {
				if len(u.GetIdentities()) != 1 || len(u.GetGroups()) != 2 || u.GetLiveTokens() != 1 {
					t.Errorf("%q: %v", prefix, u)
				}
			}
		}
	})
}

func TestListMembers_PageByPage(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		h.Alice()
		var add []string
		for n := range 5 {
			add = append(add, fmt.Sprintf("user:u%d@example.com", n))
		}
		_, err := h.API.Auth.ModifyMembers(h.Root(), &auth.ModifyMembersRequest{Group: "admins", Add: append(add, pachdtest.Alice)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for req := (&pb.ListMembersRequest{Group: "admins", PageSize: 2}); ; {
			res, err := h.API.Pach.ListMembers(h.Root(), req)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range res.GetMembers() {
				sources := ""
				for _, s := range m.GetSources() {
					sources += " " + s.GetSource()
				}
				got = append(got, m.GetPrincipal()+sources)
			}
			if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
				break
			}
		}
		want := []string{"user:alice@example.com administrator connector/demo"}
		for _, name := range add {
			want = append(want, name+" administrator")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestListRoleBindings_ByPrincipalAndPageByPage(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		for n := range 3 {
			who := fmt.Sprintf("user:u%d@example.com", n)
			if err := h.Bind(pachdtest.Project("default"), who, "projectViewer", "projectOwner"); err != nil {
				t.Fatal(err)
			}
			if err := h.Bind(pachdtest.Cluster(), who, "debugger"); err != nil {
				t.Fatal(err)
			}
		}
		list := func(req *pb.ListRoleBindingsRequest) (got []string) {
			for {
				res, err := h.API.Pach.ListRoleBindings(h.Root(), req)
				if err != nil {
					t.Fatal(err)
				}
				for _, b := range res.GetBindings() {
					got = append(got, fmt.Sprint(b.GetPrincipal(), " ", b.GetResource().GetType(), " ", b.GetResource().GetName(), " ", b.GetRoles()))
				}
				if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
					return got
				}
			}
		}
		want := []string{"user:u1@example.com CLUSTER  [debugger]", "user:u1@example.com PROJECT default [projectOwner projectViewer]"}
		if diff := cmp.Diff(want, list(&pb.ListRoleBindingsRequest{Principal: "user:u1@example.com"})); diff != "" {
			t.Error(diff)
		}
		all, paged := list(&pb.ListRoleBindingsRequest{}), list(&pb.ListRoleBindingsRequest{PageSize: 1})
		if diff := cmp.Diff(all, paged); diff != "" || len(all) < 10 || !slices.IsSorted(all) {
			t.Errorf("%v\n%s", all, diff)
		}
	})
}

func TestListAuditEvents_LatestFirstAndPageByPage(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		for n := range 5 {
			if err := h.Bind(pachdtest.Cluster(), fmt.Sprintf("user:u%d@example.com", n), "debugger"); err != nil {
				t.Fatal(err)
			}
		}
		list := func(req *pb.ListAuditEventsRequest) (got []string) {
			for {
				res, err := h.API.Pach.ListAuditEvents(h.Root(), req)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range res.GetEvents() {
					got = append(got, e.GetActor()+" "+e.GetAction()+" "+e.GetObject()+" "+e.GetDetail())
				}
				if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
					return got
				}
			}
		}
		all, paged := list(&pb.ListAuditEventsRequest{}), list(&pb.ListAuditEventsRequest{PageSize: 2})
		if diff := cmp.Diff(all, paged); diff != "" {
			t.Error(diff)
		}
		if len(all) < 5 || all[0] != "pach:root binding.set CLUSTER user:u4@example.com: debugger (was none)" {
			t.Errorf("%v", all)
		}
		for name, c := range map[string]struct {
			req  *pb.ListAuditEventsRequest
			want int
		}{
			"by action":         {&pb.ListAuditEventsRequest{Action: "binding.set"}, 5},
			"by its beginning":  {&pb.ListAuditEventsRequest{Action: "bind"}, 5},
			"by another action": {&pb.ListAuditEventsRequest{Action: "connector."}, 0},
			"by actor":          {&pb.ListAuditEventsRequest{Actor: "pach:root", Action: "binding"}, 5},
			"by another actor":  {&pb.ListAuditEventsRequest{Actor: "pach:roo"}, 0},
			"by object":         {&pb.ListAuditEventsRequest{Object: "CLUSTER", Action: "binding"}, 5},
			"by another object": {&pb.ListAuditEventsRequest{Object: "PROJECT"}, 0},
		} {
			if got := list(c.req); len(got) != c.want {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}
