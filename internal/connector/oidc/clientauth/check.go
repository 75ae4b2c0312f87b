package clientauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/url"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

// Check exchanges a code that cannot be right: a provider that refuses the code
// has accepted the client (RFC 6749, 5.2), unless it does so whatever the secret
// is. It is a step of a probe.Report.
func (c *Client) Check(ctx context.Context, s Server, redirectURI string) (string, error) {
	result, err := c.judge(ctx, s, redirectURI, c.method(s))
	if isRefused(err) && c.mayChangeToForm(s) {
		if inForm, again := c.judge(ctx, s, redirectURI, Post); again == nil {
			return inForm + " in the form", nil
		}
	}
	return result, err
}

func (c *Client) judge(ctx context.Context, s Server, redirectURI string, method string) (string, error) {
	err := c.madeUpCode(ctx, s, redirectURI, method)
	switch {
	case err == nil:
		return "", fault.New(fault.Unauthenticated, "the provider issued tokens for a code that we made up").
			Next("do not trust it")
	case isRefused(err) || fault.Is(err, fault.Unavailable):
		return "", err
	case !fault.Is(err, fault.Unauthenticated): // anything but invalid_grant
		return "", probe.Skip("the provider's response to a made-up code is inconclusive: %s", fault.Message(err))
	}
	known := "the provider knows the client ID and the secret"
	if method == KeyJWT {
		known = "the provider knows the client ID and our key (private_key_jwt), from " + c.Keys.URL()
	}
	stranger := c.stranger()
	if err := stranger.madeUpCode(ctx, s, redirectURI, method); isRefused(err) {
		return known, nil
	}
	weMay, anyoneMay := c.mayRevoke(ctx, s, method), stranger.mayRevoke(ctx, s, method)
	switch {
	case weMay && !anyoneMay:
		return known, nil
	case s.RevocationURL != "" && !weMay && !anyoneMay:
		return "", c.refused(method, refusal{}, nil)
	}
	return "", probe.Skip("the provider responds the same whatever the secret is, so that this cannot be checked")
}

// stranger is who says to be the client, and is not.
func (c *Client) stranger() *Client {
	return &Client{
		Issuer: c.Issuer, ID: c.ID, Secret: rand.Text() + rand.Text(), HTTP: c.HTTP, Now: c.Now,
		Keys: Keys{URL: c.Keys.URL, Signing: func(ctx context.Context, algorithm string) (jose.JSONWebKey, error) {
			key, err := c.Keys.Signing(ctx, algorithm)
			if err != nil {
				return key, err
			}
			if algorithm == string(jose.RS256) {
				key.Key, err = rsa.GenerateKey(rand.Reader, rsaBits)
			} else {
				key.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			}
			return key, err
		}},
	}
}

const rsaBits = 2048

// mayRevoke revokes a token that was never given out, which a known client may
// do (RFC 7009, 2.2).
func (c *Client) mayRevoke(ctx context.Context, s Server, method string) bool {
	if s.RevocationURL == "" {
		return false
	}
	req, err := c.request(ctx, s, s.RevocationURL, url.Values{"token": {rand.Text()}}, method)
	if err != nil {
		return false
	}
	status, _, err := c.HTTP.Do(req, "revocation")
	return err == nil && status == http.StatusOK
}

func (c *Client) madeUpCode(ctx context.Context, s Server, redirectURI string, method string) error {
	_, err := c.requestTokens(ctx, s, url.Values{
		"grant_type": {"authorization_code"}, "code": {rand.Text()}, "redirect_uri": {redirectURI},
		"code_verifier": {oauth2.GenerateVerifier()},
	}, method)
	return err
}
