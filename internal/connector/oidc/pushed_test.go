package oidc

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// What the browser carries is a reference, and the request is what it is without
// PAR.
func TestOIDCPushed_SameRequest(t *testing.T) {
	params := func(c *Config) { c.ForwardedLoginParams, c.AcrValues = []string{"login_hint"}, []string{"mfa"} }
	names := map[string][]string{}
	for name, misbehave := range map[string]func(*provider){"direct": nil, "pushed": pushOnly} {
		f := start(t, params, misbehave)
		f.login = url.Values{"login_hint": {"jane@example.com"}}
		who, err := f.signIn(dexconn.Scopes{OfflineAccess: true}, nil)
		if err != nil || who.UserID != "248289761001" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
		if f.asked.Get("login_hint") != "jane@example.com" || f.asked.Get("redirect_uri") != callbackURL || f.asked.Get("acr_values") != "mfa" {
			t.Errorf("%s: %v", name, f.asked)
		}
		names[name] = slices.Sorted(maps.Keys(f.asked))
	}
	if !slices.Equal(names["direct"], names["pushed"]) {
		t.Errorf("directly %v, pushed %v", names["direct"], names["pushed"])
	}
}

func TestOIDCPushed_OnRequest(t *testing.T) {
	announced := func(p *provider) {
		p.discovery = set(map[string]any{"pushed_authorization_request_endpoint": p.URL + "/par"})
	}
	for _, wanted := range []bool{false, true} {
		f := start(t, func(c *Config) { c.PushedAuthorizationRequests = wanted }, announced)
		to, _, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
		if err != nil || strings.Contains(to, "request_uri") != wanted || strings.Contains(to, "the-state") == wanted {
			t.Errorf("pushedAuthorizationRequests: %v: %s, %v", wanted, to, err)
		}
	}
}

// A client that is registered for the form is learnt here as at the token endpoint.
func TestOIDCPushed_SecretInTheForm(t *testing.T) {
	f := start(t, nil, pushOnly)
	f.handle["/par"] = func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("client_secret") != clientSecret || r.PostFormValue("client_id") != clientID {
			f.refuse(w, http.StatusUnauthorized, "invalid_client")
			return
		}
		r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(clientSecret))
		f.takePushed(w, r)
	}
	if _, err := f.signIn(dexconn.Scopes{}, nil); err != nil || !strings.Contains(fmt.Sprint(f.asked), "client_secret") {
		t.Errorf("%v", err)
	}
}

func TestOIDCPushed_Refused(t *testing.T) {
	answer := func(status int, body map[string]any) func(*provider) {
		return func(p *provider) {
			p.handle["/par"] = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_ = json.NewEncoder(w).Encode(body) // of which not all need be read
			}
		}
	}
	handler := func(h http.HandlerFunc) func(*provider) { return func(p *provider) { p.handle["/par"] = h } }
	document := func(values map[string]any) func(*provider) {
		return func(p *provider) { p.discovery = set(values) }
	}
	for name, c := range map[string]struct {
		misbehave func(*provider)
		kind      fault.Kind
		want      string
	}{
		"no endpoint": {
			document(map[string]any{"require_pushed_authorization_requests": true}), fault.Precondition,
			"no pushed_authorization_request_endpoint: have the provider publish it",
		},
		"an endpoint that is none": {
			document(map[string]any{"require_pushed_authorization_requests": true, "pushed_authorization_request_endpoint": "javascript:1"}),
			fault.Unauthenticated, "not a valid http or https address",
		},
		"another client":           {answer(http.StatusUnauthorized, map[string]any{"error": "invalid_client"}), fault.Precondition, "refused our client ID or secret"},
		"another client by status": {answer(http.StatusUnauthorized, nil), fault.Precondition, "refused our client ID or secret"},
		"another callback": {
			answer(http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": "redirect_uri mismatch"}), fault.Precondition,
			`(HTTP status 400, invalid_request), saying "redirect_uri mismatch": register the callback ` + callbackURL,
		},
		"a scope": {
			answer(http.StatusBadRequest, map[string]any{"error": "invalid_scope", "error_description": "no\n" + strings.Repeat("x", 9000)}), fault.Precondition,
			`invalid_scope), saying "no ` + strings.Repeat("x", 197) + `...": compare clientID, redirectURI and scopes`,
		},
		"JAR": {
			answer(http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": mustSign}), fault.Precondition,
			"set require_signed_request_object to false at the provider",
		},
		"an error with status 201": {answer(http.StatusCreated, map[string]any{"error": "server_error", "request_uri": "urn:x"}), fault.Precondition, "(HTTP status 201, server_error)"},
		"an outage":                {answer(http.StatusServiceUnavailable, nil), fault.Unavailable, "has a problem taking pushed authorization requests (HTTP status 503)"},
		"a page":                   {handler(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }), fault.Unauthenticated, "not valid JSON"},
		"nothing":                  {answer(http.StatusCreated, map[string]any{}), fault.Unauthenticated, "no request_uri"},
		"a long request_uri": {
			answer(http.StatusCreated, map[string]any{"request_uri": "urn:" + strings.Repeat("x", 2<<10)}), fault.Unauthenticated, "2052 bytes long, at most 2048 are taken",
		},
		"no URI":        {answer(http.StatusCreated, map[string]any{"request_uri": "just-a-word"}), fault.Unauthenticated, `request_uri is "just-a-word", which is not a URI`},
		"other letters": {answer(http.StatusCreated, map[string]any{"request_uri": "urn:x of émile"}), fault.Unauthenticated, "which is not a URI"},
		"much too much": {answer(http.StatusCreated, map[string]any{"request_uri": strings.Repeat("x", 10<<20)}), fault.Unauthenticated, "larger than 1 MiB"},
		"a redirect": {handler(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example.com/par", http.StatusTemporaryRedirect)
		}), fault.Precondition, "redirects from its pushed authorization request endpoint to https://elsewhere.example.com/par, which is not followed"},
		"what was sent": {handler(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			description := clientSecret + r.PostFormValue("nonce") + r.PostFormValue("state")
			_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_request", "error_description": description})
		}), fault.Precondition, "*********"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil, pushOnly)
			c.misbehave(f.provider)
			f.conn.auth.HTTP = fetch.New(nil, 5*time.Second)
			to, data, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
			if err == nil || !strings.Contains(fault.Message(err), c.want) || fault.KindOf(err) != c.kind || to != "" {
				t.Fatalf("%s %q: %v\nwant %q: %s", to, fault.KindOf(err), err, c.kind, c.want)
			}
			if strings.Contains(err.Error(), "the-state") || strings.Contains(string(data), clientSecret) {
				t.Errorf("it tells: %v", err)
			}
			f.quiet(err)
		})
	}
}

// Whose request_uri it is, is between the browser and the provider: we hand it
// back and do not open it.
func TestOIDCPushed_ForeignRequestURI(t *testing.T) {
	f := start(t, nil, pushOnly)
	f.handle["/par"] = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		f.send(w, map[string]any{"request_uri": f.URL + "/of-another&client_id=evil&redirect_uri=https://evil.test"}, nil)
	}
	f.handle["/of-another"] = func(http.ResponseWriter, *http.Request) { t.Error("it was opened") }
	to, _, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); !strings.HasPrefix(to, f.URL+"/authorize?") || len(q) != 3 || len(q["client_id"]) != 1 || q.Get("client_id") != clientID {
		t.Errorf("it leads to %s", to)
	}
}
