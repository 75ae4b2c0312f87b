package rpc_test

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	authpb "pachyderm/api/auth"
)

func cluster() *authpb.Resource { return &authpb.Resource{Type: authpb.ResourceType_CLUSTER} }

func project(name string) *authpb.Resource {
	return &authpb.Resource{Type: authpb.ResourceType_PROJECT, Name: name}
}

func repo(name string) *authpb.Resource {
	return &authpb.Resource{Type: authpb.ResourceType_REPO, Name: name}
}

func (h *env) bound(ctx context.Context, r *authpb.Resource) (map[string][]string, error) {
	res, err := h.auth.GetRoleBinding(ctx, &authpb.GetRoleBindingRequest{Resource: r})
	got := map[string][]string{}
	for who, roles := range res.GetBinding().GetEntries() {
		for role := range roles.GetRoles() {
			got[who] = append(got[who], role)
		}
		slices.Sort(got[who])
	}
	return got, err
}

func TestGetOIDCLogin_UpstreamClient(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		_, err := h.auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
		want(t, err, codes.FailedPrecondition, "no identity provider is connected yet", "pachctl idp create-connector")

		h.Connect()
		session := as(t.Context(), h.Alice())
		who, err := h.auth.WhoAmI(session, &authpb.WhoAmIRequest{})
		if err != nil || who.GetUsername() != "user:alice@example.com" || who.GetExpiration() == nil {
			t.Fatalf("WhoAmI: %v, %v", who, err)
		}
		groups, err := h.auth.GetGroups(session, &authpb.GetGroupsRequest{})
		if diff := cmp.Diff([]string{"group:admins", "group:engineers"}, groups.GetGroups()); diff != "" || err != nil {
			t.Errorf("groups: %v\n%s", err, diff)
		}
		// A role of her group is hers.
		if err := h.Bind(cluster(), "group:admins", "debugger"); err != nil {
			t.Fatal(err)
		}
		res, err := h.auth.Authorize(session, &authpb.AuthorizeRequest{Resource: cluster(), Permissions: []authpb.Permission{authpb.Permission_CLUSTER_DEBUG_DUMP}})
		if err != nil || !res.GetAuthorized() {
			t.Errorf("Authorize: %v, %v", res, err)
		}

		start, err := h.auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := h.auth.Authenticate(ctx, &authpb.AuthenticateRequest{OidcState: start.GetState()})
			ended <- err
		}()
		leave()
		want(t, <-ended, codes.Canceled)

		for text, req := range map[string]*authpb.AuthenticateRequest{
			"OIDC state token expired": {OidcState: "made-up"},
			"could not verify token":   {IdToken: "made-up"},
		} {
			_, err := h.auth.Authenticate(t.Context(), req)
			want(t, err, codes.Unauthenticated, text)
		}
		_, err = h.auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{})
		want(t, err, codes.InvalidArgument, "unrecognized authentication mechanism (old pachd?)")
	})
}

func TestModifyRoleBinding_Rules(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		before, err := h.bound(h.Root(), cluster())
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
			"no resource":               {nil, "robot:x", []string{"debugger"}, codes.InvalidArgument, "validate request: resource is required"},
			"an unknown type":           {&authpb.Resource{Type: 77}, "robot:x", []string{"debugger"}, codes.InvalidArgument, "unknown resource type"},
			"no type":                   {&authpb.Resource{}, "robot:x", []string{"debugger"}, codes.InvalidArgument, "unknown resource type"},
			"a job":                     {&authpb.Resource{Type: authpb.ResourceType_JOB, Name: "x"}, "robot:x", []string{"jobAdmin"}, codes.InvalidArgument, "unknown resource type"},
			"a cluster with a name":     {&authpb.Resource{Type: authpb.ResourceType_CLUSTER, Name: "x"}, "robot:x", []string{"debugger"}, codes.InvalidArgument, "invalid resource name x"},
			"a repo without project":    {repo("images"), "robot:x", []string{"repoReader"}, codes.InvalidArgument, "invalid resource name images"},
			"a repo too deep":           {repo("a/b/c"), "robot:x", []string{"repoReader"}, codes.InvalidArgument, "invalid resource name a/b/c"},
			"no principal":              {cluster(), "", []string{"debugger"}, codes.InvalidArgument, "subject has no prefix, must be of the form <type>:<name>"},
			"no prefix":                 {cluster(), "alice", []string{"debugger"}, codes.InvalidArgument, "subject has no prefix"},
			"an unknown prefix":         {cluster(), "usr:alice", []string{"debugger"}, codes.InvalidArgument, "subject has unrecognized prefix: usr:"},
			"an empty name":             {cluster(), "user:", []string{"debugger"}, codes.InvalidArgument, "empty"},
			"root":                      {cluster(), "pach:root", nil, codes.FailedPrecondition, "cannot modify cluster role bindings for pach: users"},
			"another pach: user":        {cluster(), "pach:x", []string{"clusterAdmin"}, codes.FailedPrecondition, "cannot modify cluster role bindings for pach: users"},
			"pachd itself":              {cluster(), "internal:auth-server", nil, codes.FailedPrecondition, "cannot modify cluster role bindings for internal: users"},
			"an unknown role":           {cluster(), "robot:x", []string{"clusterOwner"}, codes.InvalidArgument, `unknown role "clusterOwner"`},
			"one unknown role of two":   {cluster(), "robot:x", []string{"debugger", "nosuch"}, codes.InvalidArgument, `unknown role "nosuch"`},
			"clusterAdmin on a project": {project("default"), "robot:x", []string{"clusterAdmin"}, codes.InvalidArgument, "clusterAdmin"},
			"projectOwner on a repo":    {repo("default/images"), "robot:x", []string{"projectOwner"}, codes.InvalidArgument, "projectOwner"},
		} {
			_, err := h.auth.ModifyRoleBinding(h.Root(), &authpb.ModifyRoleBindingRequest{Resource: c.resource, Principal: c.principal, Roles: c.roles})
			want(t, err, c.code, c.text)
			if t.Failed() {
				t.Fatal(name)
			}
		}
		if after, err := h.bound(h.Root(), cluster()); err != nil || cmp.Diff(before, after) != "" {
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
			if err := h.Bind(cluster(), "robot:ci", c.roles...); err != nil {
				t.Fatal(err)
			}
			got, err := h.bound(h.Root(), cluster())
			if diff := cmp.Diff(c.want, got["robot:ci"]); diff != "" || err != nil {
				t.Errorf("after %v: %v\n%s", c.roles, err, diff)
			}
		}
	})
}

func TestModifyRoleBinding_WhoMay(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		owner, _ := h.Robot("owner", 0)
		if err := h.Bind(project("p"), "robot:owner", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		if err := h.Bind(repo("p/known"), "robot:x", "repoReader"); err != nil {
			t.Fatal(err)
		}
		bind := func(r *authpb.Resource, roles ...string) error {
			_, err := h.auth.ModifyRoleBinding(owner, &authpb.ModifyRoleBindingRequest{Resource: r, Principal: "robot:friend", Roles: roles})
			return err
		}
		for _, r := range []*authpb.Resource{project("p"), repo("p/known")} {
			if err := bind(r, "repoReader"); err != nil {
				t.Errorf("on their own %v: %v", r, err)
			}
		}
		want(t, bind(repo("p/unknown"), "repoReader"), codes.NotFound, "no role binding exists for REPO p/unknown")
		want(t, bind(cluster()), codes.PermissionDenied, "needs permissions [CLUSTER_MODIFY_BINDINGS] on CLUSTER")
		want(t, bind(project("default"), "projectViewer"), codes.PermissionDenied, "needs permissions [PROJECT_MODIFY_BINDINGS] on PROJECT default")
		want(t, bind(repo("default/x"), "repoReader"), codes.PermissionDenied, "needs permissions [REPO_MODIFY_BINDINGS] on REPO default/x")

		// To take nothing away from what does not exist makes nothing exist.
		if err := h.Bind(project("ghost"), "robot:x"); err != nil {
			t.Fatal(err)
		}
		err := bind(repo("p/unknown"), "repoReader")
		if reason(err) != "not_found" {
			t.Errorf("reason %q", reason(err))
		}
	})
}

func TestGetRoleBinding_WhoMay(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		stranger, _ := h.Robot("stranger", 0)
		reader, _ := h.Robot("reader", 0)
		if err := h.Bind(repo("p/r"), "robot:reader", "repoReader"); err != nil {
			t.Fatal(err)
		}
		if err := h.Bind(project("p"), "robot:boss", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.bound(stranger, cluster()); err != nil {
			t.Errorf("the cluster, where all may make projects: %v", err)
		}
		for _, r := range []*authpb.Resource{repo("p/r"), project("p"), project("nosuch")} {
			_, err := h.bound(stranger, r)
			want(t, err, codes.PermissionDenied, "robot:stranger is not authorized", "CLUSTER_GET_BINDINGS")
		}
		got, err := h.bound(reader, repo("p/r"))
		if diff := cmp.Diff(map[string][]string{"robot:reader": {"repoReader"}}, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		_, err = h.bound(reader, project("p"))
		want(t, err, codes.PermissionDenied)
		_, err = h.bound(h.Root(), project("nosuch"))
		want(t, err, codes.NotFound, "no role binding exists for PROJECT nosuch")
		if err := h.Bind(cluster(), "allClusterUsers"); err != nil {
			t.Fatal(err)
		}
		_, err = h.bound(stranger, cluster())
		want(t, err, codes.PermissionDenied)
	})
}

func TestRevokeAuthToken_WhoMay(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		revoke := func(ctx context.Context, raw string) (int64, error) {
			res, err := h.auth.RevokeAuthToken(ctx, &authpb.RevokeAuthTokenRequest{Token: raw})
			return res.GetNumber(), err
		}
		works := func(raw string) bool {
			_, err := h.auth.WhoAmI(as(t.Context(), raw), &authpb.WhoAmIRequest{})
			return err == nil
		}
		one, rawOne := h.Robot("one", 0)
		admin, _ := h.Robot("admin", 0)
		if err := h.Bind(cluster(), "robot:admin", "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		_, rawTwo := h.Robot("two", 0)

		_, err := revoke(one, rawTwo)
		want(t, err, codes.PermissionDenied, "CLUSTER_AUTH_REVOKE_USER_TOKENS")
		_, err = revoke(one, "made-up")
		want(t, err, codes.PermissionDenied)
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
			want(t, err, codes.FailedPrecondition, "cannot revoke tokens for pach: users", "rotate")
			if !works(h.RootToken) {
				t.Fatalf("%s has revoked the root token", name)
			}
		}
		_, err = revoke(one, h.RootToken)
		want(t, err, codes.Unauthenticated) // theirs is revoked
	})
}

func TestRevokeAuthTokensForUser(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		a, _ := h.Robot("ci", 0)
		b, _ := h.Robot("ci", 600)
		other, _ := h.Robot("other", 0)
		revoke := func(who string) (int64, error) {
			res, err := h.auth.RevokeAuthTokensForUser(h.Root(), &authpb.RevokeAuthTokensForUserRequest{Username: who})
			return res.GetNumber(), err
		}
		for _, ctx := range []context.Context{a, b} { // so that they are remembered
			if err := h.call(ctx, "/auth_v2.API/WhoAmI"); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := revoke("robot:ci"); n != 2 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		for _, ctx := range []context.Context{a, b} {
			want(t, h.call(ctx, "/auth_v2.API/WhoAmI"), codes.Unauthenticated, "provided auth token is corrupted")
		}
		if err := h.call(other, "/auth_v2.API/WhoAmI"); err != nil {
			t.Errorf("another robot: %v", err)
		}
		if n, err := revoke("robot:nosuch"); n != 0 || err != nil {
			t.Errorf("nobody: %d, %v", n, err)
		}
		_, err := revoke("pach:root")
		want(t, err, codes.FailedPrecondition, "cannot revoke tokens for pach: users")
		_, err = revoke("ci")
		want(t, err, codes.InvalidArgument, "subject has no prefix")
	})
}

func TestGetRobotToken_TTL(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		before := h.Now()
		for ttl, lives := range map[int64]bool{0: false, 1: true, 600: true, 100 * 365 * 24 * 3600: true} {
			ctx, raw := h.Robot("robot:ci", ttl)
			who, err := h.auth.WhoAmI(ctx, &authpb.WhoAmIRequest{})
			if err != nil || who.GetUsername() != "robot:ci" || (who.GetExpiration() != nil) != lives || !strings.HasPrefix(raw, "pach_") {
				t.Fatalf("ttl %d: %v, %v", ttl, who, err)
			}
			if ends := who.GetExpiration().AsTime(); lives && (ends.Before(before.Add(time.Duration(ttl)*time.Second).Truncate(time.Microsecond)) || ends.After(h.Now().Add(time.Duration(ttl)*time.Second))) {
				t.Errorf("ttl %d: it ends at %v", ttl, ends)
			}
		}
		// 2^55 seconds are 0 nanoseconds, modulo 2^64: a token for ever.
		for _, ttl := range []int64{-1, -3600, math.MinInt64, 1 << 55, math.MaxInt64, 100*365*24*3600 + 1} {
			_, err := h.auth.GetRobotToken(h.Root(), &authpb.GetRobotTokenRequest{Robot: "ci", Ttl: ttl})
			want(t, err, codes.InvalidArgument, "ttl")
			if t.Failed() {
				t.Fatalf("ttl %d", ttl)
			}
		}
		for robot, text := range map[string]string{"": "empty", "robot:": "empty", "a:b": "robot names cannot contain colons (':')", "robot:a:b": "robot names cannot contain colons"} {
			_, err := h.auth.GetRobotToken(h.Root(), &authpb.GetRobotTokenRequest{Robot: robot})
			want(t, err, codes.InvalidArgument, text)
		}
	})
}

func TestGetPermissions_WhoMay(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		ci, _ := h.Robot("ci", 0)
		own, err := h.auth.GetPermissions(ci, &authpb.GetPermissionsRequest{Resource: cluster()})
		if diff := cmp.Diff([]string{"projectCreator"}, own.GetRoles()); diff != "" || err != nil {
			t.Errorf("their own: %v\n%s", err, diff)
		}
		other := &authpb.GetPermissionsForPrincipalRequest{Resource: cluster(), Principal: "user:bob@example.com"}
		_, err = h.auth.GetPermissionsForPrincipal(ci, other)
		want(t, err, codes.PermissionDenied, "is not authorized to perform this operation - needs permissions")
		res, err := h.auth.GetPermissionsForPrincipal(h.Root(), other)
		if diff := cmp.Diff([]string{"projectCreator"}, res.GetRoles()); diff != "" || err != nil {
			t.Errorf("of somebody who never logged in: %v\n%s", err, diff)
		}
		nothing, err := h.auth.GetPermissions(ci, &authpb.GetPermissionsRequest{Resource: repo("p/nosuch")})
		if err != nil || len(nothing.GetRoles()) != 0 {
			t.Errorf("on what does not exist: %v, %v", nothing, err)
		}
		_, err = h.auth.Authorize(ci, &authpb.AuthorizeRequest{Resource: cluster(), Permissions: []authpb.Permission{9999}})
		want(t, err, codes.InvalidArgument, "unknown permission 9999")
		empty, err := h.auth.Authorize(ci, &authpb.AuthorizeRequest{Resource: cluster()})
		if err != nil || !empty.GetAuthorized() || empty.GetPrincipal() != "robot:ci" {
			t.Errorf("nothing needed: %v, %v", empty, err)
		}
		some, err := h.auth.Authorize(ci, &authpb.AuthorizeRequest{Resource: cluster(), Permissions: []authpb.Permission{authpb.Permission_PROJECT_CREATE, authpb.Permission_CLUSTER_DEBUG_DUMP}})
		if err != nil || some.GetAuthorized() ||
			!slices.Equal(some.GetSatisfied(), []authpb.Permission{authpb.Permission_PROJECT_CREATE}) ||
			!slices.Equal(some.GetMissing(), []authpb.Permission{authpb.Permission_CLUSTER_DEBUG_DUMP}) {
			t.Errorf("one of two: %v, %v", some, err)
		}
	})
}

func TestInternalError_TellsNothing(t *testing.T) {
	h := open(t)
	ci, _ := h.Robot("ci", 0)
	if err := h.DB.Close(); err != nil {
		t.Fatal(err)
	}
	err := h.call(ci, "/auth_v2.API/WhoAmI")
	s := status.Convert(err)
	code := regexp.MustCompile(`by the code ([A-Z2-7]{8})$`).FindStringSubmatch(s.Message())
	if s.Code() != codes.Internal || code == nil || strings.Contains(s.String(), "sql") || reason(err) != "internal" {
		t.Fatalf("the caller is told: %v", s)
	}
	if log := h.Log.String(); !strings.Contains(log, code[1]) || !strings.Contains(log, "sql: database is closed") {
		t.Errorf("the log says: %s", log)
	}
	// Who has no token is told just that, database or not.
	want(t, h.call(t.Context(), "/auth_v2.API/WhoAmI"), codes.Unauthenticated, "no authentication token")
}
