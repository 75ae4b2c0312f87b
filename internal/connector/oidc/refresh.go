package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/oidc/claim"
	"pachyderm/internal/fault"
)

// Refresh asks the provider whether the person is still there, and what has
// become of their claims. The old identity gives only its ConnectorData.
func (c *Connector) Refresh(ctx context.Context, _ dexconn.Scopes, old dexconn.Identity) (dexconn.Identity, error) {
	var known remembered
	if err := json.Unmarshal(old.ConnectorData, &known); err != nil || known.RefreshToken == "" || known.Subject == "" {
		return dexconn.Identity{}, fault.New(fault.Precondition,
			"the provider issued no refresh token for this session, so that it cannot be renewed").
			Next("sign in again")
	}
	m, err := c.meta.Get(ctx)
	if err != nil {
		return dexconn.Identity{}, err
	}
	t, err := c.auth.RequestTokens(ctx, m.Server, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {known.RefreshToken}})
	if err != nil {
		return dexconn.Identity{}, err
	}
	t.RefreshToken = cmp.Or(t.RefreshToken, known.RefreshToken)
	if t.IDToken == "" { // which OpenID Connect Core, 12.2, permits
		return c.identity(ctx, m, t, claim.Set{"sub": known.Subject}, true)
	}
	cl, err := c.verify(ctx, m, t, expected{subject: known.Subject})
	if err != nil {
		return dexconn.Identity{}, err
	}
	return c.identity(ctx, m, t, cl, c.cfg.GetUserInfo)
}
