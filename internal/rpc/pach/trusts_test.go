package pach_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc/codes"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/pachd/pachdtest"
)

const tokenType = "urn:ietf:params:oauth:token-type:"

// ci is an issuer of tokens for jobs, as CI systems are.
type ci struct {
	*httptest.Server
	t       *testing.T
	key     *ecdsa.PrivateKey
	fetched atomic.Int64 // its keys
	down    atomic.Bool
}

func startCI(t *testing.T) *ci {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &ci{t: t, key: key}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": c.URL, "jwks_uri": c.URL + "/keys"})
		case "/keys":
			c.fetched.Add(1)
			_, _ = w.Write([]byte(c.jwks()))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *ci) jwks() string {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: c.key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}}
	text, err := json.Marshal(set)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// claims of a job of acme/genomics on its main branch.
func (c *ci) claims(audience string) map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": c.URL, "sub": "repo:acme/genomics", "aud": audience, "repository": "acme/genomics", "ref": "refs/heads/main",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
}

func (c *ci) sign(claims map[string]any) string {
	return signed(c.t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: c.key, KeyID: "one"}}, "JWT", claims)
}

func signed(t *testing.T, key jose.SigningKey, typ string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := token.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func (h *env) trust(id, issuer string, robot string) *pachpb.Trust {
	return &pachpb.Trust{
		Id: id, Issuer: issuer, Audience: h.Issuer.URL(), Robot: robot, Claims: map[string]string{"repository": "acme/genomics", "ref": "refs/heads/*"},
	}
}

func (h *env) createTrust(ctx context.Context, t *pachpb.Trust) error {
	_, err := h.API.Pach.CreateTrust(ctx, &pachpb.CreateTrustRequest{Trust: t})
	return err
}

// exchanged is what the token endpoint answers.
type exchanged struct {
	status      int
	AccessToken string `json:"access_token"`
	Issued      string `json:"issued_token_type"`
	Type        string `json:"token_type"`
	Expires     int64  `json:"expires_in"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (h *env) exchange(token string, more ...string) (e exchanged) {
	h.t.Helper()
	form := url.Values{
		"grant_type":    {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token": {token}, "subject_token_type": {tokenType + "jwt"},
	}
	for n := 0; n < len(more); n += 2 {
		form.Set(more[n], more[n+1])
	}
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.Issuer.Endpoint("/token"), strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil {
		h.t.Fatalf("%s: %v", body, err)
	}
	e.status = res.StatusCode
	return e
}

func TestTrust_GivesARobotsToken(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		c := startCI(t)
		if err := h.createTrust(h.Root(), h.trust("ci", c.URL, "genomics-ci")); err != nil {
			t.Fatal(err)
		}
		got := h.exchange(c.sign(c.claims(h.Issuer.URL())))
		if got.status != http.StatusOK || got.Issued != tokenType+"access_token" || got.Type != "Bearer" || got.Expires != 3600 {
			t.Fatalf("%+v", got)
		}
		as := pachdtest.As(t.Context(), got.AccessToken)
		who, err := h.WhoAmI(as)
		if err != nil || who.GetUsername() != "robot:genomics-ci" || who.GetExpiration().AsTime().After(time.Now().Add(time.Hour+time.Minute)) {
			t.Errorf("%v, %v", who, err)
		}
		held, err := h.API.Pach.ListTokens(h.Root(), &pachpb.ListTokensRequest{Principal: "robot:genomics-ci"})
		if err != nil || len(held.GetTokens()) != 1 || held.GetTokens()[0].GetTrust() != "ci" {
			t.Errorf("listed: %v, %v", held, err)
		}
		if _, err := h.API.Pach.DeleteTrust(h.Root(), &pachpb.DeleteTrustRequest{Id: "ci"}); err != nil {
			t.Fatal(err)
		}
		_, err = h.WhoAmI(as)
		pachdtest.Want(t, err, codes.Unauthenticated)
		if got := h.exchange(c.sign(c.claims(h.Issuer.URL()))); got.status != http.StatusBadRequest || got.Error != "invalid_request" {
			t.Errorf("once the trust is gone: %+v", got)
		}
	})
}

// Whoever forges one of these gets the same answer, from which nothing is learnt
// of what the trust demands.
func TestTrust_RefusesForgedTokens(t *testing.T) {
	h := open(t)
	c, stranger := startCI(t), startCI(t)
	if err := h.createTrust(h.Root(), h.trust("ci", c.URL, "ci")); err != nil {
		t.Fatal(err)
	}
	with := func(key string, value any) map[string]any {
		claims := c.claims(h.Issuer.URL())
		if claims[key] = value; value == nil {
			delete(claims, key)
		}
		return claims
	}
	now := time.Now()
	right := c.claims(h.Issuer.URL())
	hmac := jose.SigningKey{Algorithm: jose.HS256, Key: []byte(c.jwks())}
	none := "eyJhbGciOiJub25lIn0." + strings.Split(c.sign(right), ".")[1] + "."
	var embedded jose.SigningKey
	embedded.Algorithm, embedded.Key = jose.ES256, stranger.key
	withJWK, err := jose.NewSigner(embedded, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(right)
	if err != nil {
		t.Fatal(err)
	}
	object, err := withJWK.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	ownKey, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]bool{}
	for name, token := range map[string]string{
		"another's signature":    stranger.sign(right),
		"a key in the token":     ownKey,
		"another issuer":         stranger.sign(stranger.claims(h.Issuer.URL())),
		"another's name":         c.sign(with("iss", stranger.URL)),
		"another audience":       c.sign(with("aud", "https://other.example.com")),
		"no audience":            c.sign(with("aud", nil)),
		"a fork":                 c.sign(with("repository", "mallory/genomics")),
		"a claim that is a list": c.sign(with("repository", []string{"acme/genomics"})),
		"a pull request":         c.sign(with("ref", "refs/pull/1/merge")),
		"an expired one":         c.sign(with("exp", now.Add(-2*time.Minute).Unix())),
		"one without an end":     c.sign(with("exp", nil)),
		"an end that is text":    c.sign(with("exp", "9999999999")),
		"an end at infinity":     c.sign(with("exp", 1e300)),
		"one from the future":    c.sign(with("nbf", now.Add(time.Hour).Unix())),
	} {
		got := h.exchange(token)
		if got.status != http.StatusBadRequest || got.Error != "invalid_request" || got.AccessToken != "" {
			t.Errorf("%s: %+v", name, got)
		}
		answers[got.Description] = true
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
	for name, token := range map[string]string{
		"a shared key": signed(t, hmac, "JWT", right), "no signature": none, "nothing": "x", "a logout token": signed(t,
			jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: c.key, KeyID: "one"}}, "logout+jwt", right),
	} {
		if got := h.exchange(token); got.status != http.StatusBadRequest || got.Error != "invalid_request" || got.AccessToken != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := h.exchange(c.sign(right)); got.status != http.StatusOK {
		t.Errorf("the right one: %+v", got)
	}
	if n := stranger.fetched.Load(); n != 0 {
		t.Errorf("an issuer that nobody trusts was asked %d times", n)
	}
}

// A person's tokens are not for robots: neither those of our own issuer nor, by
// way of a trust, another kind of request.
func TestTrust_Requests(t *testing.T) {
	h := open(t)
	c := startCI(t)
	if err := h.createTrust(h.Root(), h.trust("ci", c.URL, "ci")); err != nil {
		t.Fatal(err)
	}
	if err := h.createTrust(h.Root(), h.trust("other", c.URL, "other")); err != nil {
		t.Fatal(err)
	}
	token := c.sign(c.claims(h.Issuer.URL()))
	for name, form := range map[string][]string{
		"no token":             {"subject_token", ""},
		"a token of our own":   {"subject_token_type", tokenType + "access_token"},
		"no type":              {"subject_token_type", ""},
		"an actor":             {"actor_token", token},
		"another type wanted":  {"requested_token_type", tokenType + "refresh_token"},
		"a person":             {"requested_subject", "user:alice@example.com"},
		"root":                 {"requested_subject", "pach:root"},
		"several robots":       {},
		"a robot of nobody's":  {"requested_subject", "robot:third"},
		"for another service":  {"audience", "https://other.example.com", "requested_subject", "robot:ci"},
		"for another resource": {"resource", "https://other.example.com", "requested_subject", "robot:ci"},
	} {
		if got := h.exchange(token, form...); got.status != http.StatusBadRequest || got.AccessToken != "" || got.Description == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, robot := range []string{"robot:ci", "robot:other"} {
		got := h.exchange(token, "requested_subject", robot, "audience", h.Issuer.URL())
		if who, err := h.WhoAmI(pachdtest.As(t.Context(), got.AccessToken)); err != nil || who.GetUsername() != robot {
			t.Errorf("%s: %v, %v", robot, who, err)
		}
	}
}

func TestTrust_IssuerIsDown(t *testing.T) {
	h := open(t)
	c := startCI(t)
	c.down.Store(true)
	err := h.createTrust(h.Root(), h.trust("ci", c.URL, "ci"))
	pachdtest.Want(t, err, codes.Unavailable, "cannot be had")
	c.down.Store(false)
	given := h.trust("ci", c.URL, "ci")
	given.Jwks = "{}"
	pachdtest.Want(t, h.createTrust(h.Root(), given), codes.InvalidArgument, "JSON Web Key Set")
	given.Jwks = c.jwks()
	if err := h.createTrust(h.Root(), given); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if got := h.exchange(c.sign(c.claims(h.Issuer.URL()))); got.status != http.StatusOK {
		t.Errorf("with its keys in the trust: %+v", got)
	}
	fetches := startCI(t)
	if err := h.createTrust(h.Root(), h.trust("fetches", fetches.URL, "ci")); err != nil {
		t.Fatal(err)
	}
	fetches.down.Store(true)
	h.Ahead(25 * time.Hour) // beyond what keys are kept without asking
	claims := fetches.claims(h.Issuer.URL())
	claims["exp"] = time.Now().Add(26 * time.Hour).Unix()
	if got := h.exchange(fetches.sign(claims)); got.status != http.StatusOK {
		t.Errorf("with keys from before the outage: %+v", got)
	}
}

// A trust is a way to have tokens of a robot, and gives no more than whoever made
// it could give.
func TestTrust_GivesNoMoreThanItsMaker(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		c := startCI(t)
		for who, roles := range map[string][]string{
			"robot:idp": {"idpAdmin"}, "robot:maker": {"robotUser"}, "robot:both": {"idpAdmin", "robotUser"}, "robot:admin": {"clusterAdmin"},
			"robot:strong": {"clusterAdmin"}, "robot:weak": {},
		} {
			if err := h.Bind(pachdtest.Cluster(), who, roles...); err != nil {
				t.Fatal(err)
			}
		}
		as := func(name string) context.Context {
			ctx, _ := h.Robot(name, 3600)
			return ctx
		}
		for _, lesser := range []string{"idp", "maker", "weak"} {
			pachdtest.Want(t, h.createTrust(as(lesser), h.trust("x", c.URL, "weak")), codes.PermissionDenied)
		}
		pachdtest.Want(t, h.createTrust(as("both"), h.trust("x", c.URL, "strong")), codes.PermissionDenied, "could not grant")
		if err := h.createTrust(as("both"), h.trust("both", c.URL, "weak")); err != nil {
			t.Fatal(err)
		}
		want := func(when string, status int) {
			t.Helper()
			got := h.exchange(c.sign(c.claims(h.Issuer.URL())))
			if got.status != status {
				t.Errorf("%s: %+v", when, got)
			}
		}
		want("as it was made", http.StatusOK)
		held := h.exchange(c.sign(c.claims(h.Issuer.URL()))).AccessToken
		if err := h.Bind(pachdtest.Cluster(), "robot:weak", "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		want("once the robot has what its maker could not grant", http.StatusBadRequest)
		_, err := h.WhoAmI(pachdtest.As(t.Context(), held))
		pachdtest.Want(t, err, codes.Unauthenticated)
		if _, err := h.API.Pach.DeleteTrust(as("idp"), &pachpb.DeleteTrustRequest{Id: "both"}); err != nil {
			t.Fatal(err)
		}
		if err := h.createTrust(as("admin"), h.trust("admin", c.URL, "weak")); err != nil {
			t.Fatal(err)
		}
		want("by an administrator", http.StatusOK)
		if err := h.Bind(pachdtest.Cluster(), "robot:admin"); err != nil {
			t.Fatal(err)
		}
		want("once they are none", http.StatusBadRequest)
	})
}

func TestTrust_EndsWithItsMaker(t *testing.T) {
	h := open(t)
	h.Connect()
	c := startCI(t)
	alice := pachdtest.As(t.Context(), h.Alice())
	if err := h.Bind(pachdtest.Cluster(), pachdtest.Alice, "clusterAdmin"); err != nil {
		t.Fatal(err)
	}
	if err := h.createTrust(alice, h.trust("ci", c.URL, "ci")); err != nil {
		t.Fatal(err)
	}
	token := c.sign(c.claims(h.Issuer.URL()))
	if got := h.exchange(token); got.status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	if err := h.SetEnabled(pachdtest.Alice, false); err != nil {
		t.Fatal(err)
	}
	if got := h.exchange(token); got.status != http.StatusBadRequest {
		t.Errorf("once she is disabled: %+v", got)
	}
	test, err := h.API.Pach.TestTrust(h.Root(), &pachpb.TestTrustRequest{Token: token})
	if err != nil || len(test.GetResults()) != 1 || !strings.Contains(test.GetResults()[0].GetRefused(), "who made the trust ci, may not act any more") {
		t.Errorf("%v, %v", test, err)
	}
	if err := h.SetEnabled(pachdtest.Alice, true); err != nil {
		t.Fatal(err)
	}
	if got := h.exchange(token); got.status != http.StatusOK {
		t.Errorf("once she is enabled: %+v", got)
	}
	h.Deactivate(h.Root())
	if got := h.exchange(token); got.status != http.StatusBadRequest {
		t.Errorf("once authentication is off: %+v", got)
	}
}

func TestTestTrust_SaysWhy(t *testing.T) {
	h := open(t)
	c := startCI(t)
	for id, claims := range map[string]map[string]string{
		"main": {"ref": "refs/heads/main"}, "tags": {"ref": "refs/tags/*"}, "protected": {"ref_protected": "true"},
	} {
		given := h.trust(id, c.URL, "ci")
		maps.Copy(given.GetClaims(), claims)
		if err := h.createTrust(h.Root(), given); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.API.Pach.TestTrust(h.Root(), &pachpb.TestTrustRequest{Token: c.sign(c.claims(h.Issuer.URL()))})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []struct{ trust, refused string }{
		{"main", ""},
		{"protected", `it has no claim "ref_protected" that is text, a number or a boolean`},
		{"tags", `the claim "ref" is "refs/heads/main", and the trust demands "refs/tags/*"`},
	} {
		if r := got.GetResults()[n]; r.GetTrust() != want.trust || r.GetRefused() != want.refused || r.GetRobot() != "robot:ci" {
			t.Errorf("got %v, want %v", r, want)
		}
	}
	stranger := startCI(t)
	_, err = h.API.Pach.TestTrust(h.Root(), &pachpb.TestTrustRequest{Token: stranger.sign(stranger.claims("x"))})
	pachdtest.Want(t, err, codes.NotFound, "there is no trust in the issuer", "pachctl idp trust create")
	robot, _ := h.Robot("weak", 60)
	_, err = h.API.Pach.TestTrust(robot, &pachpb.TestTrustRequest{Token: "x"})
	pachdtest.Want(t, err, codes.PermissionDenied)
	held, err := h.API.Auth.GetRobotToken(h.Root(), &authpb.GetRobotTokenRequest{Robot: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.API.Pach.TestTrust(h.Root(), &pachpb.TestTrustRequest{Token: held.GetToken()})
	pachdtest.Want(t, err, codes.InvalidArgument, "not a JWT")
	if strings.Contains(h.Log.String(), held.GetToken()) {
		t.Error("the token is in the log")
	}
}

func TestListTokens_LastUse(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		as, _ := h.Robot("ci", 3*24*3600)
		used := func() time.Time {
			t.Helper()
			r, err := h.API.Pach.ListTokens(h.Root(), &pachpb.ListTokensRequest{Principal: "robot:ci"})
			if err != nil || len(r.GetTokens()) != 1 {
				t.Fatalf("%v, %v", r, err)
			}
			if r.GetTokens()[0].GetUsed() == nil {
				return time.Time{}
			}
			return r.GetTokens()[0].GetUsed().AsTime()
		}
		use := func() time.Time {
			t.Helper()
			if _, err := h.WhoAmI(as); err != nil {
				t.Fatal(err)
			}
			if err := h.Sessions.WriteUses(t.Context()); err != nil {
				t.Fatal(err)
			}
			return used()
		}
		if got := used(); !got.IsZero() {
			t.Errorf("before it was used: %v", got)
		}
		first := use()
		if age := h.Now().Sub(first); age < 0 || age > time.Minute {
			t.Errorf("used %v ago", age)
		}
		h.Ahead(2 * time.Hour)
		if second := use(); second.Sub(first) < 119*time.Minute {
			t.Errorf("two hours later: %v after %v", second, first)
		}
		at := use()
		if again := use(); again != at {
			t.Errorf("written once more within the hour: %v after %v", again, at)
		}
		h.Ahead(4 * time.Hour)
		if third := use(); third.Sub(first) < 239*time.Minute {
			t.Errorf("four hours later: %v after %v", third, first)
		}
	})
}
