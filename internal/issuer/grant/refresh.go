package grant

import (
	"context"
	"slices"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/secret"
)

// use says what a refresh token is to its grant.
type use int

const (
	usable use = iota + 1 // the current one
	retry                 // the one before it, moments ago
	spent                 // replaced, or made up by who knew one
)

// useOf is what a refresh token was to its grant when the request arrived.
func useOf(g Grant, raw string, arrived time.Time) use {
	hash := secret.Hash(raw)
	switch {
	case secret.Same(g.current, hash):
		return usable
	case secret.Same(g.previous, hash) && arrived.Before(g.Used.Add(retryWithin)):
		return retry
	}
	return spent
}

// attempts bounds how often a refresh is looked at anew because another request
// with the same token was faster.
const attempts = 3

// refresh exchanges a refresh token for new tokens (RFC 6749, 6), after the
// connector has said who its person is now. A replaced one ends the grant.
func (s *Server) refresh(ctx context.Context, c Client, raw string, scopes []string) (Tokens, error) {
	if raw == "" {
		return Tokens{}, endpoint.InvalidRequest("refresh_token is missing")
	}
	arrived := s.Now()
	var failed error
	for range attempts {
		g, who, what, err := s.look(ctx, c, raw, arrived)
		if err != nil {
			return Tokens{}, err
		}
		granted, err := narrowed(g, scopes)
		switch {
		case err != nil:
			return Tokens{}, err
		case what == retry:
			return s.issue(ctx, c, g, who, granted, g.Refresh, "")
		case failed != nil:
			return Tokens{}, s.notRefreshed(ctx, g, failed)
		}
		var person storage.Claims
		var data []byte
		if person, data, failed = s.Refresh(ctx, g.ConnectorID, g.Scopes, g.Person, g.ConnectorData); failed != nil {
			continue // perhaps because another request with the same token was faster
		}
		who, moved, err := s.rotate(ctx, c, &g, raw, arrived, person, data)
		if err != nil {
			return Tokens{}, err
		}
		if moved {
			return s.issue(ctx, c, g, who, granted, g.Refresh, "")
		}
	}
	return Tokens{}, errBusy()
}

func errBusy() *endpoint.Error {
	return endpoint.Unavailable(fault.New(fault.Unavailable, "the identity provider does not answer").Next("try again"))
}

func (s *Server) notRefreshed(ctx context.Context, g Grant, err error) error {
	switch fault.KindOf(err) {
	case fault.Unavailable:
		return errBusy()
	case fault.Internal:
		return err
	}
	s.refused(ctx, g, err)
	return endpoint.InvalidGrant("the identity provider does not confirm this person any more: sign in again")
}

// look finds the grant of a refresh token, in front of the gate, and ends it if
// the token is a replaced one.
func (s *Server) look(ctx context.Context, c Client, raw string, arrived time.Time) (g Grant, who identity.Identity, what use, err error) {
	family, ok := familyOf(raw)
	if !ok {
		return g, who, 0, endpoint.InvalidGrant("the refresh token is not known, or not any more")
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		g, who, what, err = s.check(ctx, tx, c, family, raw, arrived)
		return err
	})
	if err != nil || what != spent {
		return g, who, what, err
	}
	err = s.decide(ctx, func(tx *db.Tx) error {
		if g, who, what, err = s.check(ctx, tx, c, family, raw, arrived); err != nil || what != spent {
			return err
		}
		return s.end(ctx, tx, g, "the refresh token was used again")
	})
	return g, who, what, err
}

func (s *Server) check(ctx context.Context, tx *db.Tx, c Client, family, raw string, arrived time.Time,
) (g Grant, who identity.Identity, what use, err error) {
	if g, err = s.byFamily(ctx, tx, family); err != nil {
		return g, who, 0, unknown(err, "the refresh token is not known, or not any more")
	}
	if g.ClientID != c.ID {
		return g, who, 0, endpoint.InvalidGrant("the refresh token was made for another client")
	}
	what = useOf(g, raw, arrived)
	if what == spent {
		return g, who, what, nil
	}
	now := s.Now()
	if !now.Before(g.RefreshUntil) || s.RefreshLives > 0 && !now.Before(g.Created.Add(s.RefreshLives)) {
		return g, who, 0, endpoint.InvalidGrant("the refresh token has expired")
	}
	who, err = s.gate(ctx, tx, c, g)
	return g, who, what, err
}

// rotate replaces the refresh token that was presented, unless another request
// has done so.
func (s *Server) rotate(ctx context.Context, c Client, g *Grant, raw string, arrived time.Time, person storage.Claims, data []byte,
) (who identity.Identity, moved bool, err error) {
	family, _ := familyOf(raw)
	err = s.decide(ctx, func(tx *db.Tx) error {
		var now Grant
		var what use
		var err error
		now, who, what, err = s.check(ctx, tx, c, family, raw, arrived)
		if moved = err == nil && what == usable; !moved {
			return err
		}
		if person.UserID != now.IdentityID {
			moved = false
			return s.end(ctx, tx, now, "the identity provider now says that this is somebody else")
		}
		now.Person, now.ConnectorData = person, data
		now.rotate(s, family, s.Now())
		*g = now
		return s.update(ctx, tx, now)
	})
	return who, moved, err
}

// narrowed are the scopes of a refresh: all, or some of those that were granted.
func narrowed(g Grant, scopes []string) ([]string, error) {
	if len(scopes) == 0 {
		return g.Scopes, nil
	}
	for _, scope := range scopes {
		if !slices.Contains(g.Scopes, scope) {
			return nil, endpoint.Refuse("invalid_scope", "a scope was asked for that was not granted")
		}
	}
	return scopes, nil
}
