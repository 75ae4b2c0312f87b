package session

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// DeleteExpired deletes tokens that have expired.
func (s *Service) DeleteExpired(ctx context.Context, by principal.Name) error {
	return s.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		if err := token.DeleteExpired(ctx, tx, s.with.Now()); err != nil {
			return err
		}
		return s.By(by).Record(ctx, tx, "token.delete-expired", "tokens", "")
	})
}

// Revoke ends a token: the caller's own, or with the right to revoke those of
// users any other but that of root. It returns how many there were. Faults:
// Denied, Precondition.
func (s *Service) Revoke(ctx context.Context, by Caller, raw secret.Text) (n int64, err error) {
	hash := token.Hash(raw)
	if hash != by.Token.Hash {
		if err := by.AuthorizeCluster(access.ClusterAuthRevokeUserTokens); err != nil {
			return 0, err
		}
	}
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		n = 0
		switch known, err := token.Verify(ctx, tx, raw, s.with.Now()); {
		case err != nil && !fault.Is(err, fault.Unauthenticated):
			return err
		case err == nil:
			if err := checkEndable(known); err != nil {
				return err
			}
		}
		found, err := token.Revoke(ctx, tx, hash)
		if err != nil || !found {
			return err
		}
		n = 1
		return s.By(by.Name).Record(ctx, tx, "token.revoke", "token/"+hash[:8], "")
	})
	return n, err
}

// IDLength of a token's hash is enough to tell it from others, and of no use
// otherwise: it is the id that lists show.
const IDLength = 12

// RevokeByID ends a token by the id that Held shows it with: everybody their own.
// Faults: NotFound, also for a token that the caller may not end; Precondition.
func (s *Service) RevokeByID(ctx context.Context, by Caller, id string) error {
	if len(id) != IDLength {
		return errNoSession(id)
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		known, err := token.ByID(ctx, tx, id)
		if fault.Is(err, fault.NotFound) || err == nil && by.AuthorizeRevoke(known.Subject) != nil {
			return errNoSession(id)
		}
		if err == nil {
			err = checkEndable(known)
		}
		if err != nil {
			return err
		}
		if _, err := token.Revoke(ctx, tx, known.Hash); err != nil {
			return err
		}
		return s.By(by.Name).Record(ctx, tx, "token.revoke", "token/"+known.Hash[:8], "")
	})
}

func errNoSession(id string) error {
	return fault.New(fault.NotFound, "there is no session or token %q", id).
		Next("list them with: pachctl auth list-sessions")
}

// checkEndable is checkRevocable of one token: a session of root ends in any case,
// and may before.
func checkEndable(t token.Info) error {
	if !t.Expires.IsZero() {
		return nil
	}
	return checkRevocable(t.Subject)
}

// checkRevocable keeps pachd administrable. The text begins with upstream's.
func checkRevocable(who principal.Name) error {
	if who == principal.Root {
		return fault.New(fault.Precondition, "cannot revoke tokens for pach: users: nobody might be left to administer pachd").
			Next("rotate the root token instead")
	}
	return nil
}

// RevokeTokens ends the tokens of a principal and returns how many there were.
// Fault: Precondition.
func (s *Service) RevokeTokens(ctx context.Context, by, who principal.Name) (n int64, err error) {
	if err := checkRevocable(who); err != nil {
		return 0, err
	}
	err = s.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		if n, err = token.RevokeAllOf(ctx, tx, who); err != nil {
			return err
		}
		return s.By(by).Record(ctx, tx, "token.revoke-all", who.String(), "")
	})
	return n, err
}

// RevokeAll ends all that a principal holds: tokens, and the refresh tokens of
// applications that a person signed in to. It returns how many there were.
// Fault: Precondition.
func (s *Service) RevokeAll(ctx context.Context, by, who principal.Name) (tokens, refresh int64, err error) {
	if err := checkRevocable(who); err != nil {
		return 0, 0, err
	}
	err = s.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		if tokens, err = token.RevokeAllOf(ctx, tx, who); err != nil {
			return err
		}
		accounts, err := identity.Accounts(ctx, tx, who)
		if err != nil {
			return err
		}
		refresh = 0
		for _, a := range accounts {
			n, err := s.with.EndGrants(ctx, tx, a.ID, s.with.Now())
			if err != nil {
				return err
			}
			refresh += n
		}
		return s.By(by).Record(ctx, tx, "token.revoke-all", who.String(), "")
	})
	return tokens, refresh, err
}

// SetEnabled lets a person in or keeps them out, from their next call on. Whoever
// is kept out is signed out at applications as well, which hear of it if they want
// to. Faults: those of identity.SetEnabled.
func (s *Service) SetEnabled(ctx context.Context, by, user principal.Name, enabled bool) error {
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if enabled {
			return identity.SetEnabled(ctx, tx, s.By(by), user, true, "")
		}
		return s.Disable(ctx, tx, by, user, "")
	})
}

// Disable is SetEnabled that keeps somebody out, in the caller's transaction; the
// audit keeps why.
func (s *Service) Disable(ctx context.Context, tx *db.Tx, by, user principal.Name, why string) error {
	if err := identity.SetEnabled(ctx, tx, s.By(by), user, false, why); err != nil {
		return err
	}
	accounts, err := identity.Accounts(ctx, tx, user)
	for _, a := range accounts {
		if err == nil {
			err = s.with.SignOut(ctx, tx, a.ID, s.with.Now())
		}
	}
	return err
}

// Unlink takes an identity away from a user; what it signed in to ends. Fault:
// NotFound.
func (s *Service) Unlink(ctx context.Context, by principal.Name, identityID string, user principal.Name) error {
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		gone, err := identity.Unlink(ctx, tx, s.By(by), identityID, user)
		if err != nil {
			return err
		}
		if err := token.RevokeOfIdentity(ctx, tx, user, gone.ID); err != nil {
			return err
		}
		_, err = s.with.EndGrants(ctx, tx, gone.ID, s.with.Now())
		return err
	})
}

// Held is a token that works.
type Held struct {
	token.Info
	ConnectorID string // that the session came from; empty for other tokens
}

// Held lists the tokens that work, of one principal or of "" all: everybody
// their own, those of others whoever may extract them. Fault: Denied.
func (s *Service) Held(ctx context.Context, by Caller, who principal.Name, p db.Page) (held []Held, next string, err error) {
	if err := by.AuthorizeAbout(who, access.ClusterAuthExtractTokens); err != nil {
		return nil, "", err
	}
	err = s.with.DB.View(ctx, func(tx *db.Tx) error {
		var all []token.Info
		if who == "" {
			all, next, err = token.Page(ctx, tx, p)
		} else {
			all, next, err = token.PageOf(ctx, tx, who, p)
		}
		if err != nil {
			return err
		}
		for _, t := range all {
			if t.CheckExpiry(s.with.Now()) != nil {
				continue
			}
			began, err := identity.Gate(ctx, tx, t.Subject, t.IdentityID)
			if fault.Is(err, fault.Unauthenticated) {
				continue
			}
			if err != nil {
				return err
			}
			held = append(held, Held{t, began.ConnectorID})
		}
		return nil
	})
	slices.SortFunc(held, func(a, b Held) int {
		return cmp.Or(strings.Compare(a.Subject.String(), b.Subject.String()), a.Created.Compare(b.Created))
	})
	return held, next, err
}

// EndIdentity ends what an identity has signed in to, since its provider does not let
// it in any more.
func (s *Service) EndIdentity(ctx context.Context, who principal.Name, identityID, why string) error {
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := token.RevokeOfIdentity(ctx, tx, who, identityID); err != nil {
			return err
		}
		if _, err := s.with.EndGrants(ctx, tx, identityID, s.with.Now()); err != nil {
			return err
		}
		if err := identity.ForgetGroups(ctx, tx, identityID); err != nil {
			return err
		}
		return s.By(principal.Root).Record(ctx, tx, "session.gone-at-provider", who.String(), why)
	})
}
