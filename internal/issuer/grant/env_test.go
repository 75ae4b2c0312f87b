package grant_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/issuer/signing"
	"pachyderm/internal/limit"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
	"pachyderm/internal/secret/secrettest"
)

const (
	issuerURL = "https://pach.example.com/dex"
	redirect  = "https://app.example.com/callback"
	deviceURI = "/dex/device/callback"
	verifier  = "a-verifier-that-is-long-enough-for-rfc-7636-43"
	week      = 7 * 24 * time.Hour
)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// env is the endpoints on a database, with real keys and a clock that stands.
type env struct {
	*testing.T
	*grant.Server
	db      *db.DB
	objects dexstore.Store
	clock   time.Time
	alice   identity.Identity
	clients map[string]grant.Client
	learnt  []string // clients that have used PKCE
	codes   int
	asked   int // times that the connector was
	scopes  []string
	answer  func(storage.Claims) (storage.Claims, error)
}

// each runs a test on both engines.
func each(t *testing.T, f func(h *env)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(open(t, d)) })
}

func open(t *testing.T, d *db.DB) *env {
	t.Helper()
	sealer := secrettest.Sealer(t, d)
	h := &env{T: t, db: d, objects: dexstore.New(d, sealer), clock: time.Now().Truncate(time.Second)}
	now, log := func() time.Time { return h.clock }, slog.New(slog.DiscardHandler)
	keys, err := signing.New(t.Context(), h.objects, "ES256", now, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	keys.Start(ctx)
	h.clients = map[string]grant.Client{
		"app":      {Client: storage.Client{ID: "app", Name: "App", Secret: "the secret: of app"}},
		"other":    {Client: storage.Client{ID: "other", Secret: "the-secret-of-other"}},
		"terminal": {Client: storage.Client{ID: "terminal", Public: true}, NeedsPKCE: true},
		"pachd":    {Client: storage.Client{ID: "pachd", Secret: "s", TrustedPeers: []string{"app"}}, NeedsPKCE: true},
	}
	h.answer = func(c storage.Claims) (storage.Claims, error) { return c, nil }
	h.Server = &grant.Server{
		Store: grant.NewStore(d, sealer, now), Log: log,
		JWS: jws.Issuer{Name: issuerURL, Signer: keys, Keys: keys.For, Now: now}, Audience: issuerURL + "/userinfo", TokensLive: time.Hour, DevicesLive: 10 * time.Minute,
		Client: func(_ context.Context, id string) (grant.Client, error) {
			c, ok := h.clients[id]
			if !ok {
				return c, storage.ErrNotFound
			}
			return c, nil
		},
		LearntPKCE: func(_ context.Context, _ *db.Tx, id string) error {
			h.learnt = append(h.learnt, id)
			return nil
		},
		Refresh: func(_ context.Context, _ string, scopes []string, who storage.Claims, data []byte) (storage.Claims, []byte, error) {
			h.asked++
			h.scopes = scopes
			who, err := h.answer(who)
			return who, append(data, '+'), err
		},
		VerificationURI: func(context.Context) string { return issuerURL + "/device" },
		IsDevice:        func(uri string) bool { return uri == deviceURI },
	}
	h.alice = h.signedIn("alice")
	return h
}

func (h *env) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *env) later(d time.Duration) { h.clock = h.clock.Add(d) }

func (h *env) update(f func(tx *db.Tx) error) {
	h.Helper()
	h.must(h.db.Update(h.Context(), f))
}

func (h *env) signedIn(name string) identity.Identity {
	h.Helper()
	return h.signedInBy(name, true)
}

// signedInBy is a sign-in through a connector that is approved, or not.
func (h *env) signedInBy(name string, approved bool) identity.Identity {
	h.Helper()
	who, err := identity.SignedIn(h.Context(), h.db, identity.SignIn{
		ConnectorID: "okta", Instance: "instance", Issuer: "https://id.example.com", Subject: name, Email: name + "@example.com",
		TokenSub:  func(id string) (string, error) { return "sub-" + id, nil },
		Connected: func(context.Context, *db.Tx) (bool, error) { return approved, nil },
	}, h.clock)
	h.must(err)
	return who
}

// code is one that Dex makes for alice at an application.
func (h *env) code(change ...func(*storage.AuthCode)) string {
	h.Helper()
	h.codes++
	c := storage.AuthCode{
		ID: "code-" + storage.NewID(), ClientID: "app", RedirectURI: redirect, ConnectorID: "okta", Nonce: "the-nonce",
		Scopes: []string{"openid", "email", "groups", "offline_access"},
		Claims: storage.Claims{
			UserID: h.alice.ID, Username: "Alice", PreferredUsername: "al", Email: "alice@example.com", EmailVerified: true,
			Groups: []string{"engineers"},
		},
		ConnectorData: []byte("data"), AuthTime: h.clock.Add(-time.Minute), Expiry: h.clock.Add(30 * time.Minute),
		PKCE: storage.PKCE{CodeChallenge: challenge(), CodeChallengeMethod: "S256"},
	}
	for _, f := range change {
		f(&c)
	}
	h.must(h.db.Update(h.Context(), func(tx *db.Tx) error {
		return h.Create(h.Context(), tx, c, slices.Contains(c.Scopes, grant.ScopeOffline))
	}))
	return c.ID
}

// tokens is what the token endpoint answers.
type tokens struct {
	Status      int    `json:"-"`
	Access      string `json:"access_token"`
	Refresh     string `json:"refresh_token"`
	ID          string `json:"id_token"`
	Type        string `json:"token_type"`
	Expires     int64  `json:"expires_in"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// send has an endpoint answer a request as the issuer's handler does.
func (h *env) send(serve func(http.ResponseWriter, *http.Request) error, r *http.Request) *httptest.ResponseRecorder {
	h.Helper()
	w := httptest.NewRecorder()
	if err := serve(w, r); err != nil {
		var no *endpoint.Error
		if !errors.As(err, &no) {
			h.Fatal(err)
		}
		no.Write(w)
	}
	return w
}

func (h *env) request(method, path string, form url.Values) *http.Request {
	r := httptest.NewRequestWithContext(limit.NewContext(h.Context(), limit.Client{Address: "192.0.2.7"}), method, issuerURL+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = "192.0.2.7:4711"
	return r
}

// post asks the token endpoint as an application, by its secret.
func (h *env) post(client string, form url.Values) (t tokens) {
	h.Helper()
	all := url.Values{"client_id": {client}}
	if s := h.clients[client].Secret; s != "" {
		all.Set("client_secret", s)
	}
	maps.Copy(all, form)
	w := h.send(h.ServeToken, h.request(http.MethodPost, "/token", all))
	if err := json.Unmarshal(w.Body.Bytes(), &t); err != nil {
		h.Fatalf("%v: %s", err, w.Body)
	}
	t.Status = w.Code
	return t
}

func codeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
}

func refreshForm(raw string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {raw}}
}

// redeem is a code that must be good.
func (h *env) redeem(code string) tokens {
	h.Helper()
	return h.good("the code", h.post("app", codeForm(code)))
}

func (h *env) good(what string, t tokens) tokens {
	h.Helper()
	if t.Status != http.StatusOK || t.Access == "" {
		h.Fatalf("%s: %d %s: %s", what, t.Status, t.Error, t.Description)
	}
	return t
}

func (h *env) bad(what string, t tokens, status int, code string) {
	h.Helper()
	if t.Status != status || t.Error != code || t.Description == "" || t.Access != "" || t.ID != "" || t.Refresh != "" {
		h.Errorf("%s: %+v; want %d %s", what, t, status, code)
	}
}

func (h *env) refused(what string, t tokens) {
	h.Helper()
	h.bad(what, t, http.StatusBadRequest, "invalid_grant")
}

// userInfo is the status of UserInfo for an access token.
func (h *env) userInfo(raw string) int {
	h.Helper()
	r := h.request(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	return h.send(h.ServeUserInfo, r).Code
}

// begin is a session that an ID token begins, as package login does it.
func (h *env) begin(raw string) (held secret.Text, err error) {
	h.Helper()
	id, err := h.VerifyIDToken(h.Context(), raw)
	h.must(err)
	var said struct {
		Grant string `json:"sid"`
	}
	h.must(id.Claims(&said))
	return held, h.db.Update(h.Context(), func(tx *db.Tx) error {
		who, err := identity.ByTokenSub(h.Context(), tx, id.Subject)
		if err != nil {
			return err
		}
		if held, err = session.Begin(h.Context(), tx, who, session.Start{GrantID: said.Grant, Now: h.clock, TTL: 30 * 24 * time.Hour}); err != nil {
			return err
		}
		return grant.Continue(h.Context(), tx, said.Grant, h.clock.Add(30*24*time.Hour), h.clock)
	})
}

func (h *env) session(raw string) secret.Text {
	h.Helper()
	held, err := h.begin(raw)
	h.must(err)
	return held
}

func (h *env) isOver(held secret.Text) bool {
	h.Helper()
	err := h.db.View(h.Context(), func(tx *db.Tx) error {
		_, err := token.Verify(h.Context(), tx, held, h.clock)
		return err
	})
	if err != nil && !fault.Is(err, fault.Unauthenticated) {
		h.Fatal(err)
	}
	return err != nil
}

// over holds all that a grant gave to be over, or not.
func (h *env) over(what string, t tokens, held secret.Text, want bool) {
	h.Helper()
	for part, over := range map[string]bool{"session": h.isOver(held), "access token": h.userInfo(t.Access) != http.StatusOK} {
		if over != want {
			h.Errorf("%s: the %s is over: %v", what, part, over)
		}
	}
	_, err := h.begin(t.ID)
	if over := fault.Is(err, fault.Unauthenticated); over != want || !over && err != nil {
		h.Errorf("%s: another session of its ID token: %v", what, err)
	}
}

// rows are the grants that there are, wherever.
func (h *env) rows() (n int64) {
	h.Helper()
	h.must(h.db.View(h.Context(), func(tx *db.Tx) error { return tx.Row(h.Context(), []any{&n}, `SELECT COUNT(*) FROM grants`) }))
	return n + int64(h.Unredeemed())
}

// events are the audit events about clients, oldest first.
func (h *env) events() (all []string) {
	h.Helper()
	h.must(h.db.View(h.Context(), func(tx *db.Tx) error {
		return tx.Rows(h.Context(), func(scan func(...any) error) error {
			var actor, action, object, detail string
			err := scan(&actor, &action, &object, &detail)
			all = append(all, strings.Join([]string{actor, action, object, detail}, " "))
			return err
		}, `SELECT actor, action, object, detail FROM audit_events WHERE object > 'client/' AND object < 'client0' ORDER BY at, id`)
	}))
	slices.Sort(all)
	return all
}

func (h *env) as(actor principal.Name) audit.By { return audit.By{Actor: actor, At: h.clock} }

// claimsOf is what a token says, and what its header says.
func claimsOf(t *testing.T, raw string) (header, claims map[string]any) {
	t.Helper()
	for n, part := range strings.Split(raw, ".")[:2] {
		plain, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		into := []*map[string]any{&header, &claims}[n]
		if err := json.NewDecoder(bytes.NewReader(plain)).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}
