package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// forgery is an answer of the provider, or one in its name, that must be refused.
type forgery struct {
	name      string
	change    func(*Config)
	misbehave func(*provider)
	answer    func(url.Values)
	kind      fault.Kind
	want      string
}

func TestOIDCCallback_ForgedOrBroken(t *testing.T) {
	var all []forgery
	for _, some := range [][]forgery{
		discoveries(), transports(), answers(), tokenEndpoints(), signatures(), idTokens(), people(), groupClaims(),
	} {
		all = append(all, some...)
	}
	seen := map[string]string{}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, c.change, c.misbehave)
			f.conn.client = fetch.New(nil, 500*time.Millisecond)
			f.conn.auth.HTTP = f.conn.client
			got, err := f.signIn(dexconn.Scopes{OfflineAccess: true}, c.answer)
			if err == nil {
				t.Fatalf("accepted as %+v", got)
			}
			if !strings.Contains(fault.Message(err), c.want) || fault.KindOf(err) != c.kind {
				t.Fatalf("got %q: %v\nwant %q: %q", fault.KindOf(err), err, c.kind, c.want)
			}
			if got.UserID != "" || got.Email != "" || got.Groups != nil {
				t.Errorf("half an identity came with the error: %+v", got)
			}
			f.quiet(err)
			message := strings.ReplaceAll(fault.Message(err), f.URL, "")
			if other, known := seen[message]; known && other != c.want {
				t.Errorf("cannot be told from %q: %s", other, message)
			}
			seen[message] = c.want
		})
	}
}

func discoveries() []forgery {
	doc := func(m map[string]any) func(*provider) { return func(p *provider) { p.discovery = set(m) } }
	path := "/.well-known/openid-configuration"
	handle := func(h http.HandlerFunc) func(*provider) { return func(p *provider) { p.handle[path] = h } }
	return []forgery{
		{
			"discovery: another issuer", nil, doc(map[string]any{"issuer": "https://evil.test"}), nil, fault.Precondition,
			`provider says "https://evil.test"`,
		},
		{
			"discovery: a slash too many", nil, func(p *provider) { p.discovery = func(m map[string]any) { m["issuer"] = p.URL + "/" } }, nil,
			fault.Precondition, "including a final slash",
		},
		{
			"discovery: no token endpoint", nil, func(p *provider) { p.discovery = without("token_endpoint") }, nil, fault.Unauthenticated,
			"has no token_endpoint",
		},
		{"discovery: no keys", nil, func(p *provider) { p.discovery = without("jwks_uri") }, nil, fault.Unauthenticated, "has no jwks_uri"},
		{
			"discovery: a script for an endpoint", nil, doc(map[string]any{"authorization_endpoint": "javascript:alert(1)"}), nil,
			fault.Unauthenticated, "not a valid http or https address",
		},
		{
			"discovery: only symmetric signatures", nil, doc(map[string]any{"id_token_signing_alg_values_supported": []string{"HS256"}}), nil,
			fault.Precondition, "signs ID tokens with HS256 only",
		},
		{
			"discovery: PAR demanded, and nowhere to be spoken", nil, doc(map[string]any{"require_pushed_authorization_requests": true}), nil,
			fault.Precondition, "has no pushed_authorization_request_endpoint",
		},
		{
			"discovery: JAR demanded", nil, doc(map[string]any{"require_signed_request_object": true}), nil, fault.Precondition,
			"only signed request objects (JAR, RFC 9101)",
		},
		{
			"discovery: signed clients demanded", nil, doc(map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}}),
			nil, fault.Precondition, "which only connectors do: set token_endpoint_auth_method to client_secret_basic",
		},
		{"discovery: nothing there", nil, handle(status(http.StatusNotFound)), nil, fault.Precondition, "HTTP status 404"},
		{"discovery: an outage", nil, handle(status(http.StatusBadGateway)), nil, fault.Unavailable, "has a problem (HTTP status 502"},
		{
			"discovery: a web page", nil, handle(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }), nil,
			fault.Unauthenticated, "is not valid JSON or does not match the specification",
		},
	}
}

func transports() []forgery {
	const path = "/.well-known/openid-configuration"
	return []forgery{
		{"transport: an oversized answer", nil, func(p *provider) {
			p.handle[path] = func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"issuer":"` + strings.Repeat("x", 1<<20) + `"}`))
			}
		}, nil, fault.Unauthenticated, "larger than 1 MiB"},
		{"transport: a slow answer", nil, func(p *provider) {
			p.handle[path] = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		}, nil, fault.Unavailable, "did not send its discovery document within 500ms"},
		{"transport: a redirect to another host", nil, func(p *provider) {
			other := httptest.NewServer(http.NotFoundHandler())
			p.t.Cleanup(other.Close)
			p.handle[path] = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL+"/elsewhere?code=1", http.StatusFound)
			}
		}, nil, fault.Precondition, "/elsewhere, which is not followed"},
		{"transport: the secret redirected", nil, func(p *provider) {
			p.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, p.URL+"/keys", http.StatusTemporaryRedirect)
			}
		}, nil, fault.Precondition, "redirects from its tokens to"},
		{"transport: keys at the metadata service", nil, func(p *provider) {
			p.discovery = set(map[string]any{"jwks_uri": "http://169.254.169.254/latest/meta-data"})
		}, nil, fault.Precondition, "leads to 169.254.169.254"},
		{"transport: nobody listens", nil, func(p *provider) {
			gone := httptest.NewServer(http.NotFoundHandler())
			gone.Close()
			p.discovery = set(map[string]any{"token_endpoint": gone.URL})
		}, nil, fault.Unavailable, "cannot be reached (tokens)"},
	}
}

func answers() []forgery {
	put := func(pairs ...string) func(url.Values) {
		return func(q url.Values) {
			for i := 0; i < len(pairs); i += 2 {
				q.Set(pairs[i], pairs[i+1])
			}
		}
	}
	failed := func(code, text string) func(url.Values) {
		return func(q url.Values) { q.Del("code"); put("error", code, "error_description", text)(q) }
	}
	return []forgery{
		{"answer: no state", nil, nil, func(q url.Values) { q.Del("state") }, fault.Unauthenticated, "has no state"},
		{"answer: another state", nil, nil, put("state", "other"), fault.Unauthenticated, "belongs to another sign-in: start again"},
		{"answer: no code", nil, nil, func(q url.Values) { q.Del("code") }, fault.Unauthenticated, "has no code"},
		{"answer: two codes", nil, nil, func(q url.Values) { q.Add("code", "x") }, fault.Unauthenticated, "has code more than once"},
		{"answer: another code", nil, nil, put("code", "x"), fault.Unauthenticated, "no longer accepts this sign-in (invalid_grant)"},
		{"answer: another issuer", nil, nil, put("iss", "https://evil.test"), fault.Unauthenticated, `is from issuer "https://evil.test"`},
		{"answer: a promised issuer is missing", nil, func(p *provider) {
			p.discovery = set(map[string]any{"authorization_response_iss_parameter_supported": true})
		}, nil, fault.Unauthenticated, "does not say who it is from"},
		{
			"answer: cancelled", nil, nil, failed("access_denied", "user said\x00 no\n"+strings.Repeat("x", 300)), fault.Denied,
			`(access_denied), saying "user said no ` + strings.Repeat("x", 187) + `..."`,
		},
		{"answer: not signed in there", nil, nil, failed("login_required", ""), fault.Denied, "ended the sign-in (login_required)"},
		{"answer: an outage", nil, nil, failed("temporarily_unavailable", ""), fault.Unavailable, "cannot sign anybody in at the moment"},
		{
			"answer: PAR demanded", nil, nil, failed("invalid_request", mustPush), fault.Precondition,
			`saying "` + mustPush + `": set pushedAuthorizationRequests to true`,
		},
		{
			"answer: a pushed request that has expired", nil, nil, failed("invalid_request_uri", "expired"), fault.Unauthenticated,
			`not any more (invalid_request_uri), saying "expired": start the sign-in again`,
		},
		{
			"answer: JAR demanded", nil, nil, failed("invalid_request_object", mustSign), fault.Precondition,
			`saying "` + mustSign + `": set require_signed_request_object to false`,
		},
		{
			"answer: a wrong scope", nil, nil, failed("invalid_scope", "unknown scope"), fault.Precondition,
			`(invalid_scope), saying "unknown scope"`,
		},
	}
}

func tokenEndpoints() []forgery {
	tokens := func(m map[string]any) func(*provider) { return func(p *provider) { p.tokens = set(m) } }
	return []forgery{
		{
			"tokens: an outage", nil, func(p *provider) { p.handle["/token"] = status(http.StatusInternalServerError) }, nil, fault.Unavailable,
			"problem issuing tokens (HTTP status 500)",
		},
		{
			"tokens: a wrong secret", func(c *Config) { c.ClientSecret = "wrong" }, nil, nil, fault.Precondition,
			"check clientID and clientSecret of the connector",
		},
		{"tokens: an error that repeats the code", nil, func(p *provider) {
			p.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				p.send(
					w, map[string]any{"error": "invalid_request", "error_description": "code " + r.PostFormValue("code") + " for " + clientSecret}, nil,
				)
			}
		}, nil, fault.Precondition, `(HTTP status 400, invalid_request), saying "code *** for ***"`},
		{
			"tokens: an error as success", nil, tokens(map[string]any{"error": "unauthorized_client"}), nil, fault.Precondition,
			"(HTTP status 200, unauthorized_client)",
		},
		{"tokens: garbage", nil, func(p *provider) {
			p.handle["/token"] = func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("access_token=upstream-access-token&"))
			}
		}, nil, fault.Unauthenticated, "tokens cannot be read"},
		{
			"tokens: no access token", nil, func(p *provider) { p.tokens = without("access_token") }, nil, fault.Unauthenticated,
			"no access token of type Bearer",
		},
		{
			"tokens: bound by DPoP", nil, tokens(map[string]any{"token_type": "DPoP"}), nil, fault.Precondition,
			"(DPoP, RFC 9449), which this server does not support: set dpop_bound_access_tokens to false",
		},
		{"tokens: a proof demanded", nil, func(p *provider) {
			p.handle["/token"] = func(w http.ResponseWriter, _ *http.Request) {
				p.refuse(w, http.StatusBadRequest, "use_dpop_nonce")
			}
		}, nil, fault.Precondition, `(HTTP status 400, use_dpop_nonce), saying "AADSTS7000215: look it up": set dpop_bound_access_tokens to false`},
		{
			"tokens: an encrypted ID token", nil, tokens(map[string]any{"id_token": "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d"}), nil, fault.Precondition,
			"encrypts ID tokens (JWE), which this server does not support: remove id_token_encrypted_response_alg",
		},
		{"tokens: no ID token", nil, func(p *provider) { p.tokens = without("id_token") }, nil, fault.Unauthenticated, "sent no ID token"},
		{"tokens: no token", nil, tokens(map[string]any{"id_token": "a.b.c"}), nil, fault.Unauthenticated, "is not a signed token"},
		{
			"tokens: a token too long", nil, tokens(map[string]any{"id_token": strings.Repeat("a", maxToken+1)}), nil, fault.Unauthenticated,
			"65537 bytes long",
		},
		{
			"tokens: another access token", nil, tokens(map[string]any{"access_token": "another"}), nil, fault.Unauthenticated, "(at_hash mismatch)",
		},
	}
}

func signatures() []forgery {
	signed := func(sign func(*provider, map[string]any) string) func(*provider) {
		return func(p *provider) { p.sign = func(cl map[string]any) string { return sign(p, cl) } }
	}
	foreign := func(p *provider) *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			p.t.Fatal(err)
		}
		return key
	}
	return []forgery{
		{
			"signature: none", nil, signed(func(p *provider, cl map[string]any) string { return signWith(p.t, "none", nil, "", cl) }), nil,
			fault.Unauthenticated, `signed with "none"`,
		},
		{"signature: by the client secret", nil, signed(func(p *provider, cl map[string]any) string {
			return signWith(p.t, jose.HS256, []byte(clientSecret+clientSecret), p.kid, cl)
		}), nil, fault.Unauthenticated, `signed with "HS256"`},
		{"signature: by the public key", nil, signed(func(p *provider, cl map[string]any) string {
			der, err := x509.MarshalPKIXPublicKey(p.public())
			if err != nil {
				p.t.Fatal(err)
			}
			return signWith(p.t, jose.HS512, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), p.kid, cl)
		}), nil, fault.Unauthenticated, `signed with "HS512"`},
		{"signature: an algorithm the connector does not want", func(c *Config) { c.SigningAlgorithms = []string{"RS256", "ES384"} }, func(p *provider) {
			p.discovery = set(map[string]any{"id_token_signing_alg_values_supported": []string{"RS256", "ES256"}})
		}, nil, fault.Unauthenticated, `signed with "ES256", which is not accepted: let the provider sign with one of RS256`},
		{"signature: by a key that is not published", nil, signed(func(p *provider, cl map[string]any) string {
			return signWith(p.t, jose.ES256, foreign(p), "foreign", cl)
		}), nil, fault.Unauthenticated, `names the signing key "foreign"`},
		{"signature: by a stranger in the name of a published key", nil, signed(func(p *provider, cl map[string]any) string {
			return signWith(p.t, jose.ES256, foreign(p), p.kid, cl)
		}), nil, fault.Unauthenticated, "signature of the ID token is not the provider's"},
		{"signature: claims changed afterwards", nil, signed(func(p *provider, cl map[string]any) string {
			parts := strings.Split(signWith(p.t, jose.ES256, p.keys[p.kid], p.kid, cl), ".")
			cl["sub"] = "admin"
			parts[1] = strings.Split(signWith(p.t, "none", nil, "", cl), ".")[1]
			return strings.Join(parts, ".")
		}), nil, fault.Unauthenticated, "signature of the ID token is not the provider's"},
		{"signature: no keys", nil, func(p *provider) {
			p.handle["/keys"] = func(w http.ResponseWriter, _ *http.Request) {
				p.send(w, map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "c2VjcmV0"}}}, nil)
			}
		}, nil, fault.Unauthenticated, "publishes no signing key"},
	}
}

func idTokens() []forgery {
	claim := func(key string, value any) func(*provider) {
		return func(p *provider) { p.claims = set(map[string]any{key: value}) }
	}
	after := func(key string, d time.Duration) func(*provider) {
		return func(p *provider) { p.claims = set(map[string]any{key: p.now().Add(d).Unix()}) }
	}
	no := func(keys ...string) func(*provider) { return func(p *provider) { p.claims = without(keys...) } }
	return []forgery{
		{"token: another issuer", nil, claim("iss", "https://evil.test"), nil, fault.Unauthenticated, `issued by "https://evil.test"`},
		{"token: the issuer in a list", nil, claim("iss", []string{"x"}), nil, fault.Unauthenticated, `issued by ""`},
		{
			"token: another audience", nil, claim("aud", "other"), nil, fault.Unauthenticated,
			`meant for "other", not for our client ID "pachyderm"`,
		},
		{"token: no audience", nil, no("aud"), nil, fault.Unauthenticated, `meant for ""`},
		{
			"token: an audience of numbers", nil, claim("aud", []any{clientID, 7}), nil, fault.Unauthenticated,
			"audience of the ID token is not text",
		},
		{
			"token: two audiences, no azp", nil, claim("aud", []string{clientID, "api"}), nil, fault.Unauthenticated,
			"does not say which of them asked for it",
		},
		{"token: another azp", nil, claim("azp", "other"), nil, fault.Unauthenticated, "issued to another client (azp)"},
		{"token: expired", nil, after("exp", -10*time.Minute), nil, fault.Unauthenticated, "expired 600 seconds ago"},
		{"token: no expiry", nil, no("exp"), nil, fault.Unauthenticated, "exp is missing or is not a time"},
		{"token: an expiry as text", nil, claim("exp", "never"), nil, fault.Unauthenticated, "exp is missing or is not a time"},
		{"token: an expiry at the end of days", nil, claim("exp", 1e300), nil, fault.Unauthenticated, "exp is missing or is not a time"},
		{"token: not yet valid", nil, after("nbf", 10*time.Minute), nil, fault.Unauthenticated, "becomes valid only in 600 seconds"},
		{"token: nbf as text", nil, claim("nbf", "x"), nil, fault.Unauthenticated, "nbf is missing or is not a time"},
		{"token: issued in the future", nil, after("iat", 10*time.Minute), nil, fault.Unauthenticated, "issued 600 seconds in the future"},
		{"token: no time of issue", nil, no("iat"), nil, fault.Unauthenticated, "iat is missing"},
		{"token: another nonce", nil, claim("nonce", "other"), nil, fault.Unauthenticated, "another sign-in (nonce mismatch)"},
		{"token: no nonce", nil, no("nonce"), nil, fault.Unauthenticated, "has no nonce"},
		{"token: a wrong at_hash", nil, claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), nil, fault.Unauthenticated, "(at_hash mismatch)"},
		{"token: an at_hash that is no text", nil, claim("at_hash", 7), nil, fault.Unauthenticated, "does not match the specification"},
	}
}

func people() []forgery {
	claim := func(key string, value any) func(*provider) {
		return func(p *provider) { p.claims = set(map[string]any{key: value}) }
	}
	info := func(without_ []string, m map[string]any) func(*provider) {
		return func(p *provider) { p.claims, p.userInfo = without(without_...), set(m) }
	}
	mail := func(name, address string) forgery {
		return forgery{"person: " + name, nil, claim("email", address), nil, fault.Unauthenticated, "is not exactly one e-mail address"}
	}
	verified := []string{"email_verified"}
	return []forgery{
		{"person: no sub", nil, func(p *provider) { p.claims = without("sub") }, nil, fault.Unauthenticated, `claim "sub" is missing or empty`},
		{
			"person: a number for sub", nil, claim("sub", 7), nil, fault.Unauthenticated,
			`claim "sub" is a number where the specification requires text`,
		},
		{"person: a long sub", nil, claim("sub", strings.Repeat("x", 256)), nil, fault.Unauthenticated, `claim "sub" is not a user id`},
		{
			"person: no claim for the user id", func(c *Config) { c.UserIDKey = "oid" }, nil, nil, fault.Unauthenticated,
			`claim "oid" is missing or empty`,
		},
		{"person: a list for the name", nil, claim("name", []string{"x"}), nil, fault.Unauthenticated, `claim "name" is a list`},
		{"person: signed UserInfo", func(c *Config) { c.GetUserInfo = true }, func(p *provider) {
			p.handle["/userinfo"] = func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("eyJhbGciOiJSUzI1NiJ9.e30.c2ln\n"))
			}
		}, nil, fault.Precondition, "signs or encrypts UserInfo (JWT), which this server does not support: remove userinfo_signed_response_alg"},
		{
			"person: no e-mail", nil, func(p *provider) { p.claims = without("email") }, nil, fault.Denied,
			`no e-mail address (claim "email") but only email_verified, name, preferred_username: set claimMapping.email to the claim that holds it`,
		},
		{"person: e-mails in a list", nil, func(p *provider) {
			p.claims = set(map[string]any{"email": []string{"a@x.test"}})
			p.userInfo = p.claims
		}, nil, fault.Unauthenticated, `claim "email" is a list`},
		{"person: e-mails in a list, twice", func(c *Config) { c.GetUserInfo = true }, func(p *provider) {
			p.claims = set(map[string]any{"email": map[string]any{"a": 1}})
			p.userInfo = p.claims
		}, nil, fault.Unauthenticated, `claim "email" is an object`},
		mail("no @", "jane"), mail("two addresses", "jane@x.test@evil.test"), mail("a quoted local part", `"jane doe"@x.test`),
		mail("a space", "jane doe@x.test"), mail("a new line", "jane@x.test\nbcc"), mail("an invisible character", "ja\u200bne@x.test"),
		mail("a comma", "jane@x.test,admin@x.test"), mail("an empty label", "jane@x..test"), mail("no local part", "@x.test"),
		mail("no domain", "jane@"), mail("a literal", "jane@[127.0.0.1]"), mail("dots", "jane..doe@x.test"),
		mail("a look-alike domain", "jane@ｘ.test"),
		mail("a hyphen", "jane@-x.test"), mail("too long", "jane@"+strings.Repeat("x.", 130)+"test"), mail(
			"a long local part", strings.Repeat("x", 65)+"@x.test",
		),
		{
			"person: not verified", nil, claim("email_verified", false), nil, fault.Denied, "Jane.Doe@Example.com is not verified: have it verified",
		},
		{
			"person: verified as text", nil, claim("email_verified", "true"), nil, fault.Unauthenticated,
			"email_verified is text, and only the JSON value true counts",
		},
		{"person: verified as a number", nil, claim("email_verified", 1), nil, fault.Unauthenticated, "email_verified is a number"},
		{
			"person: nothing said of verification", nil, func(p *provider) { p.claims = without("email_verified") }, nil, fault.Denied,
			"does not say whether the e-mail address",
		},
		{
			"person: UserInfo of another", func(c *Config) { c.GetUserInfo = true },
			func(p *provider) { p.userInfo = set(map[string]any{"sub": "2"}) }, nil,
			fault.Unauthenticated, "UserInfo is about another person",
		},
		{
			"person: UserInfo of nobody", nil, func(p *provider) { p.claims, p.userInfo = without("email"), without("sub") }, nil,
			fault.Unauthenticated, "UserInfo is about another person",
		},
		{
			"person: UserInfo verifies another address", nil, info(verified, map[string]any{"email": "other@x.test", "email_verified": true}), nil,
			fault.Denied, "does not say whether the e-mail address",
		},
		{
			"person: UserInfo unsays it", nil, info([]string{"email"}, map[string]any{"email": "other@x.test", "email_verified": false}), nil,
			fault.Denied, "other@x.test is not verified",
		},
		{"person: UserInfo does not override a no", nil, func(p *provider) {
			p.claims = func(m map[string]any) { delete(m, "email"); m["email_verified"] = false }
			p.userInfo = set(map[string]any{"email": "third@x.test", "email_verified": true})
		}, nil, fault.Denied, "third@x.test is not verified"},
		{
			"person: UserInfo refused", func(c *Config) { c.GetUserInfo = true },
			func(p *provider) { p.handle["/userinfo"] = status(http.StatusForbidden) }, nil,
			fault.Precondition, "did not return its UserInfo (HTTP status 403",
		},
		{
			"person: no UserInfo endpoint", func(c *Config) { c.GetUserInfo = true },
			func(p *provider) { p.discovery = without("userinfo_endpoint") }, nil,
			fault.Precondition, "no UserInfo endpoint",
		},
	}
}

func groupClaims() []forgery {
	on := func(c *Config) { c.InsecureEnableGroups = true }
	claims := func(m map[string]any) func(*provider) { return func(p *provider) { p.claims = set(m) } }
	return []forgery{
		{
			"groups: a number", on, claims(map[string]any{"groups": 7}), nil, fault.Unauthenticated,
			`claim "groups" is a number where a list of names`,
		},
		{
			"groups: an object", on, claims(map[string]any{"groups": map[string]any{"a": true}}), nil, fault.Unauthenticated,
			`claim "groups" is an object`,
		},
		{
			"groups: a list of other things", on, claims(map[string]any{"groups": []any{"a", nil}}), nil, fault.Unauthenticated,
			`has missing as item 2`,
		},
		{"groups: too many for Entra", on, claims(map[string]any{
			"_claim_names":   map[string]any{"groups": "src1"},
			"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://graph.test"}},
		}), nil, fault.Precondition, "in more groups than the provider puts into a token"},
		{
			"groups: not an allowed one", func(c *Config) { on(c); c.AllowedGroups = []string{"admins"} },
			claims(map[string]any{"groups": []string{"Admins", "admins2"}}), nil,
			fault.Denied, "only members of certain groups may sign in here, and this account is in none of them",
		},
		{
			"groups: none sent", func(c *Config) { on(c); c.AllowedGroups = []string{"admins"} }, nil, nil, fault.Denied,
			`sent no groups of this account: ask an administrator: if it is in groups, have the provider send the claim "groups"`,
		},
		{
			"groups: none sent, and not requested", func(c *Config) { on(c); c.AllowedGroups = []string{"admins"} },
			func(p *provider) {
				p.discovery = set(map[string]any{"scopes_supported": []string{"openid", "profile", "email"}})
			}, nil, fault.Denied,
			"the scope groups is not requested, since the provider does not list it: add it to scopes",
		},
	}
}

func TestGroups_EntraOverage(t *testing.T) {
	f := start(t, func(c *Config) { c.InsecureEnableGroups = true }, func(p *provider) { p.claims = set(map[string]any{"hasgroups": true}) })
	if _, err := f.signIn(dexconn.Scopes{}, nil); !fault.Is(err, fault.Precondition) {
		t.Errorf("got %v", err)
	}
	cfg := f.config()
	cfg.InsecureEnableGroups, cfg.ClaimMapping.Groups = true, "roles"
	f.conn = f.open(cfg)
	if _, err := f.signIn(dexconn.Scopes{}, nil); err != nil {
		t.Errorf("where the groups are not what is asked for: %v", err)
	}
}

func TestOIDCCallback_OtherVerifier(t *testing.T) {
	f := start(t, nil, nil)
	to, data, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
	if err != nil {
		t.Fatal(err)
	}
	back := f.visit(to)
	for name, bad := range map[string][]byte{"another sign-in's": other, "none": nil, "half": []byte(`{"state":"the-state","nonce":"x"}`)} {
		_, err := f.conn.HandleCallback(dexconn.Scopes{}, bad, httptest.NewRequestWithContext(t.Context(), http.MethodGet, back.String(), nil))
		if !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	again := httptest.NewRequestWithContext(t.Context(), http.MethodGet, back.String(), nil)
	if _, err := f.conn.HandleCallback(dexconn.Scopes{}, data, again); err == nil {
		t.Error("a code was accepted twice")
	}
}

// Without a nonce to compare, the ID token of any sign-in would do.
func TestOIDCCallback_NoNonceKept(t *testing.T) {
	f := start(t, nil, nil)
	to, data, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]any{}
	if err := json.Unmarshal(data, &kept); err != nil {
		t.Fatal(err)
	}
	delete(kept, "nonce")
	if data, err = json.Marshal(kept); err != nil {
		t.Fatal(err)
	}
	back := httptest.NewRequestWithContext(t.Context(), http.MethodGet, f.visit(to).String(), nil)
	if _, err := f.conn.HandleCallback(dexconn.Scopes{}, data, back); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("got %v", err)
	}
}

func TestGroups_RefusalKnownToDex(t *testing.T) {
	f := start(t, func(c *Config) { c.InsecureEnableGroups, c.AllowedGroups = true, []string{"admins"} }, nil)
	_, err := f.signIn(dexconn.Scopes{}, nil)
	if _, ok := errorsAs[*dexconn.UserNotInRequiredGroupsError](err); !ok || !fault.Is(err, fault.Denied) {
		t.Errorf("got %v", err)
	}
}
