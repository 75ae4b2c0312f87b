package issuer

import (
	"context"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/principal"
)

// RefreshToken is what an application has that signs a person in by itself.
type RefreshToken struct {
	grant.Grant
	User principal.Name
}

// RefreshTokens lists the refresh tokens that work, of one person or of "" all,
// by id.
func (i *Issuer) RefreshTokens(ctx context.Context, who principal.Name, p db.Page) (all []RefreshToken, next string, err error) {
	err = i.with.DB.View(ctx, func(tx *db.Tx) error {
		var found []grant.Grant
		if who == "" {
			found, next, err = i.grants.Refreshable(ctx, tx, p, i.with.Now())
		} else {
			found, next, err = i.refreshTokensOf(ctx, tx, who, p)
		}
		for _, g := range found {
			by, err := identity.Gate(ctx, tx, "", g.IdentityID)
			if fault.Is(err, fault.Unauthenticated) {
				continue
			}
			if err != nil {
				return err
			}
			all = append(all, RefreshToken{g, by.User})
		}
		return err
	})
	return all, next, err
}

func (i *Issuer) refreshTokensOf(ctx context.Context, tx *db.Tx, who principal.Name, p db.Page) ([]grant.Grant, string, error) {
	accounts, err := identity.Accounts(ctx, tx, who)
	if err != nil || len(accounts) == 0 {
		return nil, "", err
	}
	ids := make([]string, len(accounts))
	for n, a := range accounts {
		ids[n] = a.ID
	}
	return i.grants.RefreshableOf(ctx, tx, ids, p, i.with.Now())
}

// EndGrant ends a refresh token by its id, with the sessions that began from it,
// if the caller may end what is its person's. Fault: NotFound, also for one that
// the caller may not end.
func (i *Issuer) EndGrant(ctx context.Context, by principal.Name, id string, may func(owner principal.Name) error) error {
	return i.with.DB.Update(ctx, func(tx *db.Tx) error {
		g, err := i.grants.ByID(ctx, tx, id)
		var owner identity.Identity
		if err == nil {
			owner, err = identity.ByID(ctx, tx, g.IdentityID)
		}
		if fault.Is(err, fault.NotFound) || err == nil && may(owner.User) != nil {
			return fault.New(fault.NotFound, "there is no session or token %q", id).
				Next("list them with: pachctl auth list-sessions")
		}
		if err != nil {
			return err
		}
		return i.grants.End(ctx, tx, by, id)
	})
}

// signOut ends a grant on behalf of its person. Fault: NotFound.
func (i *Issuer) signOut(ctx context.Context, id string) error {
	return i.with.DB.Update(ctx, func(tx *db.Tx) error {
		g, err := i.grants.ByID(ctx, tx, id)
		if err != nil {
			return err
		}
		who, err := identity.ByID(ctx, tx, g.IdentityID)
		if err != nil {
			return err
		}
		return i.grants.End(ctx, tx, who.User, id)
	})
}
