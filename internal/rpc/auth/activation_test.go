package auth_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pfspb "pachyderm/api/pfs"
	ppspb "pachyderm/api/pps"
	"pachyderm/internal/config"
	"pachyderm/internal/pachd/pachdtest"
)

var firstBindings = map[string][]string{
	"pach:root": {"clusterAdmin"}, "internal:auth-server": {"clusterAdmin"}, "allClusterUsers": {"projectCreator"},
}

func (h *env) wantBindings(ctx context.Context, want map[string][]string) {
	h.t.Helper()
	got, err := h.Bound(ctx, pachdtest.Cluster())
	if err != nil {
		h.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("cluster (-want +got):\n%s", diff)
	}
}

// Upstream's TestActivate and TestActivateKnownToken.
func TestActivate_AfterDeactivate(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		_, err := h.API.Auth.Activate(t.Context(), &authpb.ActivateRequest{})
		pachdtest.Want(t, err, codes.Unimplemented, "the auth service is already activated")
		_, err = h.API.Auth.Activate(h.Root(), &authpb.ActivateRequest{RootToken: "another-token"})
		pachdtest.Want(t, err, codes.Unimplemented, "the auth service is already activated")

		h.Connect()
		session := h.Alice()
		_, robot := h.Robot("ci", 0)
		if err := h.Bind(pachdtest.Cluster(), "robot:ci", "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		if err := h.Bind(pachdtest.Project("default"), "robot:ci", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		h.Deactivate(pachdtest.As(t.Context(), robot))
		for name, ctx := range map[string]context.Context{"root": h.Root(), "a robot": pachdtest.As(t.Context(), robot), "a person": pachdtest.As(t.Context(), session), "nobody": t.Context()} {
			_, err := h.WhoAmI(ctx)
			pachdtest.Want(t, err, codes.Unimplemented, "the auth service is not activated")
			if t.Failed() {
				t.Fatal(name)
			}
		}
		_, err = h.API.Auth.Deactivate(h.Root(), &authpb.DeactivateRequest{})
		pachdtest.Want(t, err, codes.Unimplemented, "the auth service is not activated")
		_, err = h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{OidcState: "x"})
		pachdtest.Want(t, err, codes.Unimplemented, "the auth service is not activated")

		_, err = h.API.Auth.Activate(t.Context(), &authpb.ActivateRequest{RootToken: "short"})
		pachdtest.Want(t, err, codes.InvalidArgument, "too short")
		for _, given := range []string{"", "iamroot"} {
			res, err := h.API.Auth.Activate(t.Context(), &authpb.ActivateRequest{RootToken: given})
			if err != nil || res.GetPachToken() == "" || given != "" && res.GetPachToken() != given {
				t.Fatalf("Activate with %q: %v, %v", given, res, err)
			}
			root := pachdtest.As(t.Context(), res.GetPachToken())
			if who, err := h.WhoAmI(root); err != nil || who.GetUsername() != "pach:root" || who.GetExpiration() != nil {
				t.Errorf("the new root: %v, %v", who, err)
			}
			h.wantBindings(root, firstBindings)
			for name, old := range map[string]string{"root": h.RootToken, "the robot": robot, "the person": session} {
				_, err := h.WhoAmI(pachdtest.As(t.Context(), old))
				pachdtest.Want(t, err, codes.Unauthenticated)
				if t.Failed() {
					t.Fatal(name)
				}
			}
			all, err := h.API.Identity.ListIDPConnectors(root, &identitypb.ListIDPConnectorsRequest{})
			if err != nil || len(all.GetConnectors()) != 1 {
				t.Errorf("connectors: %v, %v", all, err)
			}
			owner, err := h.API.Auth.GetPermissionsForPrincipal(root, &authpb.GetPermissionsForPrincipalRequest{Resource: pachdtest.Project("default"), Principal: "robot:ci"})
			if err != nil || !cmp.Equal(owner.GetRoles(), []string{"projectWriter"}) {
				t.Errorf("roles of the robot on the project: %v, %v", owner.GetRoles(), err)
			}
			h.Deactivate(root)
		}
	})
}

// Upstream's TestSuperAdminRWO, TestDeactivateFSAdmin and TestCannotRemoveRootAdmin.
func TestDeactivate_LastAdministrators(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		robot, _ := h.Robot("admin", 0)
		h.wantBindings(robot, firstBindings)
		if err := h.Bind(pachdtest.Cluster(), "robot:admin", "repoOwner"); err != nil {
			t.Fatal(err)
		}
		_, err := h.API.Auth.Deactivate(robot, &authpb.DeactivateRequest{})
		pachdtest.Want(t, err, codes.PermissionDenied, "not authorized", "CLUSTER_AUTH_DEACTIVATE")

		if err := h.Bind(pachdtest.Cluster(), "robot:admin", "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		withAdmin := map[string][]string{"robot:admin": {"clusterAdmin"}}
		for who, roles := range firstBindings {
			withAdmin[who] = roles
		}
		for _, by := range []context.Context{h.Root(), robot} {
			for _, who := range []string{"pach:root", "internal:auth-server"} {
				for _, roles := range [][]string{nil, {"debugger"}} {
					_, err := h.API.Auth.ModifyRoleBinding(by, &authpb.ModifyRoleBindingRequest{Resource: pachdtest.Cluster(), Principal: who, Roles: roles})
					pachdtest.Want(t, err, codes.FailedPrecondition, "cannot modify cluster role bindings for")
				}
			}
			h.wantBindings(by, withAdmin)
		}
		if err := h.Bind(pachdtest.Cluster(), "robot:admin"); err != nil {
			t.Fatal(err)
		}
		h.wantBindings(h.Root(), firstBindings)
	})
}

// What upstream's "pachctl auth activate" calls, on a server that begins with
// authentication off.
func TestActivate_UpstreamClient(t *testing.T) {
	dir := t.TempDir()
	off := func(c *config.Config) { c.Auth.Activate = false }
	t.Run("at first", func(t *testing.T) {
		server := pachdtest.StartIn(t, dir, off)
		conn, err := grpc.NewClient(server.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		auth, idp := authpb.NewAPIClient(conn), identitypb.NewAPIClient(conn)
		_, err = auth.WhoAmI(t.Context(), &authpb.WhoAmIRequest{})
		pachdtest.Want(t, err, codes.Unimplemented, "the auth service is not activated")
		_, err = pfspb.NewAPIClient(conn).ActivateAuth(t.Context(), &pfspb.ActivateAuthRequest{})
		pachdtest.Want(t, err, codes.Unimplemented, "the auth service is not activated")

		res, err := auth.Activate(t.Context(), &authpb.ActivateRequest{RootToken: "iamroot"})
		if err != nil || res.GetPachToken() != "iamroot" {
			t.Fatalf("Activate: %v, %v", res, err)
		}
		root := pachdtest.As(t.Context(), "iamroot")
		_, errs := pfspb.NewAPIClient(conn).ActivateAuth(root, &pfspb.ActivateAuthRequest{})
		pachdtest.Want(t, errs, codes.OK)
		_, errs = ppspb.NewAPIClient(conn).ActivateAuth(root, &ppspb.ActivateAuthRequest{})
		pachdtest.Want(t, errs, codes.OK)
		redirect := server.HTTP + "/authorization-code/callback"
		_, errs = idp.SetIdentityServerConfig(root, &identitypb.SetIdentityServerConfigRequest{Config: &identitypb.IdentityServerConfig{Issuer: server.HTTP + "/"}})
		pachdtest.Want(t, errs, codes.OK)
		client, errs := idp.CreateOIDCClient(root, &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{Id: "pachd", Name: "pachd", RedirectUris: []string{redirect}}})
		pachdtest.Want(t, errs, codes.OK)
		_, errs = auth.SetConfiguration(root, &authpb.SetConfigurationRequest{Configuration: &authpb.OIDCConfig{
			Issuer: server.HTTP + "/", ClientId: "pachd", ClientSecret: client.GetClient().GetSecret(), RedirectUri: redirect,
			Scopes: []string{"email", "profile", "groups", "openid"}, LocalhostIssuer: true,
		}})
		pachdtest.Want(t, errs, codes.OK)
		_, errs = auth.Deactivate(root, &authpb.DeactivateRequest{})
		pachdtest.Want(t, errs, codes.OK)
	})
	// What an administrator has deactivated, a restart does not activate.
	t.Run("after a restart", func(t *testing.T) {
		server := pachdtest.StartIn(t, dir, func(c *config.Config) { c.Auth.RootToken = "configured-token" })
		_, err := server.WhoAmI(server.Root())
		pachdtest.Want(t, err, codes.Unimplemented, "the auth service is not activated")
	})
}

func TestRotateRootToken_Configured(t *testing.T) {
	server := pachdtest.Start(t, func(c *config.Config) { c.Auth.RootToken = "configured-token" })
	_, err := server.API.Auth.RotateRootToken(server.Root(), &authpb.RotateRootTokenRequest{})
	pachdtest.Want(t, err, codes.FailedPrecondition, "RotateRootToken() is disabled when the root token is configured in the environment")
}
