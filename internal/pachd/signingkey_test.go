package pachd_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	authpb "pachyderm/api/auth"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/config"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/secret"
)

// idToken signs Alice in as pachctl does, up to its ID token.
func idToken(t *testing.T, s *pachdtest.Server) string {
	t.Helper()
	const verifier, answer = "a-verifier-that-is-long-enough-for-rfc-7636-43", "http://127.0.0.1:7/answer"
	sum := sha256.Sum256([]byte(verifier))
	b := optest.NewBrowser(t, func(u *url.URL) bool { return u.Host == "127.0.0.1:7" })
	at := b.SignIn(s.HTTP+"/auth?"+url.Values{
		"client_id": {"pachctl"}, "redirect_uri": {answer}, "response_type": {"code"}, "scope": {"openid email groups"}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode(), optest.Alice)
	page := b.Post(s.HTTP+"/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"pachctl"}, "code": {at.URL.Query().Get("code")}, "redirect_uri": {answer}, "code_verifier": {verifier},
	})
	var tokens struct {
		ID string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(page.Body), &tokens); err != nil || tokens.ID == "" {
		t.Fatalf("%v: %s %s", err, at.URL, page.Body)
	}
	return tokens.ID
}

func keyOf(t *testing.T, token string) string {
	t.Helper()
	parsed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	edit(t, err)
	return parsed.Signatures[0].Header.KeyID
}

func keySet(t *testing.T, s *pachdtest.Server) (ids []string) {
	t.Helper()
	var set jose.JSONWebKeySet
	_, text := get(t, s.HTTP+"/keys")
	edit(t, json.Unmarshal([]byte(text), &set))
	for _, k := range set.Keys {
		ids = append(ids, k.KeyID)
	}
	return ids
}

// The signing keys, of ID tokens and of access tokens, are replaced by the replica that first finds it is time. What was
// signed before is good at all of them until it expires, and what the new key signs
// at once.
func TestSigningKey_RotatesWithoutAPause(t *testing.T) {
	t.Parallel()
	database, sealing := dbtest.PostgresURL(t), t.TempDir()+"/key"
	with := func(c *config.Config) {
		c.Database.URL, c.Sealing.KeyFile, c.Auth.RootToken = secret.Text(database), sealing, "a-root-token-of-this-test"
	}
	first := pachdtest.StartAhead(t, -6*time.Hour+time.Minute, t.TempDir(), with)
	awaitReady(t, first)
	keySet(t, first) // which are made by then
	first.Stop()
	a := pachdtest.Start(t, with)
	a.Connect()
	before := idToken(t, a)

	// It is time. a has not looked yet, and b does so as it starts.
	const later = 90 * time.Second
	a.Ahead(later)
	b := pachdtest.StartAhead(t, later, t.TempDir(), with, func(c *config.Config) { c.PublicURL = a.HTTP })
	for name, s := range map[string]*pachdtest.Server{"a": a, "b": b} {
		for start := time.Now(); len(keySet(t, s)) < 4 && time.Since(start) < time.Minute; time.Sleep(10 * time.Millisecond) {
		}
		if ids := keySet(t, s); !slices.Contains(ids, keyOf(t, before)) || len(ids) != 4 {
			t.Errorf("%s serves the keys %v, and what has been signed with %s is still good", name, ids, keyOf(t, before))
		}
	}
	after := idToken(t, a)
	if keyOf(t, before) == keyOf(t, after) {
		t.Error("the key that signs is the old one")
	}
	res, err := b.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: before})
	edit(t, err)
	if who, err := whoAmI(t, a, res.GetPachToken()); who != pachdtest.Alice || err != nil {
		t.Errorf("by the token from before: %s, %v", who, err)
	}
	_, err = b.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: after})
	edit(t, err)

	// Nothing that was signed with it is good for longer.
	for _, s := range []*pachdtest.Server{a, b} {
		s.Ahead(7 * time.Hour)
		if _, err := s.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: before}); err == nil || !strings.Contains(err.Error(), "could not verify token") {
			t.Errorf("an hour later: %v", err)
		}
	}
}
