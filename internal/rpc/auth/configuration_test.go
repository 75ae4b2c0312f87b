package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	"pachyderm/internal/pachd/pachdtest"
)

func (h *env) configure(ctx context.Context, c *authpb.OIDCConfig) error {
	_, err := h.API.Auth.SetConfiguration(ctx, &authpb.SetConfigurationRequest{Configuration: c})
	return err
}

func (h *env) wantConfiguration(want *authpb.OIDCConfig) {
	h.t.Helper()
	got, err := h.API.Auth.GetConfiguration(h.Root(), &authpb.GetConfigurationRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.GetConfiguration(), protocmp.Transform()); diff != "" {
		h.t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func changed(c *authpb.OIDCConfig, f func(*authpb.OIDCConfig)) *authpb.OIDCConfig {
	out := proto.Clone(c).(*authpb.OIDCConfig)
	f(out)
	return out
}

// Upstream's config tests; the secret is shown to nobody.
func TestSetConfiguration_RoundTrip(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		robot, _ := h.Robot("nobody", 0)
		h.wantConfiguration(&authpb.OIDCConfig{})
		c := h.Client()
		shown := changed(c, func(c *authpb.OIDCConfig) { c.ClientSecret = "***" })
		if err := h.configure(h.Root(), c); err != nil {
			t.Fatal(err)
		}
		h.wantConfiguration(shown)
		// What was read can be written back.
		other := changed(shown, func(c *authpb.OIDCConfig) { c.RequireEmailVerified = true })
		if err := h.configure(h.Root(), other); err != nil {
			t.Fatal(err)
		}
		h.wantConfiguration(other)

		pachdtest.Want(t, h.configure(robot, c), codes.PermissionDenied, "not authorized", "needs permissions [CLUSTER_AUTH_SET_CONFIG] on CLUSTER")
		_, err := h.API.Auth.GetConfiguration(robot, &authpb.GetConfigurationRequest{})
		pachdtest.Want(t, err, codes.PermissionDenied, "needs permissions [CLUSTER_AUTH_GET_CONFIG] on CLUSTER")
		h.wantConfiguration(other)

		if err := h.configure(h.Root(), nil); err != nil {
			t.Fatal(err)
		}
		h.wantConfiguration(&authpb.OIDCConfig{})
		// Of a client of our own issuer the secret is known here.
		pachdtest.Want(t, h.configure(h.Root(), changed(shown, func(c *authpb.OIDCConfig) { c.ClientId = "nosuch" })), codes.InvalidArgument, "client_secret is ***")
		if err := h.configure(h.Root(), shown); err != nil {
			t.Fatal(err)
		}
		h.wantConfiguration(shown)
		h.Deactivate(h.Root())
		pachdtest.Want(t, h.configure(h.Root(), c), codes.Unimplemented, "activated")
		_, err = h.API.Auth.GetConfiguration(h.Root(), &authpb.GetConfigurationRequest{})
		pachdtest.Want(t, err, codes.Unimplemented, "activated")
		if _, err := h.API.Auth.Activate(t.Context(), &authpb.ActivateRequest{RootToken: h.RootToken}); err != nil {
			t.Fatal(err)
		}
		h.wantConfiguration(&authpb.OIDCConfig{})
		// The client is still there.
		if err := h.configure(h.Root(), c); err != nil {
			t.Fatal(err)
		}
		h.wantConfiguration(shown)
	})
}

// Another server may want its clients to sign with their secrets, not with keys,
// of which pachd has some for connectors only.
func TestSetConfiguration_SignedClients(t *testing.T) {
	h := open(t)
	good := h.Client()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]codes.Code{"client_secret_jwt": codes.OK, "private_key_jwt": codes.FailedPrecondition} {
		mux := http.NewServeMux()
		server := httptest.NewServer(mux)
		defer server.Close()
		send := func(path string, body any) {
			mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(body) })
		}
		send("/.well-known/openid-configuration", map[string]any{
			"issuer": server.URL, "authorization_endpoint": server.URL + "/auth", "token_endpoint": server.URL + "/token", "jwks_uri": server.URL + "/keys",
			"token_endpoint_auth_methods_supported": []string{method},
		})
		send("/keys", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Use: "sig", Algorithm: "ES256"}}})
		err := h.configure(h.Root(), changed(good, func(c *authpb.OIDCConfig) { c.Issuer, c.RedirectUri = server.URL, "https://pach.example.com/back" }))
		if status.Code(err) != want || want != codes.OK && !strings.Contains(err.Error(), "which only connectors do") {
			t.Errorf("%s: %v, want %v", method, err, want)
		}
	}
}

func TestSetConfiguration_Refused(t *testing.T) {
	h := open(t)
	good := h.Client()
	nothing := httptest.NewServer(http.NotFoundHandler())
	defer nothing.Close()
	for name, c := range map[string]struct {
		change func(*authpb.OIDCConfig)
		code   codes.Code
		text   string
	}{
		"no issuer":       {func(c *authpb.OIDCConfig) { c.Issuer = "" }, codes.InvalidArgument, "OIDC issuer must be a valid URL"},
		"no URL":          {func(c *authpb.OIDCConfig) { c.Issuer = "::" }, codes.InvalidArgument, "OIDC issuer must be a valid URL"},
		"no provider":     {func(c *authpb.OIDCConfig) { c.Issuer, c.RedirectUri = nothing.URL, "" }, codes.FailedPrecondition, "provided OIDC issuer does not implement OIDC protocol"},
		"nobody there":    {func(c *authpb.OIDCConfig) { c.Issuer = "http://127.0.0.1:1" }, codes.Unavailable, "provided OIDC issuer does not implement OIDC protocol"},
		"not this one":    {func(c *authpb.OIDCConfig) { c.Issuer, c.LocalhostIssuer = nothing.URL, true }, codes.InvalidArgument, "which calls itself"},
		"no redirect URI": {func(c *authpb.OIDCConfig) { c.RedirectUri, c.ClientId = "", "" }, codes.InvalidArgument, "OIDC redirect_uri must be a valid URL"},
		"no client":       {func(c *authpb.OIDCConfig) { c.ClientId = "" }, codes.InvalidArgument, "OIDC configuration must have a non-empty client_id"},
		"unregistered":    {func(c *authpb.OIDCConfig) { c.RedirectUri += "/x" }, codes.InvalidArgument, "is not one of client"},
		"no host":         {func(c *authpb.OIDCConfig) { c.UserAccessibleIssuerHost = "ftp://x" }, codes.InvalidArgument, "user_accessible_issuer_host"},
	} {
		t.Run(name, func(t *testing.T) {
			pachdtest.Want(t, h.configure(h.Root(), changed(good, c.change)), c.code, c.text)
		})
	}
	h.wantConfiguration(&authpb.OIDCConfig{})
}

func TestSetConfiguration_ClientSignsIn(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		c := h.Client()
		c.Scopes, c.Issuer = []string{"email", "groups"}, c.Issuer+"/"
		if err := h.configure(h.Root(), c); err != nil {
			t.Fatal(err)
		}
		start, err := h.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(start.GetLoginUrl())
		if err != nil || u.Query().Get("client_id") != "pachyderm" || u.Query().Get("scope") != "openid email groups" || len(start.GetState()) < 30 {
			t.Errorf("sent to %s, %v", u, err)
		}
		if who, err := h.WhoAmI(pachdtest.As(t.Context(), h.Alice())); err != nil || who.GetUsername() != "user:alice@example.com" {
			t.Errorf("WhoAmI: %v, %v", who, err)
		}
		for _, host := range []string{"https://pach.example.com", "pach.example.com:8080"} {
			if err := h.configure(h.Root(), changed(c, func(c *authpb.OIDCConfig) { c.UserAccessibleIssuerHost = host })); err != nil {
				t.Fatal(err)
			}
			start, err := h.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
			if !strings.HasPrefix(strings.TrimPrefix(start.GetLoginUrl(), "http://"), host+"/auth?") || err != nil {
				t.Errorf("%s: sent to %s, %v", host, start.GetLoginUrl(), err)
			}
		}
		// A client that goes takes the way in with it, and says so.
		if _, err := h.API.Identity.DeleteOIDCClient(h.Root(), &identitypb.DeleteOIDCClientRequest{Id: "pachyderm"}); err != nil {
			t.Fatal(err)
		}
		_, err = h.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
		pachdtest.Want(t, err, codes.FailedPrecondition, `client "pachyderm", which is not registered`)
	})
}

// As upstream has it, the client may be registered after it is configured; by
// those who may grant roles, since its ID tokens begin sessions.
func TestSetConfiguration_ClientThatIsNotRegistered(t *testing.T) {
	h := open(t)
	h.Connect()
	c := &authpb.OIDCConfig{
		Issuer: h.HTTP, ClientId: "later", ClientSecret: "later-secret-value", RedirectUri: h.HTTP + "/authorization-code/callback", LocalhostIssuer: true,
	}
	if err := h.configure(h.Root(), c); err != nil {
		t.Fatal(err)
	}
	h.wantConfiguration(changed(c, func(c *authpb.OIDCConfig) { c.ClientSecret = "***" }))
	_, err := h.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
	pachdtest.Want(t, err, codes.FailedPrecondition, `client "later", which is not registered`)

	// pachctl's own client is none that pachd could be.
	if err := h.configure(h.Root(), changed(c, func(c *authpb.OIDCConfig) { c.ClientId = "pachctl" })); err != nil {
		t.Fatal(err)
	}
	_, err = h.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
	pachdtest.Want(t, err, codes.FailedPrecondition, `client "pachctl", which is not registered`)
	if err := h.configure(h.Root(), c); err != nil {
		t.Fatal(err)
	}

	client := &identitypb.OIDCClient{Id: "later", Name: "later", RedirectUris: []string{c.GetRedirectUri()}}
	apps, _ := h.Robot("apps", 0)
	if err := h.Bind(pachdtest.Cluster(), "robot:apps", "oidcAppAdmin"); err != nil {
		t.Fatal(err)
	}
	_, err = h.API.Identity.CreateOIDCClient(apps, &identitypb.CreateOIDCClientRequest{Client: client})
	pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_MODIFY_BINDINGS")
	if _, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: client}); err != nil {
		t.Fatal(err)
	}
	if who, err := h.WhoAmI(pachdtest.As(t.Context(), h.Alice())); err != nil || who.GetUsername() != pachdtest.Alice {
		t.Errorf("WhoAmI: %v, %v", who, err)
	}
}
