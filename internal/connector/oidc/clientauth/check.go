package clientauth

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

// Check exchanges a code that cannot be right: a provider that refuses the code
// has accepted the client (RFC 6749, 5.2), unless it does so whatever the secret
// is. It is a step of a probe.Report.
func (c *Client) Check(ctx context.Context, s Server, redirectURI string) (string, error) {
	result, err := c.judge(ctx, s, redirectURI, c.inForm(s))
	if isRefused(err) && c.mayChangeToForm(s) {
		if inForm, again := c.judge(ctx, s, redirectURI, true); again == nil {
			return inForm + " in the form", nil
		}
	}
	return result, err
}

func (c *Client) judge(ctx context.Context, s Server, redirectURI string, inForm bool) (string, error) {
	err := c.madeUpCode(ctx, s, redirectURI, inForm)
	switch {
	case err == nil:
		return "", fault.New(fault.Unauthenticated, "the provider issued tokens for a code that we made up").
			Next("do not trust it")
	case isRefused(err) || fault.Is(err, fault.Unavailable):
		return "", err
	case !fault.Is(err, fault.Unauthenticated): // anything but invalid_grant
		return "", probe.Skip("the provider's response to a made-up code is inconclusive: %s", fault.Message(err))
	}
	const known = "the provider knows the client ID and the secret"
	stranger := &Client{ID: c.ID, Secret: rand.Text(), HTTP: c.HTTP}
	if err := stranger.madeUpCode(ctx, s, redirectURI, inForm); isRefused(err) {
		return known, nil
	}
	weMay, anyoneMay := c.mayRevoke(ctx, s, inForm), stranger.mayRevoke(ctx, s, inForm)
	switch {
	case weMay && !anyoneMay:
		return known, nil
	case s.RevocationURL != "" && !weMay && !anyoneMay:
		return "", fault.New(fault.Precondition, "the provider refused our client ID or secret").
			Next("check clientID and clientSecret of the connector").At(refusedSecret)
	}
	return "", probe.Skip("the provider responds the same whatever the secret is, so that this cannot be checked")
}

// mayRevoke revokes a token that was never given out, which a known client may
// do (RFC 7009, 2.2).
func (c *Client) mayRevoke(ctx context.Context, s Server, inForm bool) bool {
	if s.RevocationURL == "" {
		return false
	}
	req, err := c.request(ctx, s.RevocationURL, url.Values{"token": {rand.Text()}}, inForm)
	if err != nil {
		return false
	}
	status, _, err := c.HTTP.Do(req, "revocation")
	return err == nil && status == http.StatusOK
}

func (c *Client) madeUpCode(ctx context.Context, s Server, redirectURI string, inForm bool) error {
	_, err := c.requestTokens(ctx, s, url.Values{
		"grant_type": {"authorization_code"}, "code": {rand.Text()}, "redirect_uri": {redirectURI},
		"code_verifier": {oauth2.GenerateVerifier()},
	}, inForm)
	return err
}
