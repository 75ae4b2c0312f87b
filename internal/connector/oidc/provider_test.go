package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	clientID     = "pachyderm"
	clientSecret = "s3cret/with:odd%characters"
	callbackURL  = "http://localhost:30658/callback"
)

// provider is a small OpenID provider that does everything right, until a test
// tells it not to.
type provider struct {
	*httptest.Server
	t   *testing.T
	now func() time.Time

	mu   sync.Mutex
	keys map[string]*ecdsa.PrivateKey
	kid  string
	// asked is the query of the last authorization request.
	asked  url.Values
	grants map[string]url.Values
	pushed map[string]url.Values // by request_uri
	secret []string              // whatever must not show up in an error or a log

	keyFetches, discoveries, userInfos atomic.Int32

	// The misbehaviours.
	discovery func(map[string]any)
	claims    func(map[string]any)
	tokens    func(map[string]any)
	userInfo  func(map[string]any)
	sign      func(map[string]any) string
	answer    func(url.Values)
	handle    map[string]http.HandlerFunc
}

func newProvider(t *testing.T, now func() time.Time) *provider {
	t.Helper()
	p := &provider{
		t: t, now: now, keys: map[string]*ecdsa.PrivateKey{}, grants: map[string]url.Values{}, pushed: map[string]url.Values{}, handle: map[string]http.HandlerFunc{},
	}
	p.rotate("first")
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) rotate(kid string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys, p.kid = map[string]*ecdsa.PrivateKey{kid: key}, kid
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h, ok := p.handle[r.URL.Path]; ok {
		h(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.discoveries.Add(1)
		m := map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize?tenant=7", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/keys", "userinfo_endpoint": p.URL + "/userinfo",
			"scopes_supported":                      []string{"openid", "profile", "email", "groups", "offline_access"},
			"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		}
		p.send(w, m, p.discovery)
	case "/keys":
		p.keyFetches.Add(1)
		p.serveKeys(w)
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.serveTokens(w, r)
	case "/par":
		p.takePushed(w, r)
	case "/userinfo":
		p.userInfos.Add(1)
		if r.Header.Get("Authorization") != "Bearer upstream-access-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		p.send(w, map[string]any{"sub": "248289761001"}, p.userInfo)
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) send(w http.ResponseWriter, m map[string]any, change func(map[string]any)) {
	if change != nil {
		change(m)
	}
	if err := json.NewEncoder(w).Encode(m); err != nil {
		p.t.Error(err)
	}
}

func (p *provider) serveKeys(w http.ResponseWriter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Keys that nobody here can use must not get in the way of those that can.
	list := []any{map[string]any{"kty": "AKP", "kid": "later"}, map[string]any{"kty": "oct", "kid": "first", "k": "c2VjcmV0"}}
	for kid, key := range p.keys {
		list = append(list, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig", Algorithm: "ES256"})
	}
	p.send(w, map[string]any{"keys": list}, nil)
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	if known := p.pushed[q.Get("request_uri")]; known != nil { // once, and it is all that counts (RFC 9126, 4)
		delete(p.pushed, q.Get("request_uri"))
		if len(q) != 3 || q.Get("client_id") != clientID {
			p.t.Errorf("beside the request_uri: %v", q)
		}
		q = known
		q.Set("tenant", "7")
	}
	p.asked = q
	if q.Get("tenant") != "7" || q.Get("client_id") != clientID || q.Get("response_type") != "code" {
		p.t.Errorf("authorization request: %v", q)
	}
	code := rand.Text()
	p.grants[code] = q
	p.secret = append(p.secret, code)
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	if p.answer != nil {
		p.answer(back)
	}
	w.Header().Set("Location", q.Get("redirect_uri")+"?"+back.Encode())
	w.WriteHeader(http.StatusFound)
}

// takePushed is the endpoint of RFC 9126, 2.
func (p *provider) takePushed(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	if id, _ = url.QueryUnescape(id); id != clientID || secret != url.QueryEscape(clientSecret) {
		p.refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	if err := r.ParseForm(); err != nil {
		p.t.Error(err)
	}
	uri := "urn:ietf:params:oauth:request_uri:" + rand.Text()
	p.pushed[uri] = r.PostForm
	w.WriteHeader(http.StatusCreated)
	p.send(w, map[string]any{"request_uri": uri, "expires_in": 60}, nil)
}

// pushOnly takes pushed requests only, and says so.
func pushOnly(p *provider) {
	p.discovery = set(map[string]any{
		"pushed_authorization_request_endpoint": p.URL + "/par", "require_pushed_authorization_requests": true,
	})
	p.handle["/authorize"] = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("request_uri") == "" {
			p.t.Errorf("not pushed: %v", r.URL.Query())
		}
		p.authorize(w, r)
	}
}

func (p *provider) serveTokens(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != clientID || secret != clientSecret {
		p.refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	var asked url.Values
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		code := r.PostFormValue("code")
		asked = p.grants[code]
		delete(p.grants, code)
		hash := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if asked == nil || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(hash[:]) ||
			asked.Get("redirect_uri") != r.PostFormValue("redirect_uri") {
			p.refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
	case "refresh_token":
		if r.PostFormValue("refresh_token") != "upstream-refresh-token" {
			p.refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
	default:
		p.refuse(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	hash := sha256.Sum256([]byte("upstream-access-token"))
	claims := map[string]any{
		"iss": p.URL, "aud": clientID, "sub": "248289761001", "iat": p.now().Unix(), "exp": p.now().Add(time.Hour).Unix(),
		"at_hash": base64.RawURLEncoding.EncodeToString(hash[:16]),
		"email":   "Jane.Doe@Example.com", "email_verified": true, "name": "Jane Doe", "preferred_username": "jane",
	}
	if asked != nil {
		claims["nonce"] = asked.Get("nonce")
	}
	if p.claims != nil {
		p.claims(claims)
	}
	sign := p.sign
	if sign == nil {
		sign = func(claims map[string]any) string { return signWith(p.t, jose.ES256, p.keys[p.kid], p.kid, claims) }
	}
	raw := sign(claims)
	p.secret = append(p.secret, raw)
	m := map[string]any{"access_token": "upstream-access-token", "token_type": "Bearer", "expires_in": 300, "id_token": raw}
	if asked == nil || slices.Contains(strings.Fields(asked.Get("scope")), "offline_access") {
		m["refresh_token"] = "upstream-refresh-token"
	}
	p.send(w, m, p.tokens)
}

func (p *provider) refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	p.send(w, map[string]any{"error": code, "error_description": "AADSTS7000215: look it up"}, nil)
}

// signWith signs by hand where go-jose would refuse to.
func signWith(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	if alg == "none" {
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + "."
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (p *provider) public() crypto.PublicKey { return p.keys[p.kid].Public() }

func set(values map[string]any) func(map[string]any) {
	return func(m map[string]any) { maps.Copy(m, values) }
}

func without(keys ...string) func(map[string]any) {
	return func(m map[string]any) {
		for _, k := range keys {
			delete(m, k)
		}
	}
}
