package auth_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api"
	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
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

// upstreamActivation is what upstream's "pachctl auth activate" calls, one after
// another and with its own defaults; secret is what the answers hand on.
func upstreamActivation(c api.Clients) []func(ctx context.Context) error {
	const issuer, redirect = "http://pachd:1658/", "http://localhost:30657/authorization-code/callback"
	secret := ""
	return []func(ctx context.Context) error{
		func(ctx context.Context) error {
			_, err := c.Auth.Activate(ctx, &authpb.ActivateRequest{RootToken: "iamroot"})
			if status.Code(err) == codes.Unimplemented && strings.Contains(err.Error(), "the auth service is already activated") {
				return nil // the client goes on
			}
			return err
		},
		func(ctx context.Context) error {
			_, err := c.PFS.ActivateAuth(ctx, &pfspb.ActivateAuthRequest{})
			return err
		},
		func(ctx context.Context) error {
			_, err := c.PPS.ActivateAuth(ctx, &ppspb.ActivateAuthRequest{})
			return err
		},
		func(ctx context.Context) error {
			_, err := c.Identity.SetIdentityServerConfig(ctx, &identitypb.SetIdentityServerConfigRequest{Config: &identitypb.IdentityServerConfig{Issuer: issuer}})
			return err
		},
		func(ctx context.Context) error {
			r, err := c.Identity.CreateOIDCClient(ctx, &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{Id: "pachd", Name: "pachd", RedirectUris: []string{redirect}}})
			secret = r.GetClient().GetSecret()
			return err
		},
		func(ctx context.Context) error {
			_, err := c.Auth.SetConfiguration(ctx, &authpb.SetConfigurationRequest{Configuration: &authpb.OIDCConfig{
				Issuer: issuer, ClientId: "pachd", ClientSecret: secret, RedirectUri: redirect,
				Scopes: []string{"email", "profile", "groups", "openid"}, LocalhostIssuer: true,
			}})
			return err
		},
	}
}

// A second run completes what a first one began, wherever that broke off.
func TestActivate_UpstreamClient(t *testing.T) {
	for broken := range 7 {
		t.Run(fmt.Sprintf("after %d calls", broken), func(t *testing.T) {
			h := &env{pachdtest.Start(t, func(c *config.Config) { c.Auth.Activate = false }), t}
			root := pachdtest.As(t.Context(), "iamroot")
			for _, calls := range [][]func(context.Context) error{upstreamActivation(h.API)[:broken], upstreamActivation(h.API)} {
				for n, call := range calls {
					if err := call(root); err != nil {
						t.Fatalf("call %d: %v", n+1, err)
					}
				}
			}
			h.RootToken = "iamroot"
			h.wantConfiguration(&authpb.OIDCConfig{
				Issuer: "http://pachd:1658/", ClientId: "pachd", ClientSecret: "***", RedirectUri: "http://localhost:30657/authorization-code/callback",
				Scopes: []string{"email", "profile", "groups", "openid"}, LocalhostIssuer: true,
			})
			settings, err := h.API.Identity.GetIdentityServerConfig(root, &identitypb.GetIdentityServerConfigRequest{})
			if err != nil || settings.GetConfig().GetIssuer() != "http://pachd:1658/" {
				t.Errorf("the settings are given back as %v, %v", settings, err)
			}
			// What is served is another thing.
			h.Connect()
			start, err := h.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
			if err != nil || !strings.HasPrefix(start.GetLoginUrl(), h.HTTP+"/auth?") || h.Issuer.URL() != h.HTTP {
				t.Errorf("people sign in at %s, %v", start.GetLoginUrl(), err)
			}
			if who, err := h.WhoAmI(pachdtest.As(t.Context(), h.Alice())); err != nil || who.GetUsername() != pachdtest.Alice {
				t.Errorf("signed in: %v, %v", who, err)
			}
		})
	}
}

// What asks for more than is there is no repetition.
func TestCreateOIDCClient_Again(t *testing.T) {
	h := open(t)
	app := func(change func(c *identitypb.OIDCClient)) *identitypb.CreateOIDCClientRequest {
		c := &identitypb.OIDCClient{Id: "app", Name: "App", RedirectUris: []string{"https://app.example.com/a", "https://app.example.com/b"}, TrustedPeers: []string{"peer"}}
		change(c)
		return &identitypb.CreateOIDCClientRequest{Client: c}
	}
	made, err := h.API.Identity.CreateOIDCClient(h.Root(), app(func(*identitypb.OIDCClient) {}))
	if err != nil || len(made.GetClient().GetSecret()) < 40 {
		t.Fatalf("made: %v, %v", made, err)
	}
	for name, c := range map[string]struct {
		change func(c *identitypb.OIDCClient)
		code   codes.Code
	}{
		"the same":             {func(*identitypb.OIDCClient) {}, codes.OK},
		"less":                 {func(c *identitypb.OIDCClient) { c.RedirectUris, c.TrustedPeers = c.GetRedirectUris()[:1], nil }, codes.OK},
		"another redirect URI": {func(c *identitypb.OIDCClient) { c.RedirectUris = []string{"https://evil.example.com/"} }, codes.AlreadyExists},
		"another peer":         {func(c *identitypb.OIDCClient) { c.TrustedPeers = []string{"evil"} }, codes.AlreadyExists},
		"another name":         {func(c *identitypb.OIDCClient) { c.Name = "Other" }, codes.AlreadyExists},
		"a secret":             {func(c *identitypb.OIDCClient) { c.Secret = "known" }, codes.AlreadyExists},
	} {
		again, err := h.API.Identity.CreateOIDCClient(h.Root(), app(c.change))
		pachdtest.Want(t, err, c.code)
		if want := map[codes.Code]string{codes.OK: "***"}[c.code]; again.GetClient().GetSecret() != want {
			t.Errorf("%s: shows the secret %q, want %q", name, again.GetClient().GetSecret(), want)
		}
	}
}

// A client without a secret is another kind of client.
func TestCreateOIDCClient_AgainPublic(t *testing.T) {
	h := open(t)
	app := &identitypb.OIDCClient{Id: "app", Name: "App", RedirectUris: []string{"https://app.example.com/"}}
	if _, err := h.API.Pach.CreateOIDCClient(h.Root(), &pachpb.CreateOIDCClientRequest{Client: app, Public: true}); err != nil {
		t.Fatal(err)
	}
	_, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: app})
	pachdtest.Want(t, err, codes.AlreadyExists, "ID already exists")
}

// What an administrator has deactivated, a restart does not activate.
func TestDeactivate_OutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	t.Run("at first", func(t *testing.T) {
		server := pachdtest.StartIn(t, dir)
		server.Deactivate(server.Root())
	})
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
