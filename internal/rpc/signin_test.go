package rpc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	"pachyderm/demo/op/optest"
)

// mock connects Dex's mockPassword, through the API.
func (h *env) mock() {
	h.t.Helper()
	_, err := h.idp.CreateIDPConnector(h.Root(), &identitypb.CreateIDPConnectorRequest{Connector: &identitypb.IDPConnector{
		Id: "test", Name: "test", Type: "mockPassword", JsonConfig: `{"username": "admin", "password": "password"}`,
	}})
	if err != nil {
		h.t.Fatal(err)
	}
}

// wait calls Authenticate as upstream's pachctl does while the browser is busy.
func (h *env) wait(state string) <-chan string {
	ctx, session := h.t.Context(), make(chan string, 1)
	go func() {
		res, err := h.auth.Authenticate(ctx, &authpb.AuthenticateRequest{OidcState: state})
		if err != nil {
			h.t.Errorf("Authenticate: %v", err)
		}
		session <- res.GetPachToken()
	}()
	return session
}

// idToken is what an application gets for somebody who signs in to it by
// mockPassword.
func (h *env) idToken(c *identitypb.OIDCClient, scope string) string {
	h.t.Helper()
	const verifier = "a-verifier-that-is-as-long-as-RFC-7636-wants-it"
	challenge := sha256.Sum256([]byte(verifier))
	redirect := c.GetRedirectUris()[0]
	b := optest.NewBrowser(h.t, func(u *url.URL) bool { return strings.HasPrefix(u.String(), redirect) })
	page := b.Get(h.HTTP + "/auth?" + url.Values{
		"client_id": {c.GetId()}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {scope}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	page = b.Submit(page, map[string]string{"login": "admin", "password": "password"})
	res, err := http.PostForm(h.HTTP+"/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {page.URL.Query().Get("code")}, "redirect_uri": {redirect},
		"client_id": {c.GetId()}, "client_secret": {c.GetSecret()}, "code_verifier": {verifier},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		IDToken string `json:"id_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.IDToken == "" {
		h.t.Fatalf("no ID token: HTTP %d, %v; the page was %s", res.StatusCode, err, page.URL)
	}
	return answer.IDToken
}

// Upstream's oidc tests. Where design.md differs, the browser asks the person
// before the client that waits gets its token.
func TestAuthenticate_UpstreamTests(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		if _, err := h.idp.DeleteAll(h.Root(), &identitypb.DeleteAllRequest{}); err != nil {
			t.Fatal(err)
		}
		issuer := &identitypb.IdentityServerConfig{Issuer: h.HTTP + "/dex"}
		if _, err := h.idp.SetIdentityServerConfig(h.Root(), &identitypb.SetIdentityServerConfigRequest{Config: issuer}); err != nil {
			t.Fatal(err)
		}
		got, err := h.idp.GetIdentityServerConfig(h.Root(), &identitypb.GetIdentityServerConfigRequest{})
		if diff := cmp.Diff(issuer, got.GetConfig(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("settings: %v\n%s", err, diff)
		}
		if page := optest.NewBrowser(t, nil).Get(h.HTTP + "/dex/.well-known/openid-configuration"); !strings.Contains(page.Body, `"issuer": "`+issuer.GetIssuer()+`"`) {
			t.Errorf("discovery: %s", page.Body)
		}
		h.mock()
		c := h.client("testapp")
		c.Issuer = issuer.GetIssuer()
		if err := h.configure(h.Root(), c); err != nil {
			t.Fatal(err)
		}
		start, err := h.auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
		if err != nil {
			t.Fatal(err)
		}
		waiting := h.wait(start.GetState())
		b := optest.NewBrowser(t, func(*url.URL) bool { return false })
		page := b.Submit(b.Get(start.GetLoginUrl()), map[string]string{"login": "admin", "password": "password"})
		if !strings.HasPrefix(page.URL.String(), c.GetRedirectUri()) || page.Status != http.StatusOK {
			t.Fatalf("ended at %s with %d", page.URL, page.Status)
		}
		b.Submit(page, map[string]string{"answer": "yes"})
		session := as(t.Context(), <-waiting)
		if who, err := h.whoAmI(session); err != nil || who.GetUsername() != "user:kilgore@kilgore.trout" {
			t.Errorf("by state: %v, %v", who, err)
		}
	})
}

func TestAuthenticate_TrustedPeer(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.mock()
		app, err := h.idp.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
			Id: "testapp", Name: "testapp", Secret: "the-secret-of-testapp", RedirectUris: []string{"http://test.example.com:1657/authorization-code/callback"},
		}})
		if err != nil || app.GetClient().GetSecret() != "the-secret-of-testapp" {
			t.Fatalf("%v, %v", app, err)
		}
		if err := h.configure(h.Root(), h.client("testapp")); err != nil {
			t.Fatal(err)
		}
		raw := h.idToken(app.GetClient(), "openid email profile audience:server:client_id:pachyderm")
		for range 2 { // as often as it is shown, while it is valid
			res, err := h.auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: raw})
			if err != nil {
				t.Fatal(err)
			}
			if who, err := h.whoAmI(as(t.Context(), res.GetPachToken())); err != nil || who.GetUsername() != "user:kilgore@kilgore.trout" {
				t.Errorf("WhoAmI: %v, %v", who, err)
			}
		}
		plain := h.idToken(app.GetClient(), "openid email profile")
		_, err = h.auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: plain})
		want(t, err, codes.Unauthenticated, `could not verify token: expected audience "pachyderm" got ["testapp"]`)
	})
}

// Upstream's TestIDTokenExpiry, of its identity tests.
func TestAuthenticate_EndsWithIDToken(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.mock()
		_, err := h.idp.SetIdentityServerConfig(h.Root(), &identitypb.SetIdentityServerConfigRequest{Config: &identitypb.IdentityServerConfig{
			Issuer: h.HTTP, IdTokenExpiry: "30m", RotationTokenExpiry: "5h",
		}})
		if err != nil {
			t.Fatal(err)
		}
		app, err := h.idp.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
			Id: "pachd", Name: "pachd", RedirectUris: []string{"http://test.example.com/callback"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := h.auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: h.idToken(app.GetClient(), "openid email")})
		if err != nil {
			t.Fatal(err)
		}
		who, err := h.whoAmI(as(t.Context(), res.GetPachToken()))
		if left := time.Until(who.GetExpiration().AsTime()); err != nil || left > 30*time.Minute || left < 20*time.Minute {
			t.Errorf("it lives for %v: %v, %v", left, who, err)
		}
	})
}

func TestAuthenticate_RequireEmailVerified(t *testing.T) {
	h := open(t)
	h.mock()
	app, err := h.idp.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
		Id: "testapp", Name: "testapp", RedirectUris: []string{"http://test.example.com/callback"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := h.client("testapp")
	c.RequireEmailVerified = true
	if err := h.configure(h.Root(), c); err != nil {
		t.Fatal(err)
	}
	// Without the scope email nothing is said of the address.
	raw := h.idToken(app.GetClient(), "openid audience:server:client_id:pachyderm")
	_, err = h.auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: raw})
	want(t, err, codes.PermissionDenied, "email_verified claim was false, and require_email_verified was set")
	raw = h.idToken(app.GetClient(), "openid email audience:server:client_id:pachyderm")
	if _, err := h.auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: raw}); err != nil {
		t.Errorf("verified: %v", err)
	}
}

// Upstream's identity tests: what is off for everybody, and what an ordinary
// caller may not do whatever they send.
func TestIdentityService_AdministratorsOnly(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		robot, _ := h.Robot("nobody", 0)
		calls := map[string]func() error{
			"SetIdentityServerConfig": func() error {
				_, err := h.idp.SetIdentityServerConfig(robot, &identitypb.SetIdentityServerConfigRequest{})
				return err
			},
			"CreateIDPConnector": func() error {
				_, err := h.idp.CreateIDPConnector(robot, &identitypb.CreateIDPConnectorRequest{Connector: &identitypb.IDPConnector{}})
				return err
			},
			"UpdateOIDCClient": func() error {
				_, err := h.idp.UpdateOIDCClient(robot, &identitypb.UpdateOIDCClientRequest{})
				return err
			},
		}
		for _, method := range []string{
			"GetIdentityServerConfig", "GetIDPConnector", "UpdateIDPConnector", "ListIDPConnectors", "DeleteIDPConnector",
			"CreateOIDCClient", "GetOIDCClient", "ListOIDCClients", "DeleteOIDCClient", "DeleteAll",
		} {
			calls[method] = func() error { return h.call(robot, "/identity_v2.API/"+method) }
		}
		for method, call := range calls {
			err := call()
			if !strings.HasPrefix(err.Error(), "rpc error: code = PermissionDenied desc = robot:nobody is not authorized to perform this operation") {
				t.Errorf("%s: %v", method, err)
			}
		}
		h.deactivate(h.Root())
		for method, call := range calls {
			if err := call(); err.Error() != "rpc error: code = Unimplemented desc = the auth service is not activated" {
				t.Errorf("%s while off: %v", method, err)
			}
		}
	})
}

func TestIdentityService_Lifecycle(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		document := func(name string, version int64) *identitypb.IDPConnector {
			config, err := structpb.NewStruct(map[string]any{})
			if err != nil {
				t.Fatal(err)
			}
			return &identitypb.IDPConnector{Id: "mock", Name: name, Type: "mockCallback", ConfigVersion: version, Config: config}
		}
		steps := []struct {
			name string
			do   func() error
		}{
			{"create connector", func() error {
				_, err := h.idp.CreateIDPConnector(h.Root(), &identitypb.CreateIDPConnectorRequest{Connector: document("first", 0)})
				return err
			}},
			{"update connector", func() error {
				_, err := h.idp.UpdateIDPConnector(h.Root(), &identitypb.UpdateIDPConnectorRequest{Connector: document("second", 1)})
				return err
			}},
			{"create client", func() error {
				_, err := h.idp.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{Id: "app", Name: "app", Secret: "a-secret"}})
				return err
			}},
			{"update client", func() error {
				_, err := h.idp.UpdateOIDCClient(h.Root(), &identitypb.UpdateOIDCClientRequest{Client: &identitypb.OIDCClient{Id: "app", Name: "new", RedirectUris: []string{"http://localhost:1/x"}}})
				return err
			}},
		}
		for _, s := range steps {
			if err := s.do(); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
		}
		one, err := h.idp.GetIDPConnector(h.Root(), &identitypb.GetIDPConnectorRequest{Id: "mock"})
		if diff := cmp.Diff(document("second", 1), one.GetConnector(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("connector: %v\n%s", err, diff)
		}
		client, err := h.idp.GetOIDCClient(h.Root(), &identitypb.GetOIDCClientRequest{Id: "app"})
		if diff := cmp.Diff(&identitypb.OIDCClient{Id: "app", Name: "new", RedirectUris: []string{"http://localhost:1/x"}}, client.GetClient(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("client: %v\n%s", err, diff)
		}
		if _, err := h.idp.SetIdentityServerConfig(h.Root(), &identitypb.SetIdentityServerConfigRequest{Config: &identitypb.IdentityServerConfig{Issuer: h.HTTP + "/elsewhere"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.idp.DeleteAll(h.Root(), &identitypb.DeleteAllRequest{}); err != nil {
			t.Fatal(err)
		}
		connectors, err := h.idp.ListIDPConnectors(h.Root(), &identitypb.ListIDPConnectorsRequest{})
		if err != nil || len(connectors.GetConnectors()) != 0 {
			t.Errorf("connectors are left: %v, %v", connectors, err)
		}
		clients, err := h.idp.ListOIDCClients(h.Root(), &identitypb.ListOIDCClientsRequest{})
		if err != nil || len(clients.GetClients()) != 0 {
			t.Errorf("clients are left: %v, %v", clients, err)
		}
		settings, err := h.idp.GetIdentityServerConfig(h.Root(), &identitypb.GetIdentityServerConfigRequest{})
		if diff := cmp.Diff(&identitypb.IdentityServerConfig{}, settings.GetConfig(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("settings: %v\n%s", err, diff)
		}
		if got := h.Issuer.URL(); got != h.HTTP {
			t.Errorf("the issuer is %s, not %s again", got, h.HTTP)
		}
	})
}
