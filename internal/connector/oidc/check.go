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
	r.Do(probe.Support, func() (string, error) { return c.checkSupport(ctx, &m) })
	r.Do(probe.Credentials, func() (string, error) { return c.auth.Check(ctx, m.Server, c.cfg.RedirectURI) })
	r.Do(probe.Callback, func() (string, error) { return c.checkCallback(ctx, &m) })
}

func (c *Connector) checkDiscovery(ctx context.Context, m *metadata) (string, error) {
	from := c.discoveryURL()
	if err := c.client.JSON(ctx, from, "discovery document", "", m); err != nil {
		return "", err
	}
	if c.checkEndpoint("revocation_endpoint", m.RevocationURL, false) != nil {
		m.RevocationURL = "" // which only a check would use
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

func (c *Connector) checkSupport(ctx context.Context, m *metadata) (string, error) {
	if err := c.checkDemands(ctx, m); err != nil {
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

// checkCallback begins a sign-in that asks the provider not to show anything
// (prompt=none): it answers to the callback if that is registered, and with a
// page of its own if not (OpenID Connect Core, 3.1.2.6).
func (c *Connector) checkCallback(ctx context.Context, m *metadata) (string, error) {
	request := url.Values{
		"client_id": {c.cfg.ClientID}, "redirect_uri": {c.cfg.RedirectURI}, "response_type": {"code"}, "scope": {"openid"},
		"state": {rand.Text()}, "nonce": {rand.Text()}, "prompt": {"none"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier())}, "code_challenge_method": {"S256"},
	}
	to, err := c.authURL(ctx, m, request)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return "", err
	}
	status, location, body, err := c.client.Visit(req, "authorization endpoint")
	if err != nil {
		return "", err
	}
	return probe.JudgeCallback(c.cfg.RedirectURI, status, location, string(body))
}
