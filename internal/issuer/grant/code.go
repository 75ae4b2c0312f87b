package grant

import (
	"context"
	"errors"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/tracing"
)

// RedeemCode exchanges an authorization code for tokens, once (RFC 6749, 4.1.3).
// A second use ends what the first gave. Error: *endpoint.Error.
func (s *Server) RedeemCode(ctx context.Context, c Client, code, redirectURI, verifier string) (Tokens, error) {
	if code == "" {
		return Tokens{}, endpoint.InvalidRequest("code is missing")
	}
	var g Grant
	var who identity.Identity
	var refresh string
	err := s.withCode(ctx, code, func(held heldCode) error {
		if held == nil && s.DB.Alone() { // what is made up keeps no writer waiting
			if err := s.DB.ViewOne(ctx, func(tx *db.Tx) error { return knowsCode(ctx, tx, code) }); err != nil {
				return unknown(err, unknownCode)
			}
		}
		return s.decide(ctx, func(tx *db.Tx) (err error) {
			if g, err = s.byCode(ctx, tx, code, held); err != nil {
				return unknown(err, unknownCode)
			}
			if err := s.checkCode(ctx, tx, c, g, redirectURI, verifier); err != nil {
				return err
			}
			who, refresh, err = s.begin(ctx, tx, c, &g)
			return err
		})
	})
	if err != nil {
		return Tokens{}, err
	}
	return s.issue(ctx, c, g, who, g.Scopes, refresh, code)
}

// checkCode refuses a code that is not to be redeemed so, and ends the grant of one that
// was before.
func (s *Server) checkCode(ctx context.Context, tx *db.Tx, c Client, g Grant, redirectURI, verifier string) error {
	switch now := s.Now(); {
	case g.ClientID != c.ID:
		return endpoint.InvalidGrant("the code was made for another client")
	case g.stage != issued:
		return s.end(ctx, tx, g, "the code was used again")
	case !now.Before(g.expires):
		return endpoint.InvalidGrant("the code has expired")
	case g.RedirectURI != redirectURI:
		return endpoint.InvalidGrant("the redirect_uri is not that of the authorization request")
	}
	return endpoint.CheckVerifier(g.Challenge, verifier, c.NeedsPKCE)
}

const unknownCode = "the code is not known, or not any more"

// begin turns a code, or an approved device, into a grant that gives tokens.
func (s *Server) begin(ctx context.Context, tx *db.Tx, c Client, g *Grant) (who identity.Identity, refresh string, err error) {
	tracing.Continue(ctx, g.Trace)
	if who, err = s.gate(ctx, tx, c, *g); err != nil {
		return who, "", err
	}
	now := s.Now()
	refresh = g.redeem(s, now)
	if err := s.put(ctx, tx, *g); err != nil {
		return who, "", err
	}
	if c.MayLearnPKCE && g.Challenge != "" {
		if err := s.LearntPKCE(ctx, tx, c.ID); err != nil {
			return who, "", err
		}
	}
	by := audit.By{Actor: who.User, At: now}
	return who, refresh, by.Record(ctx, tx, "grant.redeem", "client/"+c.ID, "connector/"+g.ConnectorID)
}

// end ends a grant of which something was presented that was good for once, and
// is the answer to whoever did: either the client is at fault, or a thief.
func (s *Server) end(ctx context.Context, tx *db.Tx, g Grant, why string) error {
	who, err := identity.ByID(ctx, tx, g.IdentityID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	s.refused(ctx, g, errors.New(why))
	if err := end(ctx, tx, audit.By{Actor: who.User, At: s.Now()}, g, why); err != nil {
		return err
	}
	return endpoint.InvalidGrant(why + ": the sign-in that it belongs to has been ended")
}

func unknown(err error, description string) error {
	if fault.Is(err, fault.NotFound) {
		return endpoint.InvalidGrant(description)
	}
	return err
}
