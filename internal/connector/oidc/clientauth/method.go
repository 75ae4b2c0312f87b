package clientauth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// The methods by their registered names (OpenID Connect Core, 9), in the order in
// which they are preferred.
const (
	Basic     = "client_secret_basic"
	Post      = "client_secret_post"
	SecretJWT = "client_secret_jwt"
	KeyJWT    = "private_key_jwt"
)

const (
	// assertionLives is how long an assertion can be presented.
	assertionLives = time.Minute
	// minSecret is the least that HS256 may be keyed with, in bytes (RFC 7518, 3.2).
	minSecret = 32
	// assertionType: RFC 7523, 2.2.
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// Keys are what this deployment signs with by private_key_jwt.
type Keys struct {
	// Signing is the private key for ES256 or RS256.
	Signing func(ctx context.Context, algorithm string) (jose.JSONWebKey, error)
	// URL is where the provider finds the public halves, the client's jwks_uri.
	URL func() string
}

// method is how the client authenticates.
func (c *Client) method(s Server) string {
	switch {
	case c.Method != "":
		return c.Method
	case c.formOnly.Load():
		return Post
	}
	for _, m := range []string{Basic, Post, SecretJWT, KeyJWT} {
		if slices.Contains(s.AuthMethods, m) {
			return m
		}
	}
	return Basic // which is meant where nothing is said (OpenID Connect Discovery, 3)
}

// Supports finds out whether the client can authenticate at the provider at all,
// and has the key made that this needs. Fault: Precondition.
func (c *Client) Supports(ctx context.Context, s Server) error {
	switch method := c.method(s); method {
	case SecretJWT, KeyJWT:
		_, err := c.signer(ctx, s, method)
		return err
	}
	return nil
}

func (c *Client) signer(ctx context.Context, s Server, method string) (jose.Signer, error) {
	var key jose.SigningKey
	if method == SecretJWT {
		if len(c.Secret) < minSecret {
			return nil, fault.New(fault.Precondition, "clientSecret has less than the %d bytes that client_secret_jwt needs", minSecret).
				Next("have the provider issue a longer one, or set tokenEndpointAuthMethod to private_key_jwt if it is that the client has there").
				At(refusedSecret)
		}
		key = jose.SigningKey{Algorithm: jose.HS256, Key: []byte(c.Secret)}
	}
	algorithm, err := s.algorithm(method)
	if err != nil {
		return nil, err
	}
	if method == KeyJWT {
		if c.Keys.Signing == nil {
			return nil, fault.New(fault.Precondition, "the provider accepts only %s, which only connectors do", probe.SignedClients.Name).
				Next("set token_endpoint_auth_method to client_secret_basic for this client at the provider")
		}
		private, err := c.Keys.Signing(ctx, string(algorithm))
		if err != nil {
			return nil, err
		}
		key = jose.SigningKey{Algorithm: algorithm, Key: private}
	}
	return jose.NewSigner(key, nil)
}

// algorithm is what the provider can verify: RS256 and HS256 where it does not
// say (OpenID Connect Discovery, 3).
func (s Server) algorithm(method string) (jose.SignatureAlgorithm, error) {
	ours := []jose.SignatureAlgorithm{jose.ES256, jose.RS256}
	if method == SecretJWT {
		ours = []jose.SignatureAlgorithm{jose.HS256}
	}
	if len(s.AuthAlgorithms) == 0 {
		return ours[len(ours)-1], nil
	}
	for _, a := range ours {
		if slices.Contains(s.AuthAlgorithms, string(a)) {
			return a, nil
		}
	}
	return "", fault.New(fault.Precondition, "the provider takes client assertions (%s) signed with %s only, this server signs with %s",
		method, fetch.Clean(strings.Join(s.AuthAlgorithms, ", ")), strings.Trim(fmt.Sprint(ours), "[]")).
		Next("have the provider accept one of these (token_endpoint_auth_signing_alg)")
}

// assertion says once, for a minute and to this provider only, who the client is
// (RFC 7523, 3). It is meant for the issuer and not for an endpoint, since a
// provider that names another's endpoint as its own would receive an assertion
// that is good there (draft-ietf-oauth-rfc7523bis).
func (c *Client) assertion(ctx context.Context, s Server, method string) (string, error) {
	by, err := c.signer(ctx, s, method)
	if err != nil {
		return "", err
	}
	now := c.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": c.ID, "sub": c.ID, "aud": c.Issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionLives).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := by.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
