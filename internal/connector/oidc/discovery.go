package oidc

import (
	"context"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/connector/oidc/clientauth"
	"pachyderm/internal/connector/oidc/keyset"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/webaddr"
)

// metadata is what we use of OpenID Connect Discovery 1.0, 3, RFC 9207, 3, and
// RFC 9101, 10.5.
type metadata struct {
	clientauth.Server

	Issuer        string   `json:"issuer"`
	AuthURL       string   `json:"authorization_endpoint"`
	KeysURL       string   `json:"jwks_uri"`
	UserInfoURL   string   `json:"userinfo_endpoint"`
	Scopes        []string `json:"scopes_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	Grants        []string `json:"grant_types_supported"`
	Claims        []string `json:"claims_supported"`
	IssInResponse bool     `json:"authorization_response_iss_parameter_supported"`
	SignedOnly    bool     `json:"require_signed_request_object"`
}

func (c *Connector) loadMetadata(ctx context.Context) (*metadata, error) {
	var m metadata
	if err := c.client.JSON(ctx, c.discoveryURL(), "discovery document", "", &m); err != nil {
		return nil, err
	}
	if err := c.checkName(&m); err != nil {
		return nil, err
	}
	if err := c.checkEndpoints(&m); err != nil {
		return nil, err
	}
	if err := c.checkDemands(ctx, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// checkDemands refuses a provider that announces what every sign-in would fail at.
func (c *Connector) checkDemands(ctx context.Context, m *metadata) error {
	if m.SignedOnly {
		return fault.New(fault.Precondition, "the provider accepts only %s, which this server does not support", probe.SignedRequests.Name).
			Next("%s", probe.SignedRequests.Remedy).At("config.issuer")
	}
	return c.auth.Supports(ctx, m.Server)
}

func (c *Connector) discoveryURL() string {
	return strings.TrimSuffix(c.cfg.Issuer, "/") + "/.well-known/openid-configuration"
}

func (c *Connector) checkName(m *metadata) error {
	if m.Issuer != c.cfg.Issuer {
		return fault.New(fault.Precondition, "issuer mismatch: the provider says %q, the connector has %q", fetch.Clean(m.Issuer), c.cfg.Issuer).
			Next("set the connector's issuer to exactly what the provider says, including a final slash").At("config.issuer")
	}
	return nil
}

func (c *Connector) checkEndpoints(m *metadata) error {
	for _, e := range []struct {
		key, value string
		required   bool
	}{
		{"authorization_endpoint", m.AuthURL, true},
		{"token_endpoint", m.TokenURL, true},
		{"jwks_uri", m.KeysURL, true},
		{"userinfo_endpoint", m.UserInfoURL, false},
	} {
		if err := c.checkEndpoint(e.key, e.value, e.required); err != nil {
			return err
		}
	}
	return c.checkPushEndpoint(m)
}

// checkPushEndpoint is about one that is used only.
func (c *Connector) checkPushEndpoint(m *metadata) error {
	const key = "pushed_authorization_request_endpoint"
	switch {
	case !c.pushes(m):
		return nil
	case m.PushURL == "":
		return fault.New(fault.Precondition, "the provider's discovery document has no %s", key).
			Next("have the provider publish it (PAR, RFC 9126), or do not demand it, there and with pushedAuthorizationRequests").
			At("config.pushedAuthorizationRequests")
	}
	return c.checkEndpoint(key, m.PushURL, true)
}

func (c *Connector) checkEndpoint(key, value string, required bool) error {
	if value == "" {
		if !required {
			return nil
		}
		return refuse.Response("the provider's discovery document has no %s", key).
			Next("check that the connector's issuer is an OpenID Connect provider")
	}
	u, err := webaddr.Parse(value)
	if err != nil || !webaddr.IsBare(u) {
		return refuse.Response("the provider's %s is %q, which is not a valid http or https address", key, fetch.Clean(value))
	}
	if u.Scheme == "http" && strings.HasPrefix(c.cfg.Issuer, "https:") {
		return refuse.Response("the provider's %s is %q: it must be https as the issuer is", key, fetch.Clean(value))
	}
	return nil
}

// accepted are the algorithms an ID token may be signed with.
func (c *Connector) accepted(m *metadata) ([]jose.SignatureAlgorithm, error) {
	allowed := c.cfg.SigningAlgorithms
	if len(allowed) == 0 {
		allowed = algorithms()
	}
	var both []jose.SignatureAlgorithm
	for _, alg := range allowed {
		if len(m.Algorithms) == 0 || slices.Contains(m.Algorithms, alg) {
			both = append(both, jose.SignatureAlgorithm(alg))
		}
	}
	if len(both) == 0 {
		return nil, fault.New(fault.Precondition,
			"the provider signs ID tokens with %s only, the connector accepts %s",
			fetch.Clean(strings.Join(m.Algorithms, ", ")), strings.Join(allowed, ", ")).
			Next("let the provider sign with RS256 or ES256").At("config.signingAlgorithms")
	}
	return both, nil
}

func (c *Connector) loadKeys(ctx context.Context) ([]jose.JSONWebKey, error) {
	m, err := c.meta.Get(ctx)
	if err != nil {
		return nil, err
	}
	return keyset.Fetch(ctx, c.client, m.KeysURL)
}
