package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/issuer/claims"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/people/identity"
)

// ScopeOffline asks for a refresh token (OpenID Connect Core, 11).
const ScopeOffline = "offline_access"

// Scopes that mean something here.
const (
	scopeOpenID    = "openid"
	scopeFederated = "federated:id"
	scopeAudience  = "audience:server:client_id:"
)

// Tokens is what the token endpoint answers (RFC 6749, 5.1).
type Tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"` // in seconds
	Refresh string `json:"refresh_token,omitempty"`
	ID      string `json:"id_token,omitempty"`
	Scope   string `json:"scope"`
}

// issue signs the tokens of a grant. Error: *endpoint.Error for an audience that does not
// trust the client any more.
func (s *Server) issue(ctx context.Context, c Client, g Grant, who identity.Identity, scopes []string, refresh, code string,
) (Tokens, error) {
	audience, err := s.audience(ctx, c, scopes)
	if err != nil {
		return Tokens{}, err
	}
	now, lives := s.Now(), s.TokensLive
	if refresh != "" {
		lives = min(lives, refreshedLive)
	}
	both := func(aud ...string) claims.Common {
		return claims.Common{
			Issuer: s.JWS.Name, Subject: who.TokenSub, Audience: aud, IssuedAt: now.Unix(), Expiry: now.Add(lives).Unix(),
			ID: rand.Text(), Grant: g.ID,
		}
	}
	scope := strings.Join(scopes, " ")
	t := Tokens{Type: "bearer", Expires: int64(lives / time.Second), Refresh: refresh, Scope: scope}
	if t.Access, err = s.JWS.Sign(ctx, jws.Access, claims.Access{Common: both(s.Audience), ClientID: c.ID, Scope: scope}); err != nil {
		return Tokens{}, err
	}
	if !slices.Contains(scopes, scopeOpenID) {
		return t, nil
	}
	id := claims.ID{Common: both(audience...), Nonce: g.Nonce, AccessHash: claims.Half(t.Access), Person: claims.For(who, g.Person, scopes)}
	if len(audience) > 1 {
		id.Party = c.ID
	}
	if !g.AuthTime.IsZero() {
		id.AuthTime = g.AuthTime.Unix()
	}
	if code != "" {
		id.CodeHash = claims.Half(code)
	}
	if slices.Contains(scopes, scopeFederated) {
		id.Federated = &claims.Federated{ConnectorID: g.ConnectorID, UserID: g.IdentityID}
	}
	t.ID, err = s.JWS.Sign(ctx, jws.ID, id)
	return t, err
}

// CheckScopes refuses scopes that are not known, that mean nothing to OpenID
// Connect, or that name a client which does not trust this one. Error: *endpoint.Error,
// invalid_scope.
func (s *Server) CheckScopes(ctx context.Context, c Client, scopes []string) error {
	known := []string{scopeOpenID, ScopeOffline, claims.Email, claims.Groups, claims.Profile, scopeFederated}
	for _, scope := range scopes {
		if !slices.Contains(known, scope) && !strings.HasPrefix(scope, scopeAudience) {
			return endpoint.Refuse("invalid_scope", "a scope was asked for that is none of "+strings.Join(known, ", ")+", "+scopeAudience+"ID")
		}
	}
	if !slices.Contains(scopes, scopeOpenID) {
		return endpoint.Refuse("invalid_scope", "the scope openid is missing")
	}
	_, err := s.audience(ctx, c, scopes)
	return err
}

// audience is the client, and the peers that its scopes name and that trust it.
func (s *Server) audience(ctx context.Context, c Client, scopes []string) (all []string, err error) {
	for _, scope := range scopes {
		id, ok := strings.CutPrefix(scope, scopeAudience)
		if !ok {
			continue
		}
		if id != c.ID {
			peer, err := s.Client(ctx, id)
			if err != nil && !errors.Is(err, storage.ErrNotFound) {
				return nil, err
			}
			if err != nil || !slices.Contains(peer.TrustedPeers, c.ID) {
				return nil, endpoint.Refuse("invalid_scope", "a client that the scopes name does not trust this one (any more)")
			}
		}
		all = append(all, id)
	}
	if !slices.Contains(all, c.ID) {
		all = append(all, c.ID)
	}
	return all, nil
}

// VerifyIDToken checks type, signature, issuer and lifetime of an ID token that
// this issuer made.
func (s *Server) VerifyIDToken(ctx context.Context, raw string) (*oidc.IDToken, error) {
	return s.JWS.Verify(ctx, jws.ID, raw)
}
