package issuer_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pachyderm/demo/op/optest"
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

func TestHomeRealm_ByDomain(t *testing.T) {
	h := open(t, "/dex")
	h.mock("one", map[string]any{"emailDomains": []any{"one.example.com", "Müller.example"}})
	h.mock("two", map[string]any{"emailDomains": []any{"two.example.com", "shared.example.com"}})
	h.mock("three", map[string]any{"emailDomains": []any{"shared.example.com"}})
	for name, test := range map[string]struct {
		params map[string]string
		leads  string // to this connector's sign-in, or
		asks   string // the page asks, and says this
	}{
		"nothing known":         {asks: "Choose how to sign in"},
		"their address":         {params: map[string]string{"login_hint": "ann@one.example.com"}, leads: "one"},
		"in capitals":           {params: map[string]string{"login_hint": "Ann@ONE.Example.Com"}, leads: "one"},
		"beyond ASCII":          {params: map[string]string{"login_hint": "ann@müller.example"}, leads: "one"},
		"a domain below theirs": {params: map[string]string{"login_hint": "ann@evil.one.example.com"}, asks: "No provider is known for evil.one.example.com"},
		"a domain with a tail":  {params: map[string]string{"login_hint": "ann@one.example.com.evil.example"}, asks: "No provider is known for"},
		"a hint of the domain":  {params: map[string]string{"domain_hint": "two.example.com"}, leads: "two"},
		"no address":            {params: map[string]string{"login_hint": "ann"}, asks: "Choose how to sign in"},
		"a domain of two":       {params: map[string]string{"login_hint": "ann@shared.example.com"}, asks: "Choose how to sign in"},
		"a name":                {params: map[string]string{"connector_id": "three", "login_hint": "ann@one.example.com"}, leads: "three"},
		"an unknown name":       {params: map[string]string{"connector_id": "four"}, asks: "Choose how to sign in"},
	} {
		t.Run(name, func(t *testing.T) {
			page := h.browser().Get(h.authURL(test.params))
			if test.leads != "" && !strings.HasPrefix(page.URL.Path, "/dex/auth/"+test.leads+"/login") {
				t.Errorf("led to %s: %s", page.URL, page.Text())
			}
			if test.asks != "" && (page.URL.Path != "/dex/auth" || !strings.Contains(page.Text(), test.asks)) {
				t.Errorf("at %s: %s", page.URL, page.Text())
			}
		})
	}
}

func TestHomeRealm_RemembersAndSkipsForOne(t *testing.T) {
	h := open(t, "")
	h.mock("one", nil)
	if page := h.browser().Get(h.authURL(nil)); !strings.HasPrefix(page.URL.Path, "/auth/one/login") {
		t.Errorf("one connector, and the person is asked at %s", page.URL)
	}
	h.mock("two", nil)
	b := h.browser()
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
	client, err := h.Registry.CreateClient(t.Context(), principal.Root, registry.Client{ID: "dashboard", Name: "Dashboard", RedirectURIs: []string{loopback}, AllowedConnectors: []string{"demo"}})
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
		if err := h.Registry.UpdateClient(t.Context(), principal.Root, registry.Client{ID: client.ID, AllowedConnectors: ids}); err != nil {
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
	if _, err := h.Registry.CreateClient(t.Context(), principal.Root, registry.Client{ID: "x", Name: "X", AllowedConnectors: []string{"nosuch"}}); err == nil {
		t.Error("a connector that is not there was allowed")
	}
}
