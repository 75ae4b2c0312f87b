package connector_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestPeopleOfProvidersThatSpeakOAuth(t *testing.T) {
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

// keystone wants name and password from people and from the account that reads.
func keystone(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("POST /v3/auth/tokens/", func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Auth struct {
				Identity struct {
					Password struct {
						User struct{ Name, Password string }
					}
				}
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		user := asked.Auth.Identity.Password.User
		if user.Password != map[string]string{"alice": "wonderland", "reader": "the-secret"}[user.Name] {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-Subject-Token", "token-of-"+user.Name)
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(m{"token": m{"user": m{"id": "id-of-" + user.Name, "name": user.Name}}})
	})
	mux.HandleFunc("GET /v3/users/id-of-alice", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(m{"user": m{"id": "id-of-alice", "name": "alice", "email": "alice@example.com"}})
	})
	mux.HandleFunc("GET /v3/users/id-of-alice/groups", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(m{"groups": []m{{"id": "1", "name": "admins"}}})
	})
	return server.URL
}

func crowd(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(http.StripPrefix("/crowd/rest/usermanagement/1", mux))
	t.Cleanup(server.Close)
	password := func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Username, Password, Value string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		if _, application, _ := r.BasicAuth(); application != "the-secret" {
			t.Errorf("the application's password is %q", application)
		}
		if asked.Password+asked.Value != "wonderland" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"reason":"INVALID_USER_AUTHENTICATION","message":"Failed to authenticate principal"}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"name":"alice"}`)
	}
	mux.HandleFunc("POST /session", password)
	mux.HandleFunc("POST /authentication", password)
	mux.HandleFunc("GET /user", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(m{"key": "7:alice", "name": "alice", "email": "alice@example.com", "active": true})
	})
	mux.HandleFunc("GET /user/group/nested", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(m{"groups": []m{{"name": "admins"}}})
	})
	return server.URL + "/crowd"
}

func TestPeopleOfProvidersThatPachdAsksForThePassword(t *testing.T) {
	for typ, c := range map[string]struct {
		config m
		want   dexconn.Identity
	}{
		"keystone": {
			m{"domain": "default", "keystoneHost": keystone(t), "keystoneUsername": "reader", "keystonePassword": "the-secret"},
			dexconn.Identity{UserID: "id-of-alice", Username: "alice", Email: "alice@example.com", EmailVerified: true, Groups: []string{"admins"}},
		},
		"atlassian-crowd": {
			m{
				"baseURL": crowd(t), "clientID": "pachyderm", "clientSecret": "the-secret", "groups": []any{"admins"}, "preferredUsernameField": "name",
			},
			dexconn.Identity{
				UserID: "7:alice", Username: "alice", PreferredUsername: "alice", Email: "alice@example.com", EmailVerified: true,
				Groups: []string{"admins"},
			},
		},
	} {
		t.Run(typ, func(t *testing.T) {
			conn := open(t, typ, c.config).Connector.(dexconn.PasswordConnector)
			got, valid, err := conn.Login(t.Context(), dexconn.Scopes{Groups: true}, "alice", "wonderland")
			if err != nil || !valid {
				t.Fatalf("%v, %v", valid, err)
			}
			got.ConnectorData = nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, wrong := range []string{"wrong", ""} {
				if got, valid, err := conn.Login(t.Context(), dexconn.Scopes{}, "alice", wrong); valid || err != nil {
					t.Errorf("%q: %v, %v, %v", wrong, got, valid, err)
				}
			}
		})
	}
}

func TestHeadersAreBelievedOfTrustedProxiesOnly(t *testing.T) {
	d := allDeps()
	d.TrustedProxies = nil
	if _, err := connector.Open("demo", "authproxy", m{}, d); !fault.Is(err, fault.Precondition) ||
		!strings.Contains(fault.Message(err), "trustedProxies") {
		t.Errorf("without trusted proxies: %v", err)
	}
	conn := open(
		t, "authproxy", m{"staticGroups": []any{"all"}, "emailHeader": "X-Remote-User-Email", "groupHeader": "X-Remote-Group"},
	).Connector.(dexconn.CallbackConnector)
	good := http.Header{"X-Remote-User": {"alice"}, "X-Remote-User-Email": {"alice@example.com"}, "X-Remote-Group": {"admins, developers"}}
	for name, c := range map[string]struct {
		from   string
		change func(http.Header)
		want   string // of the refusal
	}{
		"the proxy":                    {"127.0.0.1:7", nil, ""},
		"the proxy, by IPv6":           {"[::ffff:127.0.0.1]:7", nil, ""},
		"somebody else":                {"127.0.0.2:7", nil, "for a proxy"},
		"somebody else, by IPv6":       {"[::1]:7", nil, "for a proxy"},
		"nobody known":                 {"", nil, "for a proxy"},
		"who says to be the proxy":     {"192.0.2.1:7", func(h http.Header) { h.Set("X-Forwarded-For", "127.0.0.1") }, "for a proxy"},
		"a header that is there twice": {"127.0.0.1:7", func(h http.Header) { h.Add("X-Remote-User", "root") }, "more than one form"},
		"groups that are there twice":  {"127.0.0.1:7", func(h http.Header) { h.Add("X-Remote-Group", "root") }, "more than one form"},
		"with an underscore":           {"127.0.0.1:7", func(h http.Header) { h["X_remote_user"] = []string{"root"} }, "more than one form"},
		"with one underscore":          {"127.0.0.1:7", func(h http.Header) { h["X-Remote_group"] = []string{"root"} }, "more than one form"},
		"headers that nobody named":    {"127.0.0.1:7", func(h http.Header) { h.Set("X-Remote-User-Id", "root"); h.Set("X-Remote-User-Name", "root") }, ""},
		"another header twice":         {"127.0.0.1:7", func(h http.Header) { h["Accept_x"] = []string{"a", "b"} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, callback+"?state=x", nil)
			r.RemoteAddr, r.Header = c.from, good.Clone()
			if c.change != nil {
				c.change(r.Header)
			}
			got, err := conn.HandleCallback(dexconn.Scopes{}, nil, r)
			if c.want != "" {
				if !fault.Is(err, fault.Denied) || !strings.Contains(fault.Message(err), c.want) || got.UserID != "" {
					t.Errorf("%v, %v", got, err)
				}
				return
			}
			want := dexconn.Identity{
				UserID: "alice", Username: "alice", PreferredUsername: "alice", Email: "alice@example.com", EmailVerified: true,
				Groups: []string{"admins", "developers", "all"},
			}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, callback, nil)
	r.RemoteAddr = "127.0.0.1:7"
	if got, err := conn.HandleCallback(dexconn.Scopes{}, nil, r); err == nil {
		t.Errorf("no header signs in %v", got)
	}
}

func TestAProviderThatIsAwayDoesNotKeepAConnectorFromOpening(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	now := time.Now()
	d := allDeps()
	d.Now = func() time.Time { return now }
	p, err := connector.Open(
		"demo", "openshift", m{"issuer": "http://" + address, "clientID": "c", "clientSecret": "the-secret", "redirectURI": callback}, d,
	)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() error {
		_, _, err := p.Connector.(dexconn.CallbackConnector).LoginURL(dexconn.Scopes{}, callback, "the-state")
		return err
	}
	if err := begin(); !fault.Is(err, fault.Unavailable) || strings.Contains(fmt.Sprintf("%+v", err), "the-secret") {
		t.Errorf("while it is away: %v", err)
	}
	if l, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", address); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(m{
			"issuer": "http://" + address, "authorization_endpoint": "http://" + address + "/a", "token_endpoint": "http://" + address + "/t",
		})
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	if err := begin(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a moment later its failure still counts: %v", err)
	}
	now = now.Add(6 * time.Second)
	if err := begin(); err != nil {
		t.Errorf("it is back: %v", err)
	}
	_ = server.Close()
	if err := begin(); err != nil {
		t.Errorf("what is known stays known: %v", err)
	}
}

// One that takes connections and says nothing costs whoever gives up no more.
func TestWaitingForAProviderEndsWithTheSignIn(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := open(t, "openshift", m{"issuer": "http://" + l.Addr().String(), "clientID": "c", "clientSecret": "s", "redirectURI": callback})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if conn, err := l.Accept(); err == nil {
			cancel()
			_, _ = io.Copy(io.Discard, conn)
		}
	}()
	if err := p.Ping(ctx); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestSecretsMayStandElsewhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("the-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := allDeps()
	d.References = secret.References{Environ: map[string]secret.Text{"SECRET": "the-secret", "EMPTY": ""}}
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
	before := connector.Fingerprint("mockPassword", m{"password": "${file:" + file + "}"}, d)
	if err := os.WriteFile(file, []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if after := connector.Fingerprint("mockPassword", m{"password": "${file:" + file + "}"}, d); before == "" || after == before ||
		strings.Contains(after, "another") {
		t.Errorf("the fingerprint was %q and is %q", before, after)
	}
}

// A text that begins like a secret's key must be listed as one.
func TestEachKeyThatSoundsLikeASecretIsOne(t *testing.T) {
	for _, typ := range connector.Types() {
		for _, k := range connector.Keys(typ) {
			name := strings.ToLower(k.Path)
			sounds := strings.Contains(name, "secret") || strings.Contains(name, "password") || strings.HasSuffix(name, "pw")
			if sounds != slices.Contains(k.Rules, "secret") {
				t.Errorf("%s: config.%s has the rules %v", typ, k.Path, k.Rules)
			}
		}
	}
}
