package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/oidc/clientauth"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// fixture is a connector, the provider it talks to, and what they share.
type fixture struct {
	*provider
	t     *testing.T
	clock *clock
	conn  *Connector
	logs  *bytes.Buffer
	login url.Values
	keys  clientauth.Keys
}

func start(t *testing.T, change func(*Config), misbehave func(*provider)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: &clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}, logs: &bytes.Buffer{}}
	f.provider = newProvider(t, f.clock.now)
	if misbehave != nil {
		misbehave(f.provider)
	}
	cfg := f.config()
	if change != nil {
		change(&cfg)
	}
	f.conn = f.open(cfg)
	return f
}

func (f *fixture) config() Config {
	return Config{Issuer: f.URL, ClientID: clientID, ClientSecret: clientSecret, RedirectURI: callbackURL}
}

func (f *fixture) open(cfg Config) *Connector {
	f.t.Helper()
	conn, err := Open(cfg, Deps{
		ClientKeys: f.keys, Now: f.clock.now, Rules: document.Rules{Callback: callbackURL}, Log: slog.New(slog.NewTextHandler(f.logs, nil)),
		LoginParams: func(state string) url.Values {
			if state != "the-state" {
				f.t.Errorf("login parameters asked for state %q", state)
			}
			return f.login
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return conn
}

// signIn goes through a sign-in as a browser would.
func (f *fixture) signIn(s dexconn.Scopes, change func(url.Values)) (dexconn.Identity, error) {
	f.t.Helper()
	to, data, err := f.conn.LoginURL(s, callbackURL, "the-state")
	if err != nil {
		return dexconn.Identity{}, err
	}
	back := f.visit(to)
	if change != nil {
		q := back.Query()
		change(q)
		back.RawQuery = q.Encode()
	}
	return f.conn.HandleCallback(s, data, httptest.NewRequestWithContext(f.t.Context(), http.MethodGet, back.String(), nil))
}

func (f *fixture) visit(to string) *url.URL {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, to, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	back, err := res.Location()
	if err != nil {
		body, _ := io.ReadAll(res.Body)
		f.t.Fatalf("%v: %s", err, body)
	}
	return back
}

// quiet checks that neither err, with all its causes, nor the log gives away
// what only we and the provider may know.
func (f *fixture) quiet(err error) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, secret := range append(f.secret, "upstream-access-token", "upstream-refresh-token", clientSecret, url.QueryEscape(clientSecret)) {
		if strings.Contains(err.Error(), secret) || strings.Contains(f.logs.String(), secret) {
			f.t.Errorf("a secret was told: %q in %v, log %s", secret, err, f.logs)
		}
	}
}

func TestOIDCCallback(t *testing.T) {
	jane := dexconn.Identity{
		UserID: "248289761001", Username: "Jane Doe", PreferredUsername: "jane", Email: "Jane.Doe@Example.com", EmailVerified: true,
	}
	for _, c := range []struct {
		name      string
		change    func(*Config)
		misbehave func(*provider)
		want      func(*dexconn.Identity)
	}{
		{"plain", nil, nil, nil},
		{"groups are ignored unless enabled", nil, func(p *provider) { p.claims = set(map[string]any{"groups": 7}) }, nil},
		{
			"groups", func(c *Config) { c.InsecureEnableGroups = true },
			func(p *provider) { p.claims = set(map[string]any{"groups": []string{"b", "", "a", "b"}}) },
			func(id *dexconn.Identity) { id.Groups = []string{"b", "a"} },
		},
		{
			"one group as text", func(c *Config) { c.InsecureEnableGroups = true },
			func(p *provider) { p.claims = set(map[string]any{"groups": "a"}) },
			func(id *dexconn.Identity) { id.Groups = []string{"a"} },
		},
		{
			"an allowed group", func(c *Config) { c.InsecureEnableGroups, c.AllowedGroups = true, []string{"x", "a"} },
			func(p *provider) { p.claims = set(map[string]any{"groups": []string{"a", "b"}}) },
			func(id *dexconn.Identity) { id.Groups = []string{"a", "b"} },
		},
		{
			"an unverified address where all are trusted", func(c *Config) { c.InsecureSkipEmailVerified = true },
			func(p *provider) { p.claims = set(map[string]any{"email_verified": "false"}) }, nil,
		},
		{"claims of other names", func(c *Config) {
			c.UserIDKey, c.UserNameKey, c.InsecureEnableGroups = "oid", "display", true
			c.InsecureSkipEmailVerified = true // which speaks of the claim email only
			c.ClaimMapping = claimMapping{Email: "upn", Groups: "roles", PreferredUsername: "nick"}
		}, func(p *provider) {
			p.claims = set(map[string]any{
				"oid": "o-1", "display": "J", "upn": "j@x.test", "nick": "jj", "roles": []string{"r"}, "groups": []string{"g"},
			})
		}, func(id *dexconn.Identity) {
			*id = dexconn.Identity{
				UserID: "o-1", Username: "J", PreferredUsername: "jj", Email: "j@x.test", EmailVerified: true, Groups: []string{"r"},
			}
		}},
		{
			"no name", nil, func(p *provider) { p.claims = without("name", "preferred_username") },
			func(id *dexconn.Identity) { id.Username, id.PreferredUsername = "Jane.Doe@Example.com", "" },
		},
		{"UserInfo has what the token lacks", func(c *Config) { c.InsecureEnableGroups = true }, func(p *provider) {
			p.claims = without("email", "email_verified")
			p.userInfo = set(map[string]any{"email": "j@x.test", "email_verified": true, "groups": []string{"g"}, "name": "not this"})
		}, func(id *dexconn.Identity) { id.Email, id.Groups = "j@x.test", []string{"g"} }},
		{"UserInfo has the address alone", nil, func(p *provider) {
			p.claims = without("email")
			p.userInfo = set(map[string]any{"email": "j@x.test", "email_verified": true})
		}, func(id *dexconn.Identity) { id.Email = "j@x.test" }},
		{"UserInfo overrides nothing", func(c *Config) { c.GetUserInfo = true }, func(p *provider) {
			p.userInfo = set(map[string]any{"email": "evil@x.test", "email_verified": false, "name": "not this", "iss": "x", "aud": "y"})
		}, nil},
		{"UserInfo is not asked without need", nil, func(p *provider) {
			p.handle["/userinfo"] = func(http.ResponseWriter, *http.Request) { p.t.Error("asked") }
		}, nil},
		{"several audiences", nil, func(p *provider) { p.claims = set(map[string]any{"aud": []string{"api", clientID}, "azp": clientID}) }, nil},
		{"clocks a minute apart", nil, func(p *provider) {
			now := p.now()
			p.claims = set(map[string]any{
				"iat": now.Add(time.Minute).Unix(), "nbf": now.Add(time.Minute).Unix(), "exp": now.Add(-time.Minute).Unix(),
			})
		}, nil},
		{"a time with a fraction", nil, func(p *provider) {
			p.claims = set(map[string]any{"iat": float64(p.now().Unix()) + 0.5})
		}, nil},
		{"no at_hash", nil, func(p *provider) { p.claims = without("at_hash") }, nil},
		{"the issuer in the answer", nil, func(p *provider) {
			p.discovery = set(map[string]any{"authorization_response_iss_parameter_supported": true})
			p.answer = func(q url.Values) { q.Set("iss", p.URL) }
		}, nil},
		{"the secret in the form", func(c *Config) { c.BasicAuthUnsupported = true }, noBasic, nil},
		{"the secret in the form, by discovery", nil, func(p *provider) {
			noBasic(p)
			p.discovery = set(map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt", "client_secret_post"}})
		}, nil},
		{"the secret in the form, once the header is refused", nil, func(p *provider) {
			p.discovery = set(map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"}})
			p.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					p.refuse(w, http.StatusUnauthorized, "invalid_client")
					return
				}
				p.serveTokens(w, r)
			}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, c.change, c.misbehave)
			got, err := f.signIn(dexconn.Scopes{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := jane
			if c.want != nil {
				c.want(&want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func noBasic(p *provider) {
	p.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			p.t.Error("basic authentication was used")
		}
		p.serveTokens(w, r)
	}
}

func TestLoginURL_Parameters(t *testing.T) {
	none, login := "", "login"
	for _, c := range []struct {
		name   string
		scopes dexconn.Scopes
		change func(*Config)
		want   map[string]string
	}{
		{"plain", dexconn.Scopes{}, nil, map[string]string{"scope": "openid profile email", "redirect_uri": callbackURL}},
		{
			"groups and offline access",
			dexconn.Scopes{OfflineAccess: true, Groups: true},
			func(c *Config) { c.InsecureEnableGroups = true },
			map[string]string{"scope": "openid profile email groups offline_access", "prompt": "consent"},
		},
		{
			"own scopes and prompt",
			dexconn.Scopes{OfflineAccess: true},
			func(c *Config) { c.Scopes, c.PromptType = []string{"email", "openid", "x"}, &login },
			map[string]string{"scope": "openid email x offline_access", "prompt": "login"},
		},
		{
			"no prompt",
			dexconn.Scopes{OfflineAccess: true},
			func(c *Config) { c.PromptType, c.AcrValues = &none, []string{"a", "b"} },
			map[string]string{"scope": "openid profile email offline_access", "acr_values": "a b"},
		},
		{
			"the connector's own acr_values",
			dexconn.Scopes{},
			func(c *Config) { c.ForwardedLoginParams, c.AcrValues = []string{"acr_values"}, []string{"mfa"} },
			map[string]string{"scope": "openid profile email", "acr_values": "mfa"},
		},
		{
			"forwarded parameters",
			dexconn.Scopes{},
			func(c *Config) { c.ForwardedLoginParams = []string{"login_hint", "absent", "tenant"} },
			map[string]string{"scope": "openid profile email", "login_hint": "jane@x.test", "tenant": "8"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, c.change, nil)
			f.login = url.Values{
				"login_hint": {"jane@x.test"}, "tenant": {"8"}, "acr_values": {"weak"}, "connection": {"dropped"},
				"redirect_uri": {"https://evil.test"},
			}
			to, _, err := f.conn.LoginURL(c.scopes, callbackURL, "the-state")
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{
				"client_id": clientID, "response_type": "code", "state": "the-state", "redirect_uri": callbackURL,
				"code_challenge_method": "S256", "tenant": "7",
			}
			for k, v := range c.want {
				want[k] = v
			}
			got := map[string]string{}
			for k, v := range u.Query() {
				got[k] = strings.Join(v, "|")
			}
			if len(got["nonce"]) < 22 || len(got["code_challenge"]) != 43 {
				t.Errorf("got nonce %q, challenge %q", got["nonce"], got["code_challenge"])
			}
			delete(got, "nonce")
			delete(got, "code_challenge")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoginURL_OursOverForwarded(t *testing.T) {
	f := start(t, nil, nil)
	cfg := f.config()
	// A document that came past Validate, by whatever way.
	cfg.ForwardedLoginParams = []string{"state", "redirect_uri", "request"}
	f.conn.cfg = cfg
	f.login = url.Values{"state": {"evil"}, "redirect_uri": {"https://evil.test"}, "request": {"evil"}}
	to, _, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
	if err != nil || strings.Contains(to, "evil") {
		t.Errorf("got %s, %v", to, err)
	}
}

func TestLoginURL_OtherCallback(t *testing.T) {
	f := start(t, nil, nil)
	_, _, err := f.conn.LoginURL(dexconn.Scopes{}, "http://localhost:1/callback", "the-state")
	if !fault.Is(err, fault.Precondition) || fault.FieldOf(err) != "config.redirectURI" {
		t.Errorf("another callback: got %v", err)
	}
	if _, _, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, ""); !fault.Is(err, fault.Internal) {
		t.Errorf("no state: got %v", err)
	}
	f = start(t, func(c *Config) {
		c.RedirectURI, c.InsecureSkipIssuerCallbackDomainCheck = "https://192.168.49.2/callback", true
	}, nil)
	to, _, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
	if err != nil || !strings.Contains(to, url.QueryEscape("https://192.168.49.2/callback")) {
		t.Errorf("another host, check off: got %s, %v", to, err)
	}
}

func TestLoginURL_FreshSecrets(t *testing.T) {
	f := start(t, nil, nil)
	_, one, err1 := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
	_, two, err2 := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	var a, b pending
	if json.Unmarshal(one, &a) != nil || json.Unmarshal(two, &b) != nil || a.Nonce == b.Nonce || a.Verifier == b.Verifier {
		t.Errorf("got %s and %s", one, two)
	}
}

func TestOpen_MakesNoConnection(t *testing.T) {
	f := start(t, nil, nil)
	if f.conn.cfg.Issuer != f.URL || f.discoveries.Load() != 0 {
		t.Errorf("issuer %q, %d fetches", f.conn.cfg.Issuer, f.discoveries.Load())
	}
	if err := f.conn.Ping(t.Context()); err != nil || f.discoveries.Load() != 1 || f.keyFetches.Load() != 1 {
		t.Errorf("Ping = %v after %d and %d fetches", err, f.discoveries.Load(), f.keyFetches.Load())
	}
}

func TestDiscovery_IsCached(t *testing.T) {
	f := start(t, nil, nil)
	for range 3 {
		if _, err := f.signIn(dexconn.Scopes{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if d, k := f.discoveries.Load(), f.keyFetches.Load(); d != 1 || k != 1 {
		t.Errorf("got %d discoveries, %d key fetches, want one of each", d, k)
	}
}

func TestSigningKeys_Rotation(t *testing.T) {
	f := start(t, nil, nil)
	if _, err := f.signIn(dexconn.Scopes{}, nil); err != nil {
		t.Fatal(err)
	}
	f.rotate("second")
	if _, err := f.signIn(dexconn.Scopes{}, nil); err == nil || !strings.Contains(err.Error(), `signing key "second"`) {
		t.Errorf("the keys were fetched twice within ten seconds: %v", err)
	}
	f.clock.at = f.clock.at.Add(10 * time.Second)
	if _, err := f.signIn(dexconn.Scopes{}, nil); err != nil {
		t.Error(err)
	}
	if got := f.keyFetches.Load(); got != 2 {
		t.Errorf("got %d fetches, want 2", got)
	}
}

func TestSigningKeys_OutliveAnOutage(t *testing.T) {
	f := start(t, nil, nil)
	if _, err := f.signIn(dexconn.Scopes{}, nil); err != nil {
		t.Fatal(err)
	}
	down := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	f.handle["/keys"], f.handle["/.well-known/openid-configuration"] = down, down
	f.clock.at = f.clock.at.Add(48 * time.Hour)
	if _, err := f.signIn(dexconn.Scopes{}, nil); err != nil {
		t.Error(err)
	}
	if !strings.Contains(f.logs.String(), "last one stays in use") {
		t.Errorf("nobody was told: %s", f.logs)
	}
	if err := f.conn.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Ping = %v", err)
	}
}

func TestLoginURL_ProviderDown(t *testing.T) {
	f := start(t, nil, nil)
	if _, err := f.signIn(dexconn.Scopes{}, nil); err != nil {
		t.Fatal(err)
	}
	begin := func() error {
		_, _, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
		return err
	}
	f.Close()
	if err := begin(); err != nil {
		t.Errorf("within the time that it is taken to be up: %v", err)
	}
	f.clock.at = f.clock.at.Add(fetch.ConfirmedFor)
	for range 2 {
		if err := begin(); !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), "cannot be reached") {
			t.Errorf("afterwards: %v", err)
		}
	}
}

func TestOIDCRefresh(t *testing.T) {
	offline := dexconn.Scopes{OfflineAccess: true}
	f := start(t, nil, nil)
	id, err := f.signIn(offline, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.claims = set(map[string]any{"name": "Jane Roe"})
	id.UserID = "as-the-server-calls-her"
	again, err := f.conn.Refresh(t.Context(), offline, id)
	if err != nil || again.Username != "Jane Roe" || again.UserID != "248289761001" {
		t.Fatalf("got %+v, %v", again, err)
	}
	if diff := cmp.Diff(string(id.ConnectorData), string(again.ConnectorData)); diff != "" {
		t.Error(diff)
	}

	f.tokens = without("id_token", "refresh_token")
	f.userInfo = set(map[string]any{"email": "new@x.test", "email_verified": true})
	again, err = f.conn.Refresh(t.Context(), offline, again)
	if err != nil || again.Email != "new@x.test" || !bytes.Contains(again.ConnectorData, []byte("upstream-refresh-token")) {
		t.Errorf("by UserInfo: got %+v, %v", again, err)
	}
}

func TestOIDCRefresh_Refused(t *testing.T) {
	for _, c := range []struct {
		name      string
		data      string
		misbehave func(*provider)
		kind      fault.Kind
		want      string
	}{
		{"no refresh token", ``, nil, fault.Precondition, "no refresh token for this session"},
		{"an old form of data", `{"RefreshToken":"eA==","subject":""}`, nil, fault.Precondition, "no refresh token for this session"},
		{
			"a session ended there", `{"refreshToken":"revoked-refresh-token","subject":"248289761001"}`, nil, fault.Unauthenticated,
			"has ended this session (invalid_grant)",
		},
		{
			"another person", "", func(p *provider) { p.claims = set(map[string]any{"sub": "2"}) }, fault.Unauthenticated,
			"new ID token is about another person",
		},
		{"another person's UserInfo", "", func(p *provider) {
			p.tokens, p.userInfo = without("id_token"), set(map[string]any{"sub": "2"})
		}, fault.Unauthenticated, "UserInfo is about another person"},
		{"neither token nor UserInfo", "", func(p *provider) {
			p.tokens, p.discovery = without("id_token"), without("userinfo_endpoint")
		}, fault.Precondition, "no UserInfo endpoint"},
		{
			"no longer verified", "", func(p *provider) { p.claims = set(map[string]any{"email_verified": false}) }, fault.Denied, "is not verified",
		},
		{
			"an expired token", "", func(p *provider) { p.claims = set(map[string]any{"exp": p.now().Add(-time.Hour).Unix()}) },
			fault.Unauthenticated, "expired 3600 seconds ago",
		},
		{
			"an outage", "", func(p *provider) { p.handle["/token"] = status(http.StatusServiceUnavailable) }, fault.Unavailable,
			"has a problem issuing tokens (HTTP status 503)",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, nil, c.misbehave)
			data := c.data
			if c.misbehave != nil {
				data = `{"refreshToken":"upstream-refresh-token","subject":"248289761001"}`
			}
			_, err := f.conn.Refresh(t.Context(), dexconn.Scopes{}, dexconn.Identity{ConnectorData: []byte(data)})
			if err == nil || !strings.Contains(fault.Message(err), c.want) || fault.KindOf(err) != c.kind {
				t.Fatalf("got %q: %v, want %q: %q", fault.KindOf(err), err, c.kind, c.want)
			}
			f.quiet(err)
		})
	}
}

func TestRefreshToken_KeptOnlyIfRequested(t *testing.T) {
	f := start(t, nil, func(p *provider) { p.tokens = set(map[string]any{"refresh_token": "upstream-refresh-token"}) })
	id, err := f.signIn(dexconn.Scopes{}, nil)
	if err != nil || id.ConnectorData != nil {
		t.Errorf("got %s, %v", id.ConnectorData, err)
	}
}

func TestPing_TLS(t *testing.T) {
	f := start(t, nil, nil)
	secure := httptest.NewUnstartedServer(f.provider)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	f.URL = secure.URL

	err := f.open(f.config()).Ping(context.Background())
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "config.rootCAs") {
		t.Errorf("an unknown authority: %v", err)
	}

	cfg := f.config()
	cfg.RootCAs = []string{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))}
	if err := f.open(cfg).Ping(context.Background()); err != nil {
		t.Errorf("with its certificate: %v", err)
	}

	f.discovery = func(m map[string]any) { m["token_endpoint"] = "http://127.0.0.1/token" }
	if err := f.open(cfg).Ping(context.Background()); err == nil || !strings.Contains(err.Error(), "must be https as the issuer is") {
		t.Errorf("a plain token endpoint: %v", err)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}
