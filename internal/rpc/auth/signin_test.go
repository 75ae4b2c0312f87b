package auth_test

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

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/pachd/pachdtest"
)

// mock connects Dex's mockPassword, through the API.
func (h *env) mock() {
	h.t.Helper()
	_, err := h.API.Identity.CreateIDPConnector(h.Root(), &identitypb.CreateIDPConnectorRequest{Connector: &identitypb.IDPConnector{
		Id: "test", Name: "test", Type: "mockPassword", JsonConfig: `{"username": "admin", "password": "password"}`,
	}})
	if err != nil {
		h.t.Fatal(err)
	}
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
		if _, err := h.API.Identity.DeleteAll(h.Root(), &identitypb.DeleteAllRequest{}); err != nil {
			t.Fatal(err)
		}
		issuer := &identitypb.IdentityServerConfig{Issuer: h.HTTP + "/dex"}
		if _, err := h.API.Identity.SetIdentityServerConfig(h.Root(), &identitypb.SetIdentityServerConfigRequest{Config: issuer}); err != nil {
			t.Fatal(err)
		}
		got, err := h.API.Identity.GetIdentityServerConfig(h.Root(), &identitypb.GetIdentityServerConfigRequest{})
		if diff := cmp.Diff(issuer, got.GetConfig(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("settings: %v\n%s", err, diff)
		}
		if page := optest.NewBrowser(t, nil).Get(h.HTTP + "/dex/.well-known/openid-configuration"); !strings.Contains(page.Body, `"issuer": "`+issuer.GetIssuer()+`"`) {
			t.Errorf("discovery: %s", page.Body)
		}
		h.mock()
		c := h.Client("testapp")
		c.Issuer = issuer.GetIssuer()
		if err := h.configure(h.Root(), c); err != nil {
			t.Fatal(err)
		}
		start, err := h.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
		if err != nil {
			t.Fatal(err)
		}
		waiting := h.Wait(start.GetState())
		b := optest.NewBrowser(t, func(*url.URL) bool { return false })
		page := b.Submit(b.Get(start.GetLoginUrl()), map[string]string{"login": "admin", "password": "password"})
		if !strings.HasPrefix(page.URL.String(), c.GetRedirectUri()) || page.Status != http.StatusOK {
			t.Fatalf("ended at %s with %d", page.URL, page.Status)
		}
		b.Submit(page, map[string]string{"answer": "yes"})
		session := pachdtest.As(t.Context(), <-waiting)
		if who, err := h.WhoAmI(session); err != nil || who.GetUsername() != "user:kilgore@kilgore.trout" {
			t.Errorf("by state: %v, %v", who, err)
		}
	})
}

func TestAuthenticate_TrustedPeer(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.mock()
		app, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
			Id: "testapp", Name: "testapp", Secret: "the-secret-of-testapp", RedirectUris: []string{"http://test.example.com:1657/authorization-code/callback"},
		}})
		if err != nil || app.GetClient().GetSecret() != "the-secret-of-testapp" {
			t.Fatalf("%v, %v", app, err)
		}
		if err := h.configure(h.Root(), h.Client("testapp")); err != nil {
			t.Fatal(err)
		}
		raw := h.idToken(app.GetClient(), "openid email profile audience:server:client_id:pachyderm")
		for range 2 { // as often as it is shown, while it is valid
			res, err := h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: raw})
			if err != nil {
				t.Fatal(err)
			}
			if who, err := h.WhoAmI(pachdtest.As(t.Context(), res.GetPachToken())); err != nil || who.GetUsername() != "user:kilgore@kilgore.trout" {
				t.Errorf("WhoAmI: %v, %v", who, err)
			}
		}
		plain := h.idToken(app.GetClient(), "openid email profile")
		_, err = h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: plain})
		pachdtest.Want(t, err, codes.Unauthenticated, `could not verify token: expected audience "pachyderm" got ["testapp"]`)
	})
}

// Upstream's TestIDTokenExpiry, of its identity tests.
func TestAuthenticate_EndsWithIDToken(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.mock()
		_, err := h.API.Identity.SetIdentityServerConfig(h.Root(), &identitypb.SetIdentityServerConfigRequest{Config: &identitypb.IdentityServerConfig{
			Issuer: h.HTTP, IdTokenExpiry: "30m", RotationTokenExpiry: "5h",
		}})
		if err != nil {
			t.Fatal(err)
		}
		app, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
			Id: "pachd", Name: "pachd", RedirectUris: []string{"http://test.example.com/callback"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: h.idToken(app.GetClient(), "openid email")})
		if err != nil {
			t.Fatal(err)
		}
		who, err := h.WhoAmI(pachdtest.As(t.Context(), res.GetPachToken()))
		if left := time.Until(who.GetExpiration().AsTime()); err != nil || left > 30*time.Minute || left < 20*time.Minute {
			t.Errorf("it lives for %v: %v, %v", left, who, err)
		}
	})
}

func TestAuthenticate_RequireEmailVerified(t *testing.T) {
	h := open(t)
	h.mock()
	app, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
		Id: "testapp", Name: "testapp", RedirectUris: []string{"http://test.example.com/callback"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := h.Client("testapp")
	c.RequireEmailVerified = true
	if err := h.configure(h.Root(), c); err != nil {
		t.Fatal(err)
	}
	// Without the scope email nothing is said of the address.
	raw := h.idToken(app.GetClient(), "openid audience:server:client_id:pachyderm")
	_, err = h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: raw})
	pachdtest.Want(t, err, codes.PermissionDenied, "email_verified claim was false, and require_email_verified was set")
	if err := h.Issuer.Traces.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused := &pachpb.ListSignInTracesRequest{Result: pachpb.SignInTrace_REFUSED}
	traces, err := h.API.Pach.ListSignInTraces(h.Root(), refused)
	if err != nil || len(traces.GetTraces()) != 1 || traces.GetTraces()[0].GetConnector() == "" || traces.GetTraces()[0].GetUser() == "" ||
		!strings.Contains(traces.GetTraces()[0].GetError(), "require_email_verified") {
		t.Errorf("its trace: %v, %v", traces, err)
	}
	raw = h.idToken(app.GetClient(), "openid email audience:server:client_id:pachyderm")
	if _, err := h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: raw}); err != nil {
		t.Errorf("verified: %v", err)
	}
}
