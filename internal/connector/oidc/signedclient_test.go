package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/connector/oidc/clientauth"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

const (
	longSecret = "a-client-secret-of-more-than-32-bytes"
	keysURL    = "https://pach.example.com/connector-keys"
)

// signedProvider verifies client assertions (RFC 7523, 3) and takes nothing else.
type signedProvider struct {
	*fixture
	verify map[string]any // by algorithm
	seen   map[string]bool
	aud    string
}

// startSigned connects to a provider that offers some methods and algorithms.
func startSigned(t *testing.T, methods, algorithms []string, change func(*Config)) *signedProvider {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := &signedProvider{
		seen:   map[string]bool{},
		verify: map[string]any{"ES256": ec.Public(), "RS256": long.Public(), "HS256": []byte(longSecret)},
	}
	private := map[string]any{"ES256": ec, "RS256": long}
	s.fixture = start(t, nil, func(p *provider) {
		p.discovery = set(map[string]any{
			"token_endpoint_auth_methods_supported": methods, "token_endpoint_auth_signing_alg_values_supported": algorithms,
			"pushed_authorization_request_endpoint": p.URL + "/par",
		})
		s.aud = p.URL
		p.handle["/token"], p.handle["/par"] = s.authenticated(p, p.serveTokens), s.authenticated(p, p.takePushed)
	})
	s.keys = clientauth.Keys{
		URL: func() string { return keysURL },
		Signing: func(_ context.Context, algorithm string) (jose.JSONWebKey, error) {
			return jose.JSONWebKey{Key: private[algorithm], KeyID: "ours-" + algorithm}, nil
		},
	}
	cfg := s.config()
	cfg.ClientSecret = longSecret
	if change != nil {
		change(&cfg)
	}
	s.conn = s.open(cfg)
	return s
}

func (s *signedProvider) authenticated(p *provider, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := s.check(p, r); err != nil {
			p.refuse(w, http.StatusUnauthorized, "invalid_client")
			return
		}
		r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(clientSecret)) // as the rest of the provider wants it
		next(w, r)
	}
}

func (s *signedProvider) check(p *provider, r *http.Request) error {
	raw := r.PostFormValue("client_assertion")
	if r.Header.Get("Authorization") != "" || r.PostFormValue("client_secret") != "" || r.PostFormValue("client_id") != clientID ||
		r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		p.t.Errorf("not by an assertion: %v", r.PostForm)
	}
	p.mu.Lock()
	p.secret = append(p.secret, raw)
	p.mu.Unlock()
	token, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.HS256})
	if err != nil {
		return err
	}
	payload, err := token.Verify(s.verify[token.Signatures[0].Header.Algorithm])
	if err != nil {
		return err
	}
	var c struct {
		Iss, Sub, Aud, Jti string
		Iat, Exp           int64
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return err
	}
	if c.Iss != clientID || c.Sub != clientID || c.Aud != s.aud || len(c.Jti) < 22 || s.seen[c.Jti] || c.Iat != p.now().Unix() || c.Exp-c.Iat > 60 || c.Exp <= c.Iat {
		p.t.Errorf("the assertion says %s", payload)
	}
	s.seen[c.Jti] = true
	return nil
}

func TestOIDCSignedClient(t *testing.T) {
	both := []string{"private_key_jwt", "client_secret_jwt"}
	set := func(method string) func(*Config) {
		return func(c *Config) { c.TokenEndpointAuthMethod = method }
	}
	withoutSecret := func(c *Config) { c.TokenEndpointAuthMethod, c.ClientSecret = "private_key_jwt", "" }
	for name, c := range map[string]struct {
		methods, algorithms []string
		change              func(*Config)
		algorithm           string
	}{
		"only keys":                      {[]string{"private_key_jwt"}, nil, nil, "RS256"},
		"only keys, and ES256":           {[]string{"private_key_jwt"}, []string{"RS256", "PS256", "ES256"}, nil, "ES256"},
		"a secret comes first":           {both, nil, nil, "HS256"},
		"a secret comes first, of a few": {both, []string{"ES256", "HS512", "HS256"}, nil, "HS256"},
		"keys by the document":           {both, []string{"ES256", "HS256"}, set("private_key_jwt"), "ES256"},
		"without a secret":               {[]string{"client_secret_basic", "private_key_jwt"}, nil, withoutSecret, "RS256"},
		"a signed secret by the document": {
			[]string{"client_secret_basic", "client_secret_jwt"}, nil, set("client_secret_jwt"), "HS256",
		},
		"pushed": {[]string{"private_key_jwt"}, []string{"ES256"}, func(c *Config) { c.PushedAuthorizationRequests = true }, "ES256"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSigned(t, c.methods, c.algorithms, c.change)
			for algorithm := range s.verify {
				if algorithm != c.algorithm {
					delete(s.verify, algorithm)
				}
			}
			if who, err := s.signIn(dexconn.Scopes{}, nil); err != nil || who.UserID != "248289761001" {
				t.Errorf("%+v, %v", who, err)
			}
			if want := 1 + strings.Count(name, "pushed"); len(s.seen) != want {
				t.Errorf("%d assertions, want %d", len(s.seen), want)
			}
		})
	}
}

func TestOIDCSignedClient_Refused(t *testing.T) {
	for name, c := range map[string]struct {
		methods, algorithms []string
		change              func(*Config)
		misbehave           func(*signedProvider)
		want                string
	}{
		"another key": {
			[]string{"private_key_jwt"},
			nil, nil, func(s *signedProvider) { delete(s.verify, "RS256") },
			"client ID or key (private_key_jwt), saying \"AADSTS7000215: look it up\": check clientID, that the client has private_key_jwt " +
				"and the keys at " + keysURL + " there (jwks_uri)",
		},
		"another secret": {
			[]string{"client_secret_jwt"},
			nil, nil, func(s *signedProvider) { s.verify["HS256"] = []byte(longSecret + "x") },
			"client ID or secret (client_secret_jwt)",
		},
		"a short secret": {
			[]string{"client_secret_jwt"}, nil, func(c *Config) { c.ClientSecret = longSecret[:31] }, nil, "less than the 32 bytes",
		},
		"other algorithms for keys": {
			[]string{"private_key_jwt"},
			[]string{"PS256", "EdDSA"},
			nil, nil,
			"client assertions (private_key_jwt) signed with PS256, EdDSA only, this server signs with ES256 RS256",
		},
		"other algorithms for secrets": {
			[]string{"client_secret_jwt"}, []string{"HS512"}, nil, nil, "client assertions (client_secret_jwt) signed with HS512 only",
		},
		"an assertion in the description": {
			[]string{"private_key_jwt"}, nil, nil, func(s *signedProvider) {
				s.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
					raw := r.PostFormValue("client_assertion")
					s.secret = append(s.secret, raw)
					w.WriteHeader(http.StatusBadRequest)
					s.send(w, map[string]any{"error": "invalid_request", "error_description": "no " + raw[:100] + " " + raw}, nil)
				}
			}, "(HTTP status 400, invalid_request)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSigned(t, c.methods, c.algorithms, c.change)
			if c.misbehave != nil {
				c.misbehave(s)
			}
			_, err := s.signIn(dexconn.Scopes{}, nil)
			if !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), c.want) {
				t.Errorf("%v\nwant: %s", err, c.want)
			}
			s.quiet(err)
			if strings.Contains(err.Error(), "eyJ") || strings.Contains(err.Error(), longSecret) {
				t.Errorf("it tells: %v", err)
			}
		})
	}
}

// A provider that says it is another's token endpoint gets an assertion which is
// good nowhere but with itself.
func TestOIDCSignedClient_AudienceIsTheIssuer(t *testing.T) {
	s := startSigned(t, []string{"private_key_jwt"}, nil, nil)
	was := s.discovery
	s.discovery = func(m map[string]any) { was(m); m["token_endpoint"] = s.URL + "/of/another" }
	s.handle["/of/another"] = s.handle["/token"]
	if _, err := s.signIn(dexconn.Scopes{}, nil); err != nil || len(s.seen) != 1 {
		t.Errorf("%v, %d assertions", err, len(s.seen))
	}
}

// A key that cannot be had is no sign-in, and the person hears nothing of why.
func TestOIDCSignedClient_NoKey(t *testing.T) {
	s := startSigned(t, []string{"private_key_jwt"}, nil, nil)
	s.keys.Signing = func(context.Context, string) (jose.JSONWebKey, error) {
		return jose.JSONWebKey{}, errors.New("the database is away")
	}
	s.conn = s.open(s.config())
	if _, _, err := s.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state"); !fault.Is(err, fault.Internal) {
		t.Errorf("%v", err)
	}
}

func TestOIDCCheck_SignedClient(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		change func(*signedProvider)
		status probe.Status
		result string
		remedy string
	}{
		"our key":    {"private_key_jwt", nil, probe.OK, "knows the client ID and our key (private_key_jwt), from " + keysURL, ""},
		"our secret": {"client_secret_jwt", nil, probe.OK, "knows the client ID and the secret", ""},
		"another key": {
			"private_key_jwt", func(s *signedProvider) { delete(s.verify, "ES256") }, probe.Failed, "refused our client ID or key", "the keys at " + keysURL,
		},
		"any key": {
			"private_key_jwt", func(s *signedProvider) {
				s.handle["/token"] = func(w http.ResponseWriter, _ *http.Request) {
					s.refuse(w, http.StatusBadRequest, "invalid_grant")
				}
			}, probe.Skipped, "the same whatever", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSigned(t, []string{c.method}, []string{"ES256", "HS256"}, nil)
			if c.change != nil {
				c.change(s)
			}
			r := probe.New(time.Now)
			s.conn.Check(t.Context(), r)
			for _, step := range r.Steps {
				if step.Name == probe.Credentials {
					if step.Status != c.status || !strings.Contains(step.Result, c.result) || !strings.Contains(step.Remedy, c.remedy) {
						t.Errorf("%+v", step)
					}
					return
				}
			}
			t.Errorf("no such step: %+v", r.Steps)
		})
	}
}
