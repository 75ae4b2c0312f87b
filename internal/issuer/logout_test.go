package issuer_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/principal"
)

// application is a relying party of which people are signed out: a real HTTP
// server, which takes logout tokens as Back-Channel Logout, 2.6, has it.
type application struct {
	*env
	oidcclient.Client
	redirect string
	heard    chan map[string]any // claims of logout tokens
	status   chan int            // what it answers next; 200 if there is none
}

func (h *env) application(public bool) *application {
	h.t.Helper()
	a := &application{env: h, redirect: "http://127.0.0.1:7/app", heard: make(chan map[string]any, 8), status: make(chan int, 8)}
	server := httptest.NewServer(a)
	h.t.Cleanup(server.Close)
	at := server.URL + "/logged-out"
	var err error
	a.Client, err = h.Registry.CreateClient(h.t.Context(), principal.Root, oidcclient.Client{
		ID: "app", Name: "An app", RedirectURIs: []string{a.redirect}, Public: public, PKCE: oidcclient.PKCERequired,
		PostLogoutRedirectURIs: []string{"http://127.0.0.1:7/bye?from=pach"}, LogoutURI: &at,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case status := <-a.status:
		w.WriteHeader(status)
		return
	default:
	}
	provider, err := oidc.NewProvider(r.Context(), a.URL())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	t, err := provider.Verifier(&oidc.Config{ClientID: a.ID, Now: a.server.Now}).Verify(r.Context(), r.PostFormValue("logout_token"))
	claims := map[string]any{}
	if err == nil {
		err = t.Claims(&claims)
	}
	if err != nil || r.Method != http.MethodPost {
		a.t.Errorf("a logout token that is not good: %v", err)
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	a.heard <- claims
}

// signIn is alice's, and what the application has of it.
func (a *application) signIn(scope string) (tokens map[string]any, claims map[string]any) {
	a.t.Helper()
	end := a.browser().SignIn(a.authURL(map[string]string{"client_id": a.ID, "redirect_uri": a.redirect, "scope": scope}), optest.Alice)
	return a.redeemed(end.URL.Query().Get("code"))
}

func (a *application) redeemed(code string) (tokens map[string]any, claims map[string]any) {
	a.t.Helper()
	status, tokens := a.ask("/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.redirect}, "code_verifier": {verifier},
	})
	if status != http.StatusOK {
		a.t.Fatalf("the code: %d %v", status, tokens)
	}
	c, err := a.Verify(a.t.Context(), tokens["id_token"].(string))
	if err == nil {
		err = c.Claims(&claims)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return tokens, claims
}

// ask is a request of the application's own.
func (a *application) ask(path string, form url.Values) (int, map[string]any) {
	a.t.Helper()
	form.Set("client_id", a.ID)
	if a.Secret != "" {
		form.Set("client_secret", a.Secret)
	}
	res, err := http.PostForm(a.Endpoint(path), form)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer := map[string]any{}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil && path != "/revoke" {
		a.t.Fatal(err)
	}
	return res.StatusCode, answer
}

func (a *application) refreshes(raw any) bool {
	a.t.Helper()
	status, answer := a.ask("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {raw.(string)}})
	if status != http.StatusOK && answer["error"] != "invalid_grant" {
		a.t.Errorf("a refresh: %d %v", status, answer)
	}
	return status == http.StatusOK
}

// hears waits for the logout of a sign-in.
func (a *application) hears(claims map[string]any) {
	a.t.Helper()
	heard := <-a.heard
	events, _ := heard["events"].(map[string]any)
	if heard["sid"] != claims["sid"] || heard["sub"] != claims["sub"] || events["http://schemas.openid.net/event/backchannel-logout"] == nil ||
		heard["jti"] == nil || heard["nonce"] != nil {
		a.t.Errorf("heard %v; want the logout of %v", heard, claims)
	}
}

const offline = "openid email offline_access"

func TestLogout_WhoIsDisabledLeavesApplications(t *testing.T) {
	h := open(t, "/dex")
	h.connect(nil)
	app := h.application(false)
	tokens, claims := app.signIn(offline)
	_, again := app.signIn("openid")
	app.status <- http.StatusBadGateway // an application that is down is told again
	if err := h.server.SetEnabled("user:alice@example.com", false); err != nil {
		t.Fatal(err)
	}
	first := <-app.heard
	h.server.Ahead(5 * time.Second)
	second := app.heardAfter()
	if first["sid"] == second["sid"] || (first["sid"] != claims["sid"] && first["sid"] != again["sid"]) {
		t.Errorf("heard %v and %v", first, second)
	}
	if app.refreshes(tokens["refresh_token"]) {
		t.Error("the refresh token is good")
	}
	if err := h.server.SetEnabled("user:alice@example.com", true); err != nil {
		t.Fatal(err)
	}
	if app.refreshes(tokens["refresh_token"]) {
		t.Error("the refresh token is good again")
	}
}

func TestLogout_ByTheApplication(t *testing.T) {
	h := open(t, "/dex")
	h.connect(nil)
	app := h.application(false)
	for name, c := range map[string]struct {
		change map[string]string
		at     string // where the browser is in the end
		page   string // or what it shows
		ends   bool
	}{
		"back to the application": {map[string]string{"state": "x"}, "http://127.0.0.1:7/bye?from=pach&state=x", "", true},
		"and stay":                {map[string]string{"post_logout_redirect_uri": ""}, "", "You are signed out", true},
		"to where it may not":     {map[string]string{"post_logout_redirect_uri": "http://evil.example.com/"}, "", "not registered", true},
		"of another client":       {map[string]string{"client_id": "pachctl"}, "", "did not say which", false},
		"a forged token":          {map[string]string{"id_token_hint": "e30.e30.e30"}, "", "did not say which", false},
		"without token":           {map[string]string{"id_token_hint": "", "client_id": "app"}, "http://127.0.0.1:7/bye?from=pach", "", false},
		"without anything":        {map[string]string{"id_token_hint": "", "post_logout_redirect_uri": ""}, "", "keeps nobody signed in", false},
	} {
		tokens, claims := app.signIn(offline)
		q := url.Values{"id_token_hint": {tokens["id_token"].(string)}, "post_logout_redirect_uri": {"http://127.0.0.1:7/bye?from=pach"}}
		for key, value := range c.change {
			q.Set(key, value)
			if value == "" {
				q.Del(key)
			}
		}
		page := h.browser().Get(h.Endpoint("/logout") + "?" + q.Encode())
		if c.at != "" && page.URL.String() != c.at || !strings.Contains(page.Text(), c.page) {
			t.Errorf("%s: at %s: %s", name, page.URL, page.Text())
		}
		if c.ends {
			app.hears(claims)
		}
		if app.refreshes(tokens["refresh_token"]) == c.ends {
			t.Errorf("%s: the sign-in ends: %v", name, !c.ends)
		}
	}
	tokens, claims := app.signIn(offline)
	h.server.Ahead(48 * time.Hour) // an ID token that has expired still says which sign-in it was of
	h.browser().Get(h.Endpoint("/logout") + "?" + url.Values{"id_token_hint": {tokens["id_token"].(string)}}.Encode())
	app.hears(claims)
}

func TestRevocation_EndsTheSignIn(t *testing.T) {
	h := open(t, "/dex")
	h.connect(nil)
	app := h.application(true)
	for _, kind := range []string{"refresh_token", "access_token"} {
		tokens, claims := app.signIn(offline)
		other := url.Values{"token": {tokens[kind].(string)}, "client_id": {"pachctl"}}
		res, err := http.PostForm(h.Endpoint("/revoke"), other)
		if err != nil || res.StatusCode != http.StatusOK || res.Body.Close() != nil {
			t.Errorf("another client: %v, %v", res, err)
		}
		for _, made := range []string{"x", "pach_refresh_A_B", tokens["id_token"].(string)} {
			if status, _ := app.ask("/revoke", url.Values{"token": {made}}); status != http.StatusOK {
				t.Errorf("%s: %d", made, status)
			}
		}
		next, answer := app.ask("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}})
		if next != http.StatusOK {
			t.Fatalf("the sign-in has ended too early: %v", answer)
		}
		if status, _ := app.ask("/revoke", url.Values{"token": {tokens[kind].(string)}}); status != http.StatusOK {
			t.Errorf("%s: %d", kind, status)
		}
		app.hears(claims)
		if app.refreshes(answer["refresh_token"]) {
			t.Errorf("%s: the sign-in goes on", kind)
		}
	}
	if status, answer := app.ask("/revoke", url.Values{}); status != http.StatusBadRequest || answer["error"] != "invalid_request" {
		t.Errorf("no token: %d %v", status, answer)
	}
	if status, answer := app.ask("/introspect", url.Values{"token": {"x"}}); status != http.StatusUnauthorized || answer["error"] != "invalid_client" {
		t.Errorf("a public client asks about tokens: %d %v", status, answer)
	}
}

func TestIntrospection_OnlyWhatWorksAndToWhomItConcerns(t *testing.T) {
	h := open(t, "/dex")
	h.connect(nil)
	app := h.application(false)
	api, err := h.Registry.CreateClient(t.Context(), principal.Root, oidcclient.Client{
		ID: "api", Name: "An API", RedirectURIs: []string{"http://127.0.0.1:7/api"}, TrustedPeers: []string{"app"},
	})
	if err != nil {
		t.Fatal(err)
	}
	other, err := h.Registry.CreateClient(t.Context(), principal.Root, oidcclient.Client{ID: "other", Name: "O", RedirectURIs: []string{"http://127.0.0.1:7/o"}})
	if err != nil {
		t.Fatal(err)
	}
	tokens, claims := app.signIn(offline)
	as := func(c oidcclient.Client) *application { return &application{env: h, Client: c} }
	for _, kind := range []string{"access_token", "refresh_token"} {
		ask := func(by *application) map[string]any {
			t.Helper()
			status, answer := by.ask("/introspect", url.Values{"token": {tokens[kind].(string)}})
			if status != http.StatusOK {
				t.Errorf("%d %v", status, answer)
			}
			return answer
		}
		for _, by := range []*application{app, as(api)} {
			got := ask(by)
			if got["active"] != true || got["client_id"] != "app" || got["sub"] != claims["sub"] || got["username"] != "alice@example.com" || got["scope"] != offline {
				t.Errorf("%s to %s: %v", kind, by.ID, got)
			}
		}
		if got := ask(as(other)); got["active"] != false || len(got) != 1 {
			t.Errorf("%s to another: %v", kind, got)
		}
		if err := h.server.SetEnabled("user:alice@example.com", false); err != nil {
			t.Fatal(err)
		}
		if got := ask(app); got["active"] != false || len(got) != 1 {
			t.Errorf("%s of somebody who is disabled: %v", kind, got)
		}
		if err := h.server.SetEnabled("user:alice@example.com", true); err != nil {
			t.Fatal(err)
		}
		tokens, _ = app.signIn(offline)
	}
	nameless, _ := app.signIn("openid")
	if _, got := app.ask("/introspect", url.Values{"token": {nameless["access_token"].(string)}}); got["active"] != true || got["username"] != nil {
		t.Errorf("without the scope email: %v", got)
	}
	if status, answer := app.ask("/introspect", url.Values{"token": {tokens["id_token"].(string)}}); status != http.StatusOK || answer["active"] != false {
		t.Errorf("an ID token: %d %v", status, answer)
	}
	h.server.Ahead(11 * time.Minute)
	if _, answer := app.ask("/introspect", url.Values{"token": {tokens["access_token"].(string)}}); answer["active"] != false {
		t.Errorf("an expired access token: %v", answer)
	}
	if status, _ := h.post("/introspect", url.Values{"token": {"x"}, "client_id": {"app"}, "client_secret": {"wrong"}}); status != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %d", status)
	}
}

func TestDiscovery_NamesWhatIsServed(t *testing.T) {
	h := open(t, "/dex")
	var doc map[string]any
	page := h.browser().Get(h.Endpoint("/.well-known/openid-configuration"))
	if err := json.Unmarshal([]byte(page.Body), &doc); err != nil {
		t.Fatal(err)
	}
	for key, path := range map[string]string{"revocation_endpoint": "/revoke", "introspection_endpoint": "/introspect", "end_session_endpoint": "/logout"} {
		if doc[key] != h.Endpoint(path) {
			t.Errorf("%s is %v", key, doc[key])
		}
	}
	if doc["backchannel_logout_supported"] != true || doc["backchannel_logout_session_supported"] != true || doc["request_uri_parameter_supported"] != false {
		t.Errorf("%v", doc)
	}
}

// heardAfter wakes the sender, whose timer runs by the real clock, until something
// is heard: when the attempt before is put down, nobody can see.
func (a *application) heardAfter() map[string]any {
	a.t.Helper()
	for {
		a.server.Update(func(tx *db.Tx) error { return tx.Changed(a.t.Context(), "logout", "") })
		select {
		case heard := <-a.heard:
			return heard
		case <-time.After(10 * time.Millisecond):
		}
	}
}
