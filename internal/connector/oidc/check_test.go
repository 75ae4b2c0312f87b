package oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/connector/probe"
)

// Answers of panva's oidc-provider 9 to clients that must push or sign their
// requests.
const (
	mustPush = "Pushed Authorization Request must be used"
	mustSign = "Request Object must be used by this client"
)

func TestOIDCCheck_Demands(t *testing.T) {
	back := func(description string) func(*provider) {
		return func(p *provider) {
			p.handle["/authorize"] = func(w http.ResponseWriter, r *http.Request) {
				answer := url.Values{"error": {"invalid_request"}, "error_description": {description}, "state": {r.URL.Query().Get("state")}}
				http.Redirect(w, r, callbackURL+"?"+answer.Encode(), http.StatusFound)
			}
		}
	}
	doc := func(m map[string]any) func(*provider) { return func(p *provider) { p.discovery = set(m) } }
	groups := func(c *Config) { c.InsecureEnableGroups = true }
	for name, c := range map[string]struct {
		change    func(*Config)
		misbehave func(*provider)
		step      string
		status    probe.Status
		result    string
		remedy    string
	}{
		"PAR without endpoint": {
			nil, doc(map[string]any{"require_pushed_authorization_requests": true}), probe.Discovery, probe.Failed,
			"has no pushed_authorization_request_endpoint", "have the provider publish it (PAR, RFC 9126)",
		},
		"PAR announced": {nil, pushOnly, probe.Callback, probe.OK, "the provider sends people back to " + callbackURL, ""},
		"JAR announced": {
			nil, doc(map[string]any{"require_signed_request_object": true}), probe.Support, probe.Failed,
			"accepts only signed request objects (JAR", "set require_signed_request_object to false",
		},
		"secrets too": {
			nil, doc(map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt", "client_secret_post"}}), probe.Support,
			probe.Warning, "does not announce: PKCE (S256)", "nothing, if it supports them unannounced",
		},
		"a revocation endpoint that is none": {
			nil, func(p *provider) {
				p.discovery = set(map[string]any{"revocation_endpoint": strings.Replace(p.URL, "http://", "http://somebody@", 1) + "/revoke"})
				p.handle["/token"] = func(w http.ResponseWriter, _ *http.Request) { p.refuse(w, http.StatusBadRequest, "invalid_grant") }
				p.handle["/revoke"] = func(http.ResponseWriter, *http.Request) { p.t.Error("the secret went there") }
			}, probe.Credentials, probe.Skipped, "the same whatever", "",
		},
		"PAR of this client": {
			nil, back(mustPush), probe.Callback, probe.Failed, `(invalid_request), saying "` + mustPush + `"`,
			"set pushedAuthorizationRequests to true",
		},
		"JAR of this client": {
			nil, back(mustSign), probe.Callback, probe.Failed, `(invalid_request), saying "` + mustSign + `"`,
			"set require_signed_request_object to false",
		},
		"another reason": {
			nil, back("no\n" + strings.Repeat("x", 300)), probe.Callback, probe.Failed, `saying "no ` + strings.Repeat("x", 197) + `..."`,
			"compare the client's grant types and scopes",
		},
		"no scope for groups": {
			groups, doc(map[string]any{"scopes_supported": []string{"openid"}}), probe.Support, probe.Warning, "refresh tokens, groups",
			"the scope groups is not requested, since the provider does not list it: add it to scopes",
		},
		"a scope for groups": {groups, nil, probe.Support, probe.Warning, "does not announce: PKCE (S256)", "nothing, if"},
		"a scope for groups by hand": {
			func(c *Config) { c.InsecureEnableGroups, c.Scopes = true, []string{"groups"} },
			doc(map[string]any{"scopes_supported": []string{"openid", "offline_access"}}), probe.Support, probe.Warning,
			"does not announce: PKCE (S256)", "nothing, if",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, c.change, c.misbehave)
			r := probe.New(time.Now)
			f.conn.Check(t.Context(), r)
			for _, s := range r.Steps {
				if s.Name != c.step {
					continue
				}
				if s.Status != c.status || !strings.Contains(s.Result, c.result) || !strings.HasPrefix(s.Remedy, c.remedy) {
					t.Errorf("%s: %q, %q\nwant %s: %q, %q", s.Status, s.Result, s.Remedy, c.status, c.result, c.remedy)
				}
				return
			}
			t.Errorf("no step %s in %+v", c.step, r.Steps)
		})
	}
}
