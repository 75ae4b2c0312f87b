package issuer_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/principal"
)

// mock adds a connector that asks nobody outside.
func (h *env) mock(id string, config map[string]any) {
	h.t.Helper()
	with := map[string]any{"username": id, "password": id + "-password"}
	for k, v := range config {
		with[k] = v
	}
	h.create(registry.Connector{ID: id, Name: strings.ToUpper(id[:1]) + id[1:], Type: "mockPassword", Config: with})
}

// asksFor reports whether a page asks for the password of a connector.
func asksFor(page optest.Page, connector string) bool {
	return strings.Contains(page.Body, `action="/auth/`+connector+`/login?`)
}

func TestHomeRealm_RemembersAndSkipsForOne(t *testing.T) {
	h := open(t, "")
	h.mock("one", map[string]any{"emailDomains": []any{"one.example.com"}})
	if page := h.browser().Get(h.authURL(nil)); !asksFor(page, "one") {
		t.Errorf("one connector, and the person is asked at %s", page.URL)
	}
	h.mock("two", nil)
	b := h.browser()
	if page := b.Get(h.authURL(map[string]string{"login_hint": "ann@one.example.com"})); !asksFor(page, "one") {
		t.Errorf("a person of one's domain is at %s: %s", page.URL, page.Text())
	}
	b = h.browser()
	if page := b.Get(h.authURL(map[string]string{"login_hint": "ann@else.example.com"})); !strings.Contains(page.Text(), "No provider is known for else.example.com") {
		t.Errorf("a person of another domain is at %s: %s", page.URL, page.Text())
	}
	if page := b.Get(h.authURL(nil)); strings.Contains(page.Text(), "last time") {
		t.Errorf("a new browser: %s", page.Text())
	}
	b.Get(h.authURL(map[string]string{"connector_id": "two"}))
	page := b.Get(h.authURL(nil)).Text()
	if two, one := strings.Index(page, "Two"), strings.Index(page, "One"); !strings.Contains(page, "You chose this last time") || two < 0 || two > one {
		t.Errorf("after the second was taken: %s", page)
	}
}

// A client's list of connectors is held against each of its grants, not only
// where the login begins.
func TestHomeRealm_AllowedConnectors(t *testing.T) {
	h := open(t, "/dex")
	h.connect(nil)
	h.mock("other", nil)
	client, err := h.Registry.CreateClient(t.Context(), principal.Root, oidcclient.Client{ID: "dashboard", Name: "Dashboard", RedirectURIs: []string{loopback}, AllowedConnectors: []string{"demo"}})
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]string{"client_id": "dashboard", "scope": "openid email offline_access"}
	if page := h.browser().Get(h.authURL(params)); page.URL.Host == strings.TrimPrefix(h.server.HTTP, "http://") {
		t.Errorf("one of two is allowed, and the person is asked at %s: %s", page.URL, page.Text())
	}
	direct := strings.Replace(h.authURL(params), "/auth?", "/auth/other?", 1)
	wantEnd(t, h.browser().Get(direct), map[string]string{"error": "access_denied", "error_description": "may not be used with"})

	grant := func(form url.Values) (int, map[string]any) {
		form.Set("client_id", client.ID)
		form.Set("client_secret", client.Secret)
		return h.post("/token", form)
	}
	restrict := func(ids ...string) {
		t.Helper()
		if err := h.Registry.UpdateClient(t.Context(), principal.Root, oidcclient.Client{ID: client.ID, AllowedConnectors: ids}); err != nil {
			t.Fatal(err)
		}
	}
	signIn := func() url.Values {
		end := h.browser().SignIn(h.authURL(params), optest.Alice)
		return url.Values{"grant_type": {"authorization_code"}, "code": {end.URL.Query().Get("code")}, "redirect_uri": {loopback}, "code_verifier": {verifier}}
	}
	code := signIn()
	restrict("other")
	if status, answer := grant(code); status == http.StatusOK {
		t.Errorf("a code of a connector that is no longer allowed: %v", answer)
	}
	restrict("demo")
	status, answer := grant(signIn())
	refresh, _ := answer["refresh_token"].(string)
	if status != http.StatusOK || refresh == "" {
		t.Fatalf("allowed again: %d %v", status, answer)
	}
	restrict("other")
	if status, answer := grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}); status == http.StatusOK {
		t.Errorf("a refresh token of a connector that is no longer allowed: %v", answer)
	}
	restrict("demo")
	if status, answer := grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}); status != http.StatusOK {
		t.Errorf("allowed again: %d %v", status, answer)
	}
	if _, err := h.Registry.CreateClient(t.Context(), principal.Root, oidcclient.Client{ID: "x", Name: "X", AllowedConnectors: []string{"nosuch"}}); err == nil {
		t.Error("a connector that is not there was allowed")
	}
}
