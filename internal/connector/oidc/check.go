package oidc

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"pachyderm/internal/connector/oidc/keyset"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

// Check looks at all that a sign-in will need of the provider, short of a
// person.
func (c *Connector) Check(ctx context.Context, r *probe.Report) {
	rest := []string{probe.Discovery, probe.Issuer, probe.Keys, probe.Support, probe.Credentials, probe.Callback}
	if !r.Reach(ctx, probe.OfURL(c.cfg.Issuer, c.roots, "config.rootCAs", "config.issuer")) {
		r.Skip(rest...)
		return
	}
	var m metadata
	if !r.Do(probe.Discovery, func() (string, error) { return c.checkDiscovery(ctx, &m) }) {
		r.Skip(rest[1:]...)
		return
	}
	r.Do(probe.Issuer, func() (string, error) { return c.checkIssuerName(&m) })
	r.Do(probe.Keys, func() (string, error) { return c.checkKeys(ctx, &m) })
	r.Do(probe.Support, func() (string, error) { return c.checkSupport(&m) })
	r.Do(probe.Credentials, func() (string, error) { return c.checkCredentials(ctx, &m) })
	r.Do(probe.Callback, func() (string, error) { return c.checkCallback(ctx, &m) })
}

func (c *Connector) checkDiscovery(ctx context.Context, m *metadata) (string, error) {
	from := c.discoveryURL()
	if err := c.client.JSON(ctx, from, "discovery document", "", m); err != nil {
		return "", err
	}
	return "read " + from, c.checkEndpoints(m)
}

func (c *Connector) checkIssuerName(m *metadata) (string, error) {
	if err := c.checkName(m); err != nil {
		return "", err
	}
	return "the provider's issuer is " + m.Issuer + ", as in the connector", nil
}

func (c *Connector) checkKeys(ctx context.Context, m *metadata) (string, error) {
	accepted, err := c.accepted(m)
	if err != nil {
		return "", err
	}
	keys, err := keyset.Fetch(ctx, c.client, m.KeysURL)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("signing keys: %d; ID tokens may be signed with %s", len(keys), list(accepted)), nil
}

func (c *Connector) checkSupport(m *metadata) (string, error) {
	if err := c.checkDemands(m); err != nil {
		return "", err
	}
	var lacks []string
	if !slices.Contains(m.Challenges, "S256") {
		lacks = append(lacks, "PKCE (S256)")
	}
	if !slices.Contains(m.Scopes, "offline_access") && !slices.Contains(m.Grants, "refresh_token") {
		lacks = append(lacks, "refresh tokens")
	}
	remedy := "nothing, if it supports them unannounced"
	if c.cfg.InsecureEnableGroups && c.groupsKey() == "groups" && !c.requestsGroups(m) && !slices.Contains(m.Claims, "groups") {
		lacks, remedy = append(lacks, "groups"), c.groupsRemedy(m)
	}
	if len(lacks) > 0 {
		return "", probe.Warn(remedy+"; test-connector shows what it really sends",
			"the provider does not announce: %s", strings.Join(lacks, ", "))
	}
	return "PKCE with S256, and refresh tokens", nil
}

// checkCredentials exchanges a code that cannot be right: a provider that
// refuses the code has accepted the client (RFC 6749, 5.2), unless it does so
// whatever the secret is.
func (c *Connector) checkCredentials(ctx context.Context, m *metadata) (string, error) {
	result, err := c.judgeSecret(ctx, m, c.inForm(m))
	if fault.FieldOf(err) == "config.clientSecret" && c.mayChangeToForm(m) {
		if inForm, again := c.judgeSecret(ctx, m, true); again == nil {
			return inForm + " in the form", nil
		}
	}
	return result, err
}

func (c *Connector) judgeSecret(ctx context.Context, m *metadata, inForm bool) (string, error) {
	err := c.madeUpCode(ctx, m, inForm)
	switch {
	case err == nil:
		return "", fault.New(fault.Unauthenticated, "the provider issued tokens for a code that we made up").
			Next("do not trust it")
	case fault.FieldOf(err) == "config.clientSecret" || fault.Is(err, fault.Unavailable):
		return "", err
	case !fault.Is(err, fault.Unauthenticated): // anything but invalid_grant
		return "", probe.Skip("the provider's response to a made-up code is inconclusive: %s", fault.Message(err))
	}
	const known = "the provider knows the client ID and the secret"
	stranger := &Connector{cfg: c.cfg, deps: c.deps, roots: c.roots, client: c.client, meta: c.meta, keys: c.keys}
	stranger.cfg.ClientSecret = rand.Text()
	if err := stranger.madeUpCode(ctx, m, inForm); fault.FieldOf(err) == "config.clientSecret" {
		return known, nil
	}
	weMay, anyoneMay := c.mayRevoke(ctx, m, inForm), stranger.mayRevoke(ctx, m, inForm)
	switch {
	case weMay && !anyoneMay:
		return known, nil
	case m.RevocationURL != "" && !weMay && !anyoneMay:
		return "", fault.New(fault.Precondition, "the provider refused our client ID or secret").
			Next("check clientID and clientSecret of the connector").At("config.clientSecret")
	}
	return "", probe.Skip("the provider responds the same whatever the secret is, so that this cannot be checked")
}

// mayRevoke revokes a token that was never given out, which a known client may
// do (RFC 7009, 2.2).
func (c *Connector) mayRevoke(ctx context.Context, m *metadata, inForm bool) bool {
	if m.RevocationURL == "" {
		return false
	}
	req, err := c.tokenRequest(ctx, m.RevocationURL, url.Values{"token": {rand.Text()}}, inForm)
	if err != nil {
		return false
	}
	status, _, err := c.client.Do(req, "revocation")
	return err == nil && status == http.StatusOK
}

func (c *Connector) madeUpCode(ctx context.Context, m *metadata, inForm bool) error {
	_, err := c.requestTokensOnce(ctx, m, url.Values{
		"grant_type": {"authorization_code"}, "code": {rand.Text()}, "redirect_uri": {c.cfg.RedirectURI},
		"code_verifier": {oauth2.GenerateVerifier()},
	}, inForm)
	return err
}

// checkCallback begins a sign-in that asks the provider not to show anything
// (prompt=none): it answers to the callback if that is registered, and with a
// page of its own if not (OpenID Connect Core, 3.1.2.6).
func (c *Connector) checkCallback(ctx context.Context, m *metadata) (string, error) {
	to, err := url.Parse(m.AuthURL)
	if err != nil {
		return "", err
	}
	q := to.Query()
	for name, value := range map[string]string{
		"client_id": c.cfg.ClientID, "redirect_uri": c.cfg.RedirectURI, "response_type": "code", "scope": "openid",
		"state": rand.Text(), "nonce": rand.Text(), "prompt": "none",
		"code_challenge": oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier()), "code_challenge_method": "S256",
	} {
		q.Set(name, value)
	}
	to.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return "", err
	}
	status, location, body, err := c.client.Visit(req, "authorization endpoint")
	if err != nil {
		return "", err
	}
	return probe.JudgeCallback(c.cfg.RedirectURI, status, location, string(body))
}
