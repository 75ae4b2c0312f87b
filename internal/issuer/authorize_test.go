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

// What will not work is said before the person chooses and signs in for nothing.
func TestAuthorize_RefusedBeforeThePersonChooses(t *testing.T) {
	h := open(t, "/dex")
	h.connect(nil)
	second := h.document(nil)
	second.ID, second.Name = "second", "Second"
	if err := h.Registry.CreateConnector(t.Context(), registry.Operator(), second); err != nil {
		t.Fatal(err)
	}
	if page := h.browser().Get(h.authURL(nil)); !strings.Contains(page.Text(), "Second") {
		t.Fatalf("nothing to choose: %s", page.Text())
	}
	for name, c := range map[string]struct {
		parameter, value, want, description string
	}{
		"prompt=none":            {"prompt", "none", "login_required", "asked"},
		"an unknown mode":        {"response_mode", "fragment", "invalid_request", "query or form_post"},
		"an unknown scope":       {"scope", "openid phone", "invalid_scope", "openid"},
		"no openid":              {"scope", "email", "invalid_scope", "openid is missing"},
		"a peer that does not":   {"scope", "openid audience:server:client_id:nobody", "invalid_scope", "does not trust"},
		"another response type":  {"response_type", "code id_token", "unsupported_response_type", "response_type=code"},
		"no response type":       {"response_type", "", "unsupported_response_type", "response_type=code"},
		"PKCE by another method": {"code_challenge_method", "plain", "invalid_request", "S256"},
		"no PKCE":                {"code_challenge", "", "invalid_request", "PKCE is required"},
		"a request object":       {"request", "e30.e30.", "request_not_supported", "parameters"},
		"a request by reference": {"request_uri", "https://x.example.com/", "request_uri_not_supported", "parameters"},
		"a connector of no name": {"connector_id", "nosuch", "invalid_request", `"nosuch" is not connected`},
	} {
		end := h.browser().Get(h.authURL(map[string]string{c.parameter: c.value}))
		wantEnd(t, end, map[string]string{"error": c.want, "error_description": c.description, "state": "the-state", "iss": h.URL()})
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func TestAuthorize_FormPost(t *testing.T) {
	h := open(t, "/dex")
	h.connect(nil)
	h.mock("table", nil)
	redirect := "http://127.0.0.1:7/app?tenant=a"
	app, err := h.Registry.CreateClient(t.Context(), principal.Root, oidcclient.Client{ID: "app", Name: "An app", RedirectURIs: []string{redirect}})
	if err != nil {
		t.Fatal(err)
	}
	start := func(more ...string) string {
		all := map[string]string{"client_id": app.ID, "redirect_uri": redirect, "response_mode": "form_post"}
		for n := 0; n < len(more); n += 2 {
			all[more[n]] = more[n+1]
		}
		return h.authURL(all)
	}
	b := h.browser()
	for name, page := range map[string]optest.Page{
		"by a provider": h.browser().SignIn(start("connector_id", "demo"), optest.Alice),
		"by a password": b.Submit(b.Get(start("connector_id", "table")), map[string]string{"login": "table", "password": "table-password"}),
	} {
		action, form := page.Form()
		if page.Status != http.StatusOK || action != redirect || form.Get("code") == "" || form.Get("state") != "the-state" ||
			form.Get("iss") != h.URL() || form.Has("tenant") || !strings.Contains(page.Text(), "An app") {
			t.Fatalf("%s: %d at %s: %s %v, %s", name, page.Status, page.URL, action, form, page.Text())
		}
		if policies := page.Header.Values("Content-Security-Policy"); len(policies) != 2 || policies[1] != "form-action http://127.0.0.1:7" {
			t.Errorf("%s: policies %q", name, policies)
		}
		status, answer := h.post("/token", url.Values{
			"grant_type": {"authorization_code"}, "client_id": {app.ID}, "client_secret": {app.Secret}, "code": {form.Get("code")},
			"redirect_uri": {redirect}, "code_verifier": {verifier},
		})
		if status != http.StatusOK {
			t.Errorf("%s: the code: %d %v", name, status, answer)
		}
	}
	for name, c := range map[string]struct{ u, want string }{
		"a refused request": {start("scope", "openid phone"), "invalid_scope"},
		"a refused sign-in": {start("connector_id", "nosuch"), "invalid_request"},
	} {
		action, form := h.browser().Get(c.u).Form()
		if action != redirect || form.Get("error") != c.want || form.Get("state") != "the-state" || form.Get("error_description") == "" {
			t.Errorf("%s: %s %v", name, action, form)
		}
	}
}
