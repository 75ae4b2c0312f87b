package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/pachd/pachdtest"
)

// member is a pachd that uses another as its identity service.
func member(t *testing.T, service, h *env) *authpb.OIDCConfig {
	t.Helper()
	redirect := h.HTTP + "/authorization-code/callback"
	client, err := service.API.Identity.CreateOIDCClient(service.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
		Id: "member", Name: "member", RedirectUris: []string{redirect}, TrustedPeers: []string{"app"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := &authpb.OIDCConfig{
		Issuer: service.HTTP, ClientId: "member", ClientSecret: client.GetClient().GetSecret(), RedirectUri: redirect,
		Scopes: []string{"email", "profile", "groups", "openid"},
	}
	if err := h.configure(h.Root(), c); err != nil {
		t.Fatal(err)
	}
	return c
}

// arrive goes through the browser until the member asks whether it is they.
func (h *env) arrive() (b *optest.Browser, page optest.Page, state string) {
	h.t.Helper()
	start, err := h.API.Auth.GetOIDCLogin(h.t.Context(), &authpb.GetOIDCLoginRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	b = optest.NewBrowser(h.t, func(*url.URL) bool { return false })
	return b, b.SignIn(start.GetLoginUrl(), optest.Alice), start.GetState()
}

func TestFederation_OtherPachd(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		service := open(t)
		service.Connect()
		c := member(t, service, h)
		h.wantConfiguration(changed(c, func(c *authpb.OIDCConfig) { c.ClientSecret = "***" }))
		info, err := h.API.Pach.GetSignIn(t.Context(), &pachpb.GetSignInRequest{})
		if err != nil || !info.GetConnected() || info.GetIssuer() != service.HTTP || info.GetClientId() != "" {
			t.Errorf("sign-in information: %v, %v", info, err)
		}
		b, page, state := h.arrive()
		if page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), c.GetRedirectUri()) {
			t.Fatalf("ended at %s: %s", page.URL, page.Text())
		}
		waiting := h.Wait(state)
		b.Submit(page, map[string]string{"answer": "yes"})
		session := pachdtest.As(t.Context(), <-waiting)
		if who, err := h.WhoAmI(session); err != nil || who.GetUsername() != pachdtest.Alice {
			t.Fatalf("WhoAmI: %v, %v", who, err)
		}
		h.WantGroups(pachdtest.Alice, "group:admins", "group:engineers")
		if got := h.Users()[pachdtest.Alice].GetIdentities(); len(got) != 1 || got[0].GetIssuer() != service.HTTP {
			t.Errorf("identities here: %v", got)
		}

		// Another issuer ends what this one vouched for; when it is back its
		// people sign in again, and old sessions stay dead.
		if err := h.configure(h.Root(), nil); err != nil {
			t.Fatal(err)
		}
		_, err = h.WhoAmI(session)
		pachdtest.Want(t, err, codes.Unauthenticated)
		h.WantGroups(pachdtest.Alice)
		if err := h.configure(h.Root(), c); err != nil {
			t.Fatal(err)
		}
		b, page, state = h.arrive()
		waiting = h.Wait(state)
		b.Submit(page, map[string]string{"answer": "yes"})
		if who, err := h.WhoAmI(pachdtest.As(t.Context(), <-waiting)); err != nil || who.GetUsername() != pachdtest.Alice {
			t.Errorf("again: %v, %v", who, err)
		}
		_, err = h.WhoAmI(session)
		pachdtest.Want(t, err, codes.Unauthenticated)

		if _, err := h.API.Pach.SetUserEnabled(h.Root(), &pachpb.SetUserEnabledRequest{User: pachdtest.Alice}); err != nil {
			t.Fatal(err)
		}
		_, page, state = h.arrive()
		if !strings.Contains(page.Text(), "is disabled") {
			t.Errorf("disabled here: %s", page.Text())
		}
		_, err = h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{OidcState: state})
		pachdtest.Want(t, err, codes.Unauthenticated, "is disabled")
	})
}

func TestFederation_IDToken(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		service := open(t)
		service.mock()
		app, err := service.API.Identity.CreateOIDCClient(service.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
			Id: "app", Name: "app", RedirectUris: []string{"http://test.example.com/callback"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		member(t, service, h)
		raw := service.idToken(app.GetClient(), "openid email audience:server:client_id:member")
		res, err := h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: raw})
		if err != nil {
			t.Fatal(err)
		}
		who, err := h.WhoAmI(pachdtest.As(t.Context(), res.GetPachToken()))
		if err != nil || who.GetUsername() != "user:kilgore@kilgore.trout" || who.GetExpiration() == nil {
			t.Errorf("WhoAmI: %v, %v", who, err)
		}
		plain := service.idToken(app.GetClient(), "openid email")
		_, err = h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: plain})
		pachdtest.Want(t, err, codes.Unauthenticated, "could not verify token", `expected audience "member" got ["app"]`)
		head, rest, _ := strings.Cut(raw, ".")
		payload, _, _ := strings.Cut(rest, ".")
		_, err = h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: head + "." + payload + ".AAAA"})
		pachdtest.Want(t, err, codes.Unauthenticated, "could not verify token")
		h.Ahead(25 * time.Hour)
		_, err = h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: raw})
		pachdtest.Want(t, err, codes.Unauthenticated, "could not verify token: the ID token expired")
		// It means nothing where the service is not configured.
		other := open(t)
		_, err = other.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: raw})
		pachdtest.Want(t, err, codes.Unauthenticated, "could not verify token")
	})
}

// A secret that is kept must not be sent to another issuer.
func TestSetConfiguration_KeptSecretStaysWithItsIssuer(t *testing.T) {
	h := open(t)
	first, second := open(t), open(t)
	c := member(t, first, h)
	err := h.configure(h.Root(), changed(c, func(c *authpb.OIDCConfig) { c.Issuer, c.ClientSecret = second.HTTP, "***" }))
	pachdtest.Want(t, err, codes.InvalidArgument, "client_secret is ***")
	kept := changed(c, func(c *authpb.OIDCConfig) { c.ClientSecret, c.RequireEmailVerified = "***", true })
	if err := h.configure(h.Root(), kept); err != nil {
		t.Fatal(err)
	}
	first.Connect()
	if _, page, _ := h.arrive(); page.Status != http.StatusOK {
		t.Errorf("with the kept secret: %s", page.Text())
	}
	// Upstream's default is this pachd only with the word that it is.
	own := changed(first.Client(), func(c *authpb.OIDCConfig) { c.Issuer, c.LocalhostIssuer = "http://pachd:1658/", true })
	if err := first.configure(first.Root(), own); err != nil {
		t.Fatal(err)
	}
	err = first.configure(first.Root(), changed(own, func(c *authpb.OIDCConfig) { c.LocalhostIssuer, c.ClientSecret = false, "***" }))
	pachdtest.Want(t, err, codes.InvalidArgument, "client_secret is ***")
}
