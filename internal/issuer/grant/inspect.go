package grant

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/claims"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/people/identity"
)

// ServeRevocation lets an application end a refresh or access token of its own,
// and with it the sign-in that it is of (RFC 7009). A token that is not known, or
// is another's, is answered alike.
func (s *Server) ServeRevocation(w http.ResponseWriter, r *http.Request) error {
	form, c, err := s.request(w, r)
	if err != nil {
		return err
	}
	raw := form.Get("token")
	if raw == "" {
		return endpoint.InvalidRequest("token is missing")
	}
	var p presented
	err = s.DB.View(r.Context(), func(tx *db.Tx) (err error) { // what is made up keeps no writer waiting
		p, err = s.present(r.Context(), tx, raw)
		return err
	})
	if err == nil && p.ID != "" && p.ClientID == c.ID {
		err = s.revoke(r.Context(), p.Grant)
	}
	if err != nil {
		return s.explain(r.Context(), err)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}

// revoke ends a grant on behalf of its application, if it has not ended meanwhile.
func (s *Server) revoke(ctx context.Context, g Grant) error {
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		who, err := identity.ByID(ctx, tx, g.IdentityID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err := s.End(ctx, tx, who.User, g.ID); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		return nil
	})
}

// introspection is the answer of RFC 7662, 2.2.
type introspection struct {
	Active   bool   `json:"active"`
	Kind     string `json:"token_type,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	Subject  string `json:"sub,omitempty"`
	Username string `json:"username,omitempty"`
	Scope    string `json:"scope,omitempty"`
	Issuer   string `json:"iss,omitempty"`
	Audience string `json:"aud,omitempty"`
	IssuedAt int64  `json:"iat,omitempty"`
	Expiry   int64  `json:"exp,omitempty"`
	Grant    string `json:"sid,omitempty"`
}

// ServeIntrospection says whether a refresh or access token is good at this moment
// (RFC 7662), to the confidential client that it was made for, or to one that this
// client trusts. Everybody else hears that it is not.
func (s *Server) ServeIntrospection(w http.ResponseWriter, r *http.Request) error {
	form, c, err := s.request(w, r)
	if err != nil {
		return err
	}
	if c.Public {
		return &endpoint.Error{
			Status: http.StatusUnauthorized, Code: "invalid_client", Description: "a public client may not ask about tokens",
			Challenge: s.challenge(),
		}
	}
	var out introspection
	err = s.DB.View(r.Context(), func(tx *db.Tx) error {
		p, err := s.present(r.Context(), tx, form.Get("token"))
		if err != nil || p.ID == "" || !p.good || p.ClientID != c.ID && !slices.Contains(c.TrustedPeers, p.ClientID) {
			return err
		}
		who, err := identity.Gate(r.Context(), tx, "", p.IdentityID)
		if fault.Is(err, fault.Unauthenticated) {
			return nil
		}
		out = introspection{
			Active: true, Kind: p.kind, ClientID: p.ClientID, Subject: who.TokenSub,
			Username: claims.For(who, p.Person, p.scopes).Email, Scope: strings.Join(p.scopes, " "),
			Issuer: s.JWS.Name, Audience: p.audience, IssuedAt: p.issued, Expiry: p.expires, Grant: p.ID,
		}
		return err
	})
	if err != nil {
		return s.explain(r.Context(), err)
	}
	endpoint.Answer(w, http.StatusOK, out)
	return nil
}

// presented is a token that an application shows, with the grant that it is of;
// one without a grant is none of ours, or its grant has ended.
type presented struct {
	Grant
	kind            string
	good            bool // it works at this moment, as far as it says itself
	scopes          []string
	audience        string
	issued, expires int64
}

func (s *Server) present(ctx context.Context, tx *db.Tx, raw string) (p presented, err error) {
	family, isRefresh := familyOf(raw)
	if isRefresh {
		p.Grant, err = s.byFamily(ctx, tx, family)
		p.kind, p.scopes = "refresh_token", p.Scopes
		now := s.Now()
		p.good = useOf(p.Grant, raw, now) == usable && now.Before(p.RefreshUntil)
		p.issued, p.expires = p.Used.Unix(), p.RefreshUntil.Unix()
	} else {
		t, said, invalid := s.accessToken(ctx, raw)
		if invalid != nil {
			return presented{}, nil //nolint:nilerr // it is none of ours, or none any more
		}
		p.Grant, err = s.ByID(ctx, tx, said.Grant)
		p.kind, p.good, p.scopes, p.audience = "Bearer", true, strings.Fields(said.Scope), s.Audience
		p.issued, p.expires = t.IssuedAt.Unix(), t.Expiry.Unix()
	}
	if fault.Is(err, fault.NotFound) {
		return presented{}, nil
	}
	return p, err
}

// saidByAccess is what an access token says of its grant.
type saidByAccess struct {
	Grant string `json:"sid"`
	Scope string `json:"scope"`
}

// accessToken reads an access token of ours that has not expired.
func (s *Server) accessToken(ctx context.Context, raw string) (t *oidc.IDToken, said saidByAccess, err error) {
	t, err = s.JWS.Verify(ctx, jws.Access, raw)
	if err == nil {
		err = t.Claims(&said)
	}
	if err == nil && !slices.Contains(t.Audience, s.Audience) {
		err = errors.New("it is for another audience")
	}
	return t, said, err
}
