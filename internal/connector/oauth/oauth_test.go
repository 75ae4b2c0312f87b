package oauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/oauth"
	"pachyderm/internal/fault"
)

// provider has OAuth 2.0 and an address that says who signed in.
type provider struct {
	*httptest.Server
	formOnly bool
	says     string // at the address; a URL to be redirected to instead
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/token":
		id, secret, basic := r.BasicAuth()
		if !basic || p.formOnly {
			id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
		}
		if id != "pach" || secret != "s3cret" || r.PostFormValue("code") != "the-code" || r.PostFormValue("code_verifier") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error": "invalid_client"}`))
			return
		}
		_, _ = w.Write([]byte(`{"access_token": "the-token", "token_type": "bearer"}`))
	case "/me":
		if r.Header.Get("Authorization") != "Bearer the-token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if strings.HasPrefix(p.says, "http") {
			http.Redirect(w, r, p.says, http.StatusFound)
			return
		}
		_, _ = w.Write([]byte(p.says))
	}
}

func start(t *testing.T, says string) (*provider, oauth.Config) {
	t.Helper()
	p := &provider{says: says}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p, oauth.Config{
		ClientID: "pach", ClientSecret: "s3cret", RedirectURI: "http://localhost:30658/callback", Scopes: []string{"user", "email"},
		AuthorizationURL: p.URL + "/authorize?tenant=x", TokenURL: p.URL + "/token", UserInfoURL: p.URL + "/me",
	}
}

func signIn(t *testing.T, c oauth.Config, query string) (dexconn.Identity, error) {
	t.Helper()
	conn, err := oauth.Open(c, document.Rules{Callback: c.RedirectURI, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	to, data, err := conn.LoginURL(dexconn.Scopes{}, c.RedirectURI, "the-state")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil || u.Query().Get("tenant") != "x" || u.Query().Get("scope") != "user email" ||
		u.Query().Get("code_challenge_method") != "S256" {
		t.Errorf("sent to %s, %v", to, err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.RedirectURI+"?"+query, nil)
	return conn.HandleCallback(dexconn.Scopes{Groups: true}, data, r)
}

const good = `{"id": 7, "email": "ann@example.com", "email_verified": true, "user_name": "Ann", "groups": ["a", {"name": "b"}, "a"]}`

func TestOAuthCallback(t *testing.T) {
	want := dexconn.Identity{UserID: "7", Email: "ann@example.com", EmailVerified: true, Username: "Ann", Groups: []string{"a", "b"}}
	for _, formOnly := range []bool{false, true} {
		p, c := start(t, good)
		p.formOnly = formOnly
		got, err := signIn(t, c, "state=the-state&code=the-code")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("secret in the form %v: %v\n%s", formOnly, err, diff)
		}
	}
	_, c := start(t, `{"sub": "x", "mail": "ann@example.com", "roles": []}`)
	c.UserIDKey, c.ClaimMapping.EmailKey, c.ClaimMapping.GroupsKey, c.InsecureSkipEmailVerified = "sub", "mail", "roles", true
	got, err := signIn(t, c, "state=the-state&code=the-code")
	if err != nil || got.UserID != "x" || got.Email != "ann@example.com" || got.Groups == nil || len(got.Groups) != 0 {
		t.Errorf("fields of other names: %+v, %v", got, err)
	}
	_, c = start(t, `{"id": "x", "email": "ann@example.com", "email_verified": true}`)
	c.ClaimMapping.UserNameKey, c.ClaimMapping.PreferredUsernameKey = "email", "email"
	got, err = signIn(t, c, "state=the-state&code=the-code")
	if err != nil || got.Email != "ann@example.com" || got.Username != got.Email || got.PreferredUsername != got.Email {
		t.Errorf("one field for all: %+v, %v", got, err)
	}
}

func TestOAuthCallback_Refused(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("asked another host, with %q", r.Header.Get("Authorization"))
		_, _ = fmt.Fprint(w, good)
	}))
	t.Cleanup(elsewhere.Close)
	const answer = "state=the-state&code=the-code"
	for name, test := range map[string]struct {
		says, query string
		change      func(*oauth.Config)
		kind        fault.Kind
	}{
		"another state":         {good, "state=other&code=the-code", nil, fault.Unauthenticated},
		"no state":              {good, "code=the-code", nil, fault.Unauthenticated},
		"no code":               {good, "state=the-state", nil, fault.Unauthenticated},
		"a refusal":             {good, "state=the-state&error=access_denied&error_description=no", nil, fault.Denied},
		"a wrong code":          {good, "state=the-state&code=x", nil, fault.Precondition},
		"a wrong secret":        {good, answer, func(c *oauth.Config) { c.ClientSecret = "x" }, fault.Precondition},
		"nobody there":          {good, answer, func(c *oauth.Config) { c.TokenURL = "http://127.0.0.1:1/" }, fault.Unavailable},
		"a redirect elsewhere":  {elsewhere.URL, answer, nil, fault.Precondition},
		"a metadata service":    {good, answer, func(c *oauth.Config) { c.UserInfoURL = "http://169.254.169.254/" }, fault.Precondition},
		"no JSON":               {"<html>", answer, nil, fault.Unauthenticated},
		"no id":                 {`{"email": "a@b.c", "email_verified": true}`, answer, nil, fault.Unauthenticated},
		"an address unverified": {`{"id": "x", "email": "a@b.c", "email_verified": false}`, answer, nil, fault.Denied},
		"verified, but as text": {`{"id": "x", "email": "a@b.c", "email_verified": "true"}`, answer, nil, fault.Denied},
		"an address as a list":  {`{"id": "x", "email": ["a@b.c"], "email_verified": true}`, answer, nil, fault.Unauthenticated},
		"groups as text": {
			`{"id": "x", "email": "a@b.c", "email_verified": true, "groups": "admins"}`, answer, nil, fault.Unauthenticated,
		},
		"a group without a name": {
			`{"id": "x", "email": "a@b.c", "email_verified": true, "groups": [{"id": 1}]}`, answer, nil, fault.Unauthenticated,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := start(t, test.says)
			if test.change != nil {
				test.change(&c)
			}
			got, err := signIn(t, c, test.query)
			if !fault.Is(err, test.kind) {
				t.Errorf("%+v, %v; want %s", got, err, test.kind)
			}
			if text, _ := json.Marshal(fault.Message(err)); strings.Contains(string(text), "s3cret") || strings.Contains(string(text), "the-token") {
				t.Errorf("a secret was told: %s", text)
			}
		})
	}
	_, config := start(t, "")
	config.InsecureSkipVerify = true
	if _, err := oauth.Open(config, document.Rules{Callback: config.RedirectURI}); fault.FieldOf(err) != "config.insecureSkipVerify" {
		t.Errorf("insecureSkipVerify: %v", err)
	}
}
