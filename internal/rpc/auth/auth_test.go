package auth_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	authpb "pachyderm/api/auth"
	"pachyderm/internal/config"
	"pachyderm/internal/pachd/pachdtest"
)

func TestGetOIDCLogin_UpstreamClient(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		_, err := h.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
		pachdtest.Want(t, err, codes.FailedPrecondition, "no identity provider is connected yet", "pachctl idp create-connector")

		h.Connect()
		session := pachdtest.As(t.Context(), h.Alice())
		who, err := h.API.Auth.WhoAmI(session, &authpb.WhoAmIRequest{})
		if err != nil || who.GetUsername() != "user:alice@example.com" || who.GetExpiration() == nil {
			t.Fatalf("WhoAmI: %v, %v", who, err)
		}
		groups, err := h.API.Auth.GetGroups(session, &authpb.GetGroupsRequest{})
		if diff := cmp.Diff([]string{"group:admins", "group:engineers"}, groups.GetGroups()); diff != "" || err != nil {
			t.Errorf("groups: %v\n%s", err, diff)
		}
		// A role of her group is hers.
		if err := h.Bind(pachdtest.Cluster(), "group:admins", "debugger"); err != nil {
			t.Fatal(err)
		}
		res, err := h.API.Auth.Authorize(session, &authpb.AuthorizeRequest{Resource: pachdtest.Cluster(), Permissions: []authpb.Permission{authpb.Permission_CLUSTER_DEBUG_DUMP}})
		if err != nil || !res.GetAuthorized() {
			t.Errorf("Authorize: %v, %v", res, err)
		}

		start, err := h.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := h.API.Auth.Authenticate(ctx, &authpb.AuthenticateRequest{OidcState: start.GetState()})
			ended <- err
		}()
		leave()
		pachdtest.Want(t, <-ended, codes.Canceled)

		for text, req := range map[string]*authpb.AuthenticateRequest{
			"OIDC state token expired": {OidcState: "made-up"},
			"could not verify token":   {IdToken: "made-up"},
		} {
			_, err := h.API.Auth.Authenticate(t.Context(), req)
			pachdtest.Want(t, err, codes.Unauthenticated, text)
		}
		_, err = h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{})
		pachdtest.Want(t, err, codes.InvalidArgument, "unrecognized authentication mechanism (old pachd?)")
	})
}

func TestModifyRoleBinding_Rules(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		before, err := h.Bound(h.Root(), pachdtest.Cluster())
		if err != nil {
			t.Fatal(err)
		}
		wantDefault := map[string][]string{"pach:root": {"clusterAdmin"}, "internal:auth-server": {"clusterAdmin"}, "allClusterUsers": {"projectCreator"}}
		if diff := cmp.Diff(wantDefault, before); diff != "" {
			t.Errorf("at first (-want +got):\n%s", diff)
		}
		for name, c := range map[string]struct {
			resource  *authpb.Resource
			principal string
			roles     []string
			code      codes.Code
			text      string
		}{
			"no resource":             {nil, "robot:x", []string{"debugger"}, codes.InvalidArgument, "validate request: resource is required"},
			"an unknown type":         {&authpb.Resource{Type: 77}, "robot:x", []string{"debugger"}, codes.InvalidArgument, "unknown resource type"},
			"no type":                 {&authpb.Resource{}, "robot:x", []string{"debugger"}, codes.InvalidArgument, "unknown resource type"},
			"a job":                   {&authpb.Resource{Type: authpb.ResourceType_JOB, Name: "x"}, "robot:x", []string{"jobAdmin"}, codes.InvalidArgument, "unknown resource type"},
			"a cluster with a name":   {&authpb.Resource{Type: authpb.ResourceType_CLUSTER, Name: "x"}, "robot:x", []string{"debugger"}, codes.InvalidArgument, "invalid resource name x"},
			"a repo without project":  {pachdtest.Repo("images"), "robot:x", []string{"repoReader"}, codes.InvalidArgument, "invalid resource name images"},
			"a repo too deep":         {pachdtest.Repo("a/b/c"), "robot:x", []string{"repoReader"}, codes.InvalidArgument, "invalid resource name a/b/c"},
			"no principal":            {pachdtest.Cluster(), "", []string{"debugger"}, codes.InvalidArgument, "subject has no prefix, must be of the form <type>:<name>"},
			"no prefix":               {pachdtest.Cluster(), "alice", []string{"debugger"}, codes.InvalidArgument, "subject has no prefix"},
			"an unknown prefix":       {pachdtest.Cluster(), "usr:alice", []string{"debugger"}, codes.InvalidArgument, "subject has unrecognized prefix: usr:"},
			"an empty name":           {pachdtest.Cluster(), "user:", []string{"debugger"}, codes.InvalidArgument, "empty"},
			"root":                    {pachdtest.Cluster(), "pach:root", nil, codes.FailedPrecondition, "cannot modify cluster role bindings for pach: users"},
			"another pach: user":      {pachdtest.Cluster(), "pach:x", []string{"clusterAdmin"}, codes.FailedPrecondition, "cannot modify cluster role bindings for pach: users"},
			"pachd itself":            {pachdtest.Cluster(), "internal:auth-server", nil, codes.FailedPrecondition, "cannot modify cluster role bindings for internal: users"},
			"an unknown role":         {pachdtest.Cluster(), "robot:x", []string{"clusterOwner"}, codes.InvalidArgument, `unknown role "clusterOwner"`},
			"one unknown role of two": {pachdtest.Cluster(), "robot:x", []string{"debugger", "nosuch"}, codes.InvalidArgument, `unknown role "nosuch"`},
		} {
			_, err := h.API.Auth.ModifyRoleBinding(h.Root(), &authpb.ModifyRoleBindingRequest{Resource: c.resource, Principal: c.principal, Roles: c.roles})
			pachdtest.Want(t, err, c.code, c.text)
			if t.Failed() {
				t.Fatal(name)
			}
		}
		if after, err := h.Bound(h.Root(), pachdtest.Cluster()); err != nil || cmp.Diff(before, after) != "" {
			t.Errorf("a refused change was made: %v, %v", after, err)
		}
	})
}

func TestModifyRoleBinding_Replaces(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		for _, c := range []struct {
			roles []string
			want  []string
		}{
			{[]string{"debugger", "robotUser"}, []string{"debugger", "robotUser"}},
			{[]string{"debugger", "debugger"}, []string{"debugger"}},
			{nil, nil},
			{nil, nil}, // taking away what is not there
		} {
			if err := h.Bind(pachdtest.Cluster(), "robot:ci", c.roles...); err != nil {
				t.Fatal(err)
			}
			got, err := h.Bound(h.Root(), pachdtest.Cluster())
			if diff := cmp.Diff(c.want, got["robot:ci"]); diff != "" || err != nil {
				t.Errorf("after %v: %v\n%s", c.roles, err, diff)
			}
		}
	})
}

func TestModifyRoleBinding_WhoMay(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		owner, _ := h.Robot("owner", 0)
		if err := h.Bind(pachdtest.Project("p"), "robot:owner", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		if err := h.Bind(pachdtest.Repo("p/known"), "robot:x", "repoReader"); err != nil {
			t.Fatal(err)
		}
		bind := func(r *authpb.Resource, roles ...string) error {
			_, err := h.API.Auth.ModifyRoleBinding(owner, &authpb.ModifyRoleBindingRequest{Resource: r, Principal: "robot:friend", Roles: roles})
			return err
		}
		for _, r := range []*authpb.Resource{pachdtest.Project("p"), pachdtest.Repo("p/known")} {
			if err := bind(r, "repoReader"); err != nil {
				t.Errorf("on their own %v: %v", r, err)
			}
		}
		pachdtest.Want(t, bind(pachdtest.Repo("p/unknown"), "repoReader"), codes.NotFound, "no role binding exists for REPO p/unknown")
		pachdtest.Want(t, bind(pachdtest.Cluster()), codes.PermissionDenied, "needs permissions [CLUSTER_MODIFY_BINDINGS] on CLUSTER")
		pachdtest.Want(t, bind(pachdtest.Project("default"), "projectViewer"), codes.PermissionDenied, "needs permissions [PROJECT_MODIFY_BINDINGS] on PROJECT default")
		pachdtest.Want(t, bind(pachdtest.Repo("default/x"), "repoReader"), codes.PermissionDenied, "needs permissions [REPO_MODIFY_BINDINGS] on REPO default/x")

		// To take nothing away from what does not exist makes nothing exist.
		if err := h.Bind(pachdtest.Project("ghost"), "robot:x"); err != nil {
			t.Fatal(err)
		}
		err := bind(pachdtest.Repo("p/unknown"), "repoReader")
		if pachdtest.Info(err).GetReason() != "not_found" {
			t.Errorf("reason %q", pachdtest.Info(err).GetReason())
		}
	})
}

// What a role is meant to be bound to is advice, as upstream has it; what it gives
// stays where it is bound.
func TestModifyRoleBinding_WhereARoleIsNotMeantToBe(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		owner, _ := h.Robot("owner", 0)
		friend, _ := h.Robot("friend", 0)
		if err := h.Bind(pachdtest.Project("p"), "robot:owner", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		_, err := h.API.Auth.ModifyRoleBinding(owner, &authpb.ModifyRoleBindingRequest{
			Resource: pachdtest.Project("p"), Principal: "robot:friend", Roles: []string{"clusterAdmin", "robotUser"},
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.Bound(h.Root(), pachdtest.Project("p"))
		if diff := cmp.Diff([]string{"clusterAdmin", "robotUser"}, got["robot:friend"]); diff != "" || err != nil {
			t.Errorf("stored: %v\n%s", err, diff)
		}
		may := func(r *authpb.Resource, p authpb.Permission) bool {
			res, err := h.API.Auth.Authorize(friend, &authpb.AuthorizeRequest{Resource: r, Permissions: []authpb.Permission{p}})
			return err == nil && res.GetAuthorized()
		}
		if !may(pachdtest.Project("p"), authpb.Permission_PROJECT_DELETE) || !may(pachdtest.Repo("p/r"), authpb.Permission_REPO_WRITE) {
			t.Error("clusterAdmin on a project may not do what can be done there")
		}
		for _, r := range []*authpb.Resource{pachdtest.Cluster(), pachdtest.Project("p"), pachdtest.Repo("p/r"), pachdtest.Project("default")} {
			for _, p := range []authpb.Permission{authpb.Permission_CLUSTER_MODIFY_BINDINGS, authpb.Permission_CLUSTER_AUTH_GET_ROBOT_TOKEN} {
				if may(r, p) {
					t.Errorf("a role on a project gives %s on %v", p, r)
				}
			}
		}
		_, err = h.API.Auth.GetRobotToken(friend, &authpb.GetRobotTokenRequest{Robot: "new"})
		pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_AUTH_GET_ROBOT_TOKEN")
		_, err = h.API.Auth.ModifyRoleBinding(friend, &authpb.ModifyRoleBindingRequest{
			Resource: pachdtest.Cluster(), Principal: "robot:friend", Roles: []string{"clusterAdmin"},
		})
		pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_MODIFY_BINDINGS")
	})
}

func TestGetRoleBinding_WhoMay(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		stranger, _ := h.Robot("stranger", 0)
		reader, _ := h.Robot("reader", 0)
		if err := h.Bind(pachdtest.Repo("p/r"), "robot:reader", "repoReader"); err != nil {
			t.Fatal(err)
		}
		if err := h.Bind(pachdtest.Project("p"), "robot:boss", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Bound(stranger, pachdtest.Cluster()); err != nil {
			t.Errorf("the cluster, where all may make projects: %v", err)
		}
		for _, r := range []*authpb.Resource{pachdtest.Repo("p/r"), pachdtest.Project("p"), pachdtest.Project("nosuch")} {
			_, err := h.Bound(stranger, r)
			pachdtest.Want(t, err, codes.PermissionDenied, "robot:stranger is not authorized", "CLUSTER_GET_BINDINGS")
		}
		got, err := h.Bound(reader, pachdtest.Repo("p/r"))
		if diff := cmp.Diff(map[string][]string{"robot:reader": {"repoReader"}}, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		_, err = h.Bound(reader, pachdtest.Project("p"))
		pachdtest.Want(t, err, codes.PermissionDenied)
		_, err = h.Bound(h.Root(), pachdtest.Project("nosuch"))
		pachdtest.Want(t, err, codes.NotFound, "no role binding exists for PROJECT nosuch")
		if err := h.Bind(pachdtest.Cluster(), "allClusterUsers"); err != nil {
			t.Fatal(err)
		}
		_, err = h.Bound(stranger, pachdtest.Cluster())
		pachdtest.Want(t, err, codes.PermissionDenied)
	})
}

func TestRevokeAuthToken_WhoMay(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		revoke := func(ctx context.Context, raw string) (int64, error) {
			res, err := h.API.Auth.RevokeAuthToken(ctx, &authpb.RevokeAuthTokenRequest{Token: raw})
			return res.GetNumber(), err
		}
		works := func(raw string) bool {
			_, err := h.API.Auth.WhoAmI(pachdtest.As(t.Context(), raw), &authpb.WhoAmIRequest{})
			return err == nil
		}
		one, rawOne := h.Robot("one", 0)
		admin, _ := h.Robot("admin", 0)
		if err := h.Bind(pachdtest.Cluster(), "robot:admin", "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		_, rawTwo := h.Robot("two", 0)

		_, err := revoke(one, rawTwo)
		pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_AUTH_REVOKE_USER_TOKENS")
		_, err = revoke(one, "made-up")
		pachdtest.Want(t, err, codes.PermissionDenied)
		if !works(rawTwo) {
			t.Error("another's token was revoked")
		}
		if n, err := revoke(one, rawOne); n != 1 || err != nil || works(rawOne) {
			t.Errorf("their own: %d, %v", n, err)
		}
		if n, err := revoke(admin, rawTwo); n != 1 || err != nil || works(rawTwo) {
			t.Errorf("by an administrator: %d, %v", n, err)
		}
		if n, err := revoke(admin, rawTwo); n != 0 || err != nil {
			t.Errorf("again: %d, %v", n, err)
		}
		for name, ctx := range map[string]context.Context{"root itself": h.Root(), "an administrator": admin} {
			_, err := revoke(ctx, h.RootToken)
			pachdtest.Want(t, err, codes.FailedPrecondition, "cannot revoke tokens for pach: users", "rotate")
			if !works(h.RootToken) {
				t.Fatalf("%s has revoked the root token", name)
			}
		}
		_, err = revoke(one, h.RootToken)
		pachdtest.Want(t, err, codes.Unauthenticated) // theirs is revoked
	})
}

func TestRevokeAuthTokensForUser(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		a, _ := h.Robot("ci", 0)
		b, _ := h.Robot("ci", 600)
		other, _ := h.Robot("other", 0)
		revoke := func(who string) (int64, error) {
			res, err := h.API.Auth.RevokeAuthTokensForUser(h.Root(), &authpb.RevokeAuthTokensForUserRequest{Username: who})
			return res.GetNumber(), err
		}
		for _, ctx := range []context.Context{a, b} { // so that they are remembered
			if err := h.Call(ctx, "/auth_v2.API/WhoAmI"); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := revoke("robot:ci"); n != 2 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		for _, ctx := range []context.Context{a, b} {
			pachdtest.Want(t, h.Call(ctx, "/auth_v2.API/WhoAmI"), codes.Unauthenticated, "provided auth token is corrupted")
		}
		if err := h.Call(other, "/auth_v2.API/WhoAmI"); err != nil {
			t.Errorf("another robot: %v", err)
		}
		if n, err := revoke("robot:nosuch"); n != 0 || err != nil {
			t.Errorf("nobody: %d, %v", n, err)
		}
		_, err := revoke("pach:root")
		pachdtest.Want(t, err, codes.FailedPrecondition, "cannot revoke tokens for pach: users")
		_, err = revoke("ci")
		pachdtest.Want(t, err, codes.InvalidArgument, "subject has no prefix")
	})
}

func TestGetRobotToken_TTL(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		before := h.Now()
		for ttl, lives := range map[int64]bool{0: false, 1: true, 600: true, 100 * 365 * 24 * 3600: true} {
			ctx, raw := h.Robot("robot:ci", ttl)
			who, err := h.API.Auth.WhoAmI(ctx, &authpb.WhoAmIRequest{})
			if err != nil || who.GetUsername() != "robot:ci" || (who.GetExpiration() != nil) != lives || !strings.HasPrefix(raw, "pach_") {
				t.Fatalf("ttl %d: %v, %v", ttl, who, err)
			}
			if ends := who.GetExpiration().AsTime(); lives && (ends.Before(before.Add(time.Duration(ttl)*time.Second).Truncate(time.Microsecond)) || ends.After(h.Now().Add(time.Duration(ttl)*time.Second))) {
				t.Errorf("ttl %d: it ends at %v", ttl, ends)
			}
		}
		// 2^55 seconds are 0 nanoseconds, modulo 2^64: a token for ever.
		for _, ttl := range []int64{-1, -3600, math.MinInt64, 1 << 55, math.MaxInt64, 100*365*24*3600 + 1} {
			_, err := h.API.Auth.GetRobotToken(h.Root(), &authpb.GetRobotTokenRequest{Robot: "ci", Ttl: ttl})
			pachdtest.Want(t, err, codes.InvalidArgument, "ttl")
			if t.Failed() {
				t.Fatalf("ttl %d", ttl)
			}
		}
		for robot, text := range map[string]string{"": "empty", "robot:": "empty", "a:b": "robot names cannot contain colons (':')", "robot:a:b": "robot names cannot contain colons"} {
			_, err := h.API.Auth.GetRobotToken(h.Root(), &authpb.GetRobotTokenRequest{Robot: robot})
			pachdtest.Want(t, err, codes.InvalidArgument, text)
		}
	})
}

func TestGetRobotToken_NoLongerThanIsSet(t *testing.T) {
	s := pachdtest.Start(t, func(c *config.Config) { c.Auth.RobotTokenTTL = config.Duration(24 * time.Hour) })
	for ttl, good := range map[int64]bool{1: true, 24 * 3600: true, 24*3600 + 1: false, 0: false} {
		_, err := s.API.Auth.GetRobotToken(s.Root(), &authpb.GetRobotTokenRequest{Robot: "ci", Ttl: ttl})
		if good && err != nil {
			t.Errorf("ttl %d: %v", ttl, err)
		} else if !good {
			pachdtest.Want(t, err, codes.InvalidArgument, "at most 24h0m0s", "--ttl")
		}
	}
}

// Names that no resource has: what the cluster gives, it gives whatever lies beneath.
func TestAuthorize_OddNames(t *testing.T) {
	h := open(t)
	ci, _ := h.Robot("ci", 0)
	if err := h.Bind(pachdtest.Project("default"), "robot:ci", "projectOwner"); err != nil {
		t.Fatal(err)
	}
	job := func(name string) *authpb.Resource { return &authpb.Resource{Type: authpb.ResourceType_JOB, Name: name} }
	for name, c := range map[string]struct {
		on   *authpb.Resource
		code codes.Code // for robot:ci
		text string
	}{
		"a repo without project":     {pachdtest.Repo("images"), codes.InvalidArgument, "invalid resource name images: a REPO is named project/repo"},
		"a repo too deep":            {pachdtest.Repo("default/a/b"), codes.InvalidArgument, "invalid resource name default/a/b"},
		"a project with a space":     {pachdtest.Project("my project"), codes.InvalidArgument, "invalid resource name my project"},
		"a job":                      {job("1234"), codes.NotFound, "no role binding exists for JOB 1234"},
		"a job as upstream names it": {job("default/edges@1234"), codes.NotFound, "no role binding exists for JOB default/edges@1234"},
	} {
		asked := &authpb.AuthorizeRequest{Resource: c.on, Permissions: []authpb.Permission{authpb.Permission_REPO_READ}}
		res, err := h.API.Auth.Authorize(h.Root(), asked)
		if err != nil || !res.GetAuthorized() || len(res.GetMissing()) != 0 {
			t.Errorf("%s, by root: %v, %v", name, res, err)
		}
		_, err = h.API.Auth.Authorize(ci, asked)
		pachdtest.Want(t, err, c.code, c.text)
	}
	_, err := h.API.Auth.Authorize(h.Root(), &authpb.AuthorizeRequest{})
	pachdtest.Want(t, err, codes.InvalidArgument, "validate request: resource is required")
	// A bare name stands for nothing: neither for the default project's repo.
	_, err = h.API.Auth.GetPermissions(h.Root(), &authpb.GetPermissionsRequest{Resource: pachdtest.Repo("images")})
	pachdtest.Want(t, err, codes.InvalidArgument, "invalid resource name images")
}

func TestGetPermissions_WhoMay(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		ci, _ := h.Robot("ci", 0)
		own, err := h.API.Auth.GetPermissions(ci, &authpb.GetPermissionsRequest{Resource: pachdtest.Cluster()})
		if diff := cmp.Diff([]string{"projectCreator"}, own.GetRoles()); diff != "" || err != nil {
			t.Errorf("their own: %v\n%s", err, diff)
		}
		other := &authpb.GetPermissionsForPrincipalRequest{Resource: pachdtest.Cluster(), Principal: "user:bob@example.com"}
		_, err = h.API.Auth.GetPermissionsForPrincipal(ci, other)
		pachdtest.Want(t, err, codes.PermissionDenied, "is not authorized to perform this operation - needs permissions")
		res, err := h.API.Auth.GetPermissionsForPrincipal(h.Root(), other)
		if diff := cmp.Diff([]string{"projectCreator"}, res.GetRoles()); diff != "" || err != nil {
			t.Errorf("of somebody who never logged in: %v\n%s", err, diff)
		}
		nothing, err := h.API.Auth.GetPermissions(ci, &authpb.GetPermissionsRequest{Resource: pachdtest.Repo("p/nosuch")})
		if err != nil || len(nothing.GetRoles()) != 0 {
			t.Errorf("on what does not exist: %v, %v", nothing, err)
		}
		_, err = h.API.Auth.Authorize(ci, &authpb.AuthorizeRequest{Resource: pachdtest.Cluster(), Permissions: []authpb.Permission{9999}})
		pachdtest.Want(t, err, codes.InvalidArgument, "unknown permission 9999")
		empty, err := h.API.Auth.Authorize(ci, &authpb.AuthorizeRequest{Resource: pachdtest.Cluster()})
		if err != nil || !empty.GetAuthorized() || empty.GetPrincipal() != "robot:ci" {
			t.Errorf("nothing needed: %v, %v", empty, err)
		}
		some, err := h.API.Auth.Authorize(ci, &authpb.AuthorizeRequest{Resource: pachdtest.Cluster(), Permissions: []authpb.Permission{authpb.Permission_PROJECT_CREATE, authpb.Permission_CLUSTER_DEBUG_DUMP}})
		if err != nil || some.GetAuthorized() ||
			!slices.Equal(some.GetSatisfied(), []authpb.Permission{authpb.Permission_PROJECT_CREATE}) ||
			!slices.Equal(some.GetMissing(), []authpb.Permission{authpb.Permission_CLUSTER_DEBUG_DUMP}) {
			t.Errorf("one of two: %v, %v", some, err)
		}
	})
}
