package dex_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/dex"
	"pachyderm/internal/connector/document"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
)

const callback = "http://localhost:30658/callback"

type m = map[string]any

func deps() dex.Deps {
	return dex.Deps{
		Now: time.Now, Log: slog.New(slog.DiscardHandler), Rules: document.Rules{Callback: callback},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	}
}

func openWith(t *testing.T, typ string, config m, d dex.Deps) (dexconn.Connector, error) {
	t.Helper()
	k := dex.Types()[typ]
	doc := reflect.New(k.Document).Interface()
	if err := strict.DecodeValue(config, doc, "config"); err != nil {
		t.Fatal(err)
	}
	c, _, err := k.Open("demo", doc, d)
	return c, err
}

func open(t *testing.T, typ string, config m) dexconn.Connector {
	t.Helper()
	c, err := openWith(t, typ, config, deps())
	if err != nil {
		t.Fatal(err)
	}
	return c
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

func TestLogin_PasswordConnectors(t *testing.T) {
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
			conn := open(t, typ, c.config).(dexconn.PasswordConnector)
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

func TestAuthproxy_TrustedProxiesOnly(t *testing.T) {
	d := deps()
	d.TrustedProxies = nil
	if _, err := openWith(t, "authproxy", m{}, d); !fault.Is(err, fault.Precondition) ||
		!strings.Contains(fault.Message(err), "trustedProxies") {
		t.Errorf("without trusted proxies: %v", err)
	}
	conn := open(
		t, "authproxy", m{"staticGroups": []any{"all"}, "emailHeader": "X-Remote-User-Email", "groupHeader": "X-Remote-Group"},
	).(dexconn.CallbackConnector)
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

func TestLazy_ProviderDown(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	now := time.Now()
	d := deps()
	d.Now = func() time.Time { return now }
	p, err := openWith(t, "openshift", m{"issuer": "http://" + address, "clientID": "c", "clientSecret": "the-secret", "redirectURI": callback}, d)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() error {
		_, _, err := p.(dexconn.CallbackConnector).LoginURL(dexconn.Scopes{}, callback, "the-state")
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
func TestLazy_WaitEndsWithTheSignIn(t *testing.T) {
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
	if err := p.(connector.Pinger).Ping(ctx); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

// Authorities are given as text or as base64 of it; what looks at the provider
// knows only text and files.
func TestGitLab_AuthoritiesInBase64(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, authorities := range map[string]string{"text": string(ca), "base64": base64.StdEncoding.EncodeToString(ca)} {
		k := dex.Types()["gitlab"]
		doc := reflect.New(k.Document).Interface()
		config := m{"baseURL": server.URL, "clientID": "c", "clientSecret": "s", "redirectURI": callback, "rootCAData": authorities}
		if err := strict.DecodeValue(config, doc, "config"); err != nil {
			t.Fatal(err)
		}
		_, site, err := k.Open("demo", doc, deps())
		if err == nil {
			err = site.Ping(t.Context())
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
