package connector_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// shape is a provider that answers as the maker's documentation says; the token
// endpoints want the code and the secret, the others the token.
type shape map[string]func(base string) any // by method and path

func (s shape) start(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for pattern, answer := range s {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			_, secret, basic := r.BasicAuth()
			if strings.Contains(pattern, "token") {
				if r.FormValue("code") != "the-code" || r.FormValue("client_secret") != "the-secret" && secret != "the-secret" ||
					r.FormValue("redirect_uri") != callback {
					http.Error(w, `{"error": "invalid_grant"}`, http.StatusBadRequest)
					return
				}
			} else if !strings.Contains(pattern, "well-known") && !basic && r.Header.Get("Authorization") != "Bearer the-token" {
				http.Error(w, `{"error": "unauthorized"}`, http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			if page := r.URL.Query().Get("page"); page != "" && page != "1" {
				_, _ = io.WriteString(w, "[]") // the first has all
				return
			}
			_ = json.NewEncoder(w).Encode(answer(server.URL))
		})
	}
	return server.URL
}

func says(v any) func(string) any { return func(string) any { return v } }

type m = map[string]any

var token = says(m{"access_token": "the-token", "token_type": "bearer", "expires_in": 600})

func open(t *testing.T, typ string, config map[string]any) *connector.Provider {
	t.Helper()
	p, err := connector.Open("demo", typ, config, allDeps())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCallback_OAuthConnectors(t *testing.T) {
	for name, c := range map[string]struct {
		typ    string
		shape  shape
		config func(base string) m // beside the client
		begins string              // the path that people are sent to
		want   dexconn.Identity
	}{
		"gitlab": {
			"gitlab",
			shape{
				"POST /oauth/token":    token,
				"GET /api/v4/user":     says(m{"id": 7, "name": "Alice", "username": "alice", "email": "alice@example.com", "state": "active"}),
				"GET /oauth/userinfo":  says(m{"sub": "7", "groups": []string{"admins", "others"}}),
				"GET /api/v4/groups":   says([]m{}),
				"GET /api/v4/projects": says([]m{}),
			},
			func(base string) m { return m{"baseURL": base, "groups": []any{"admins"}} }, "/oauth/authorize",
			dexconn.Identity{
				UserID: "7", Username: "Alice", PreferredUsername: "alice", Email: "alice@example.com", EmailVerified: true, Groups: []string{"admins"},
			},
		},
		"gitea": {
			"gitea",
			shape{
				"POST /login/oauth/access_token": token,
				"GET /api/v1/user":               says(m{"id": 7, "full_name": "Alice", "login": "alice", "email": "alice@example.com"}),
				"GET /api/v1/user/teams":         says([]m{{"id": 1, "name": "admins", "organization": m{"id": 1, "username": "example"}}}),
			},
			func(base string) m { return m{"baseURL": base, "loadAllGroups": true} }, "/login/oauth/authorize",
			dexconn.Identity{
				UserID: "7", Username: "Alice", PreferredUsername: "alice", Email: "alice@example.com", EmailVerified: true,
				Groups: []string{"example", "example:admins"},
			},
		},
		"microsoft": {
			"microsoft",
			shape{
				"POST /the-tenant/oauth2/v2.0/token":     token,
				"GET /v1.0/me":                           says(m{"id": "guid-7", "displayName": "Alice", "userPrincipalName": "Alice@Example.com"}),
				"POST /v1.0/me/getMemberGroups":          says(m{"value": []string{"guid-1"}}),
				"POST /v1.0/directoryObjects/getByIds":   says(m{"value": []m{{"id": "guid-1", "displayName": "admins"}}}),
				"POST /v1.0/users/guid-7/getMemberGroup": says(m{}),
			},
			func(base string) m {
				return m{"apiURL": base, "graphURL": base, "tenant": "the-tenant", "emailToLowercase": true, "groups": []any{"admins"}}
			},
			"/the-tenant/oauth2/v2.0/authorize",
			dexconn.Identity{UserID: "guid-7", Username: "Alice", Email: "alice@example.com", EmailVerified: true, Groups: []string{"admins"}},
		},
		"openshift": {
			"openshift",
			shape{
				"GET /.well-known/oauth-authorization-server": func(base string) any {
					return m{"issuer": base, "authorization_endpoint": base + "/oauth/authorize", "token_endpoint": base + "/oauth/token"}
				},
				"POST /oauth/token": token,
				"GET /apis/user.openshift.io/v1/users/{n}": says(m{
					"metadata": m{"name": "alice@example.com", "uid": "guid-7"}, "fullName": "Alice", "groups": []string{"admins"},
				}),
			},
			func(base string) m { return m{"issuer": base, "groups": []any{"admins"}} }, "/oauth/authorize",
			dexconn.Identity{
				UserID: "guid-7", Username: "alice@example.com", PreferredUsername: "alice@example.com", Email: "alice@example.com",
				Groups: []string{"admins"},
			},
		},
		"oauth": {
			"oauth",
			shape{
				"POST /token": token,
				"GET /me":     says(m{"login": "alice", "who": "Alice", "mail": "alice@example.com", "ok": true, "teams": []string{"admins"}}),
			},
			func(base string) m {
				return m{
					"authorizationURL": base + "/begin", "tokenURL": base + "/token", "userInfoURL": base + "/me", "userIDKey": "login",
					"claimMapping": m{
						"userNameKey": "who", "preferredUsernameKey": "login", "groupsKey": "teams", "emailKey": "mail", "emailVerifiedKey": "ok",
					},
				}
			},
			"/begin",
			dexconn.Identity{
				UserID: "alice", Username: "Alice", PreferredUsername: "alice", Email: "alice@example.com", EmailVerified: true,
				Groups: []string{"admins"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			base := c.shape.start(t)
			config := c.config(base)
			for k, v := range (m{"clientID": "the-client", "clientSecret": "the-secret", "redirectURI": callback}) {
				config[k] = v
			}
			p := open(t, c.typ, config)
			conn := p.Connector.(dexconn.CallbackConnector)
			scopes := dexconn.Scopes{Groups: true}
			to, data, err := conn.LoginURL(scopes, callback, "the-state")
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(to)
			if err != nil || !strings.HasPrefix(to, base+c.begins+"?") || u.Query().Get("state") != "the-state" ||
				u.Query().Get("client_id") != "the-client" || u.Query().Get("redirect_uri") != callback {
				t.Errorf("people are sent to %s", to)
			}
			back := func(query string) (dexconn.Identity, error) {
				return conn.HandleCallback(
					scopes, data, httptest.NewRequestWithContext(t.Context(), http.MethodGet, callback+"?state=the-state&"+query, nil),
				)
			}
			got, err := back("code=the-code")
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(got.Groups)
			got.ConnectorData = nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if p.Issuer() == "" || !strings.HasPrefix(p.Issuer(), base) {
				t.Errorf("its subjects belong to %q", p.Issuer())
			}
			for _, bad := range []string{"code=another", "error=access_denied&error_description=no", "code="} {
				if got, err := back(bad); err == nil {
					t.Errorf("%s signs in %v", bad, got)
				} else if strings.Contains(fmt.Sprintf("%+v", err), "the-secret") {
					t.Errorf("the secret was told: %v", err)
				}
			}
		})
	}
}

func TestReferences_InDocuments(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("the-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := allDeps()
	d.References = &secret.References{Names: []string{"*"}, Folders: []string{"/"}, Environ: map[string]secret.Text{"SECRET": "the-secret", "EMPTY": ""}}
	for _, reference := range []string{"${env:SECRET}", "${file:" + file + "}"} {
		// The mock connector shows what it got.
		p, err := connector.Open("demo", "mockPassword", m{"username": "u", "password": reference}, d)
		if err != nil {
			t.Fatal(err)
		}
		if _, valid, err := p.Connector.(dexconn.PasswordConnector).Login(t.Context(), dexconn.Scopes{}, "u", "the-secret"); err != nil ||
			!valid {
			t.Errorf("%s: %v, %v", reference, valid, err)
		}
		_, err = connector.Open("demo", "mockPassword", m{"username": reference, "password": "p"}, d)
		if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "config.username" || !strings.Contains(fault.Message(err), "for secrets only") {
			t.Errorf("%s where no secret stands: %v", reference, err)
		}
	}
	for _, typ := range connector.Types() {
		for _, k := range connector.Keys(typ) {
			if !slices.Contains(k.Rules, "secret") {
				continue
			}
			config := minimal(t, typ)
			if k.Path == "bindPW" {
				config = set(config, "bindDN", "cn=x,dc=y")
			}
			for reference, want := range map[string]string{
				"${env:NOT_SET}": "NOT_SET", "${file:/no/such/file}": "/no/such/file", "${env:EMPTY}": "empty", "${secret:X}": "${env:NAME}",
				"${env:}": "${env:NAME}", "${env:SECRET} ": "${env:NAME}",
			} {
				_, err := connector.Open("demo", typ, set(config, k.Path, reference), d)
				if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "config."+k.Path || !strings.Contains(fault.Message(err), want) ||
					!strings.Contains(fault.Message(err), k.Path) {
					t.Errorf("%s: %s: %v", typ, reference, err)
				}
			}
			if _, err := connector.Open("demo", typ, set(config, k.Path, "${env:SECRET}"), d); err != nil {
				t.Errorf("%s: %v", typ, err)
			}
			if _, err := connector.Open("demo", typ, set(config, k.Path, "${env:SECRET}"), allDeps()); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s without references: %v", typ, err)
			}
			shown := connector.Redact(typ, set(config, k.Path, "the-secret"))
			if shown[k.Path] != secret.Mask || strings.Contains(fmt.Sprint(shown), "the-secret") {
				t.Errorf("%s shows %v", typ, shown)
			}
			if shown := connector.Redact(typ, set(config, k.Path, "${env:SECRET}")); shown[k.Path] != "${env:SECRET}" {
				t.Errorf("%s hides where the secret stands: %v", typ, shown)
			}
		}
	}
	fingerprint := func() string {
		return connector.Fingerprint("mockPassword", m{"password": "${file:" + file + "}"}, func() connector.Deps { return d })
	}
	before := fingerprint()
	if err := os.WriteFile(file, []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if after := fingerprint(); before == "" || after == before ||
		strings.Contains(after, "another") {
		t.Errorf("the fingerprint was %q and is %q", before, after)
	}
}

// A text that begins like a secret's key must be listed as one.
func TestKeys_SecretsByName(t *testing.T) {
	for _, typ := range connector.Types() {
		for _, k := range connector.Keys(typ) {
			name := strings.ToLower(k.Path)
			if k.Path == "clientSecretExpires" { // a day
				continue
			}
			sounds := strings.Contains(name, "secret") || strings.Contains(name, "password") || strings.HasSuffix(name, "pw")
			if sounds != slices.Contains(k.Rules, "secret") {
				t.Errorf("%s: config.%s has the rules %v", typ, k.Path, k.Rules)
			}
		}
	}
}
