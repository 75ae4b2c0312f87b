package grant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/issuer/jws"
)

// Scopes that mean something here.
const (
	scopeOpenID    = "openid"
	scopeOffline   = "offline_access"
	scopeEmail     = "email"
	scopeGroups    = "groups"
	scopeProfile   = "profile"
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

// person is what a client may know of a person, by its scopes.
type person struct {
	Email             string   `json:"email,omitempty"`
	EmailVerified     *bool    `json:"email_verified,omitempty"`
	Groups            []string `json:"groups,omitempty"`
	Name              string   `json:"name,omitempty"`
	PreferredUsername string   `json:"preferred_username,omitempty"`
}

// personFor says no more of a person whose connector nobody has approved (any
// more) than their name: applications believe what our tokens say.
func personFor(who identity.Identity, p storage.Claims, scopes []string) (out person) {
	if !who.Approved {
		p.EmailVerified, p.Groups = false, nil
	}
	for _, scope := range scopes {
		switch scope {
		case scopeEmail:
			out.Email, out.EmailVerified = p.Email, &p.EmailVerified
		case scopeGroups:
			out.Groups = p.Groups
		case scopeProfile:
			out.Name, out.PreferredUsername = p.Username, p.PreferredUsername
		}
	}
	return out
}

// audience is one text, or a list of more.
type audience []string

func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// common is what both tokens say.
type common struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expiry   int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	ID       string   `json:"jti"`
	Grant    string   `json:"sid"`
}

type idClaims struct {
	common
	Party      string     `json:"azp,omitempty"`
	Nonce      string     `json:"nonce,omitempty"`
	AuthTime   int64      `json:"auth_time,omitempty"`
	AccessHash string     `json:"at_hash"`
	CodeHash   string     `json:"c_hash,omitempty"`
	Federated  *federated `json:"federated_claims,omitempty"`
	person
}

type federated struct {
	ConnectorID string `json:"connector_id,omitempty"`
	UserID      string `json:"user_id,omitempty"`
}

type accessClaims struct {
	common
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
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
	both := func(aud ...string) common {
		return common{
			Issuer: s.JWS.Name, Subject: who.TokenSub, Audience: aud, IssuedAt: now.Unix(), Expiry: now.Add(lives).Unix(),
			ID: rand.Text(), Grant: g.ID,
		}
	}
	scope := strings.Join(scopes, " ")
	t := Tokens{Type: "bearer", Expires: int64(lives / time.Second), Refresh: refresh, Scope: scope}
	if t.Access, err = s.JWS.Sign(ctx, jws.Access, accessClaims{both(s.Audience), c.ID, scope}); err != nil {
		return Tokens{}, err
	}
	if !slices.Contains(scopes, scopeOpenID) {
		return t, nil
	}
	claims := idClaims{common: both(audience...), Nonce: g.Nonce, AccessHash: half(t.Access), person: personFor(who, g.Person, scopes)}
	if len(audience) > 1 {
		claims.Party = c.ID
	}
	if !g.AuthTime.IsZero() {
		claims.AuthTime = g.AuthTime.Unix()
	}
	if code != "" {
		claims.CodeHash = half(code)
	}
	if slices.Contains(scopes, scopeFederated) {
		claims.Federated = &federated{g.ConnectorID, g.IdentityID}
	}
	t.ID, err = s.JWS.Sign(ctx, jws.ID, claims)
	return t, err
}

// CheckScopes refuses scopes that are not known, that mean nothing to OpenID
// Connect, or that name a client which does not trust this one. Error: *endpoint.Error,
// invalid_scope.
func (s *Server) CheckScopes(ctx context.Context, c Client, scopes []string) error {
	known := []string{scopeOpenID, scopeOffline, scopeEmail, scopeGroups, scopeProfile, scopeFederated}
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

// half is the first half of a hash, as at_hash and c_hash have it (OpenID
// Connect Core, 3.3.2.11), for algorithms with SHA-256: RS256 and ES256.
func half(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// VerifyIDToken checks type, signature, issuer and lifetime of an ID token that
// this issuer made.
func (s *Server) VerifyIDToken(ctx context.Context, raw string) (*oidc.IDToken, error) {
	return s.JWS.Verify(ctx, jws.ID, raw)
}
