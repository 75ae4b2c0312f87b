package refreshtoken

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

// Token is what an application has that signs a person in by itself.
type Token struct {
	grant.Grant
	User principal.Name
}

// Tokens are all refresh tokens. It is safe for concurrent use.
type Tokens struct {
	DB     *db.DB
	Grants *grant.Store
	Now    func() time.Time
}

// List lists the refresh tokens that work, of one person or of "" all, by id.
func (t *Tokens) List(ctx context.Context, who principal.Name, p db.Page) (all []Token, next string, err error) {
	err = t.DB.View(ctx, func(tx *db.Tx) error {
		var found []grant.Grant
		if who == "" {
			found, next, err = t.Grants.Refreshable(ctx, tx, p, t.Now())
		} else {
			found, next, err = t.of(ctx, tx, who, p)
		}
		for _, g := range found {
			by, err := identity.Gate(ctx, tx, "", g.IdentityID)
			if fault.Is(err, fault.Unauthenticated) {
				continue
			}
			if err != nil {
				return err
			}
			all = append(all, Token{g, by.User})
		}
		return err
	})
	return all, next, err
}

// LastUse is when an application of somebody last used a refresh token that works.
func (t *Tokens) LastUse(ctx context.Context, tx *db.Tx, who principal.Name) (last time.Time, err error) {
	err = db.EachPage(func(p db.Page) (string, error) {
		found, next, err := t.of(ctx, tx, who, p)
		for _, g := range found {
			if g.Used.After(last) {
				last = g.Used
			}
		}
		return next, err
	})
	return last, err
}

func (t *Tokens) of(ctx context.Context, tx *db.Tx, who principal.Name, p db.Page) ([]grant.Grant, string, error) {
	accounts, err := identity.Accounts(ctx, tx, who)
	if err != nil || len(accounts) == 0 {
		return nil, "", err
	}
	ids := make([]string, len(accounts))
	for n, a := range accounts {
		ids[n] = a.ID
	}
	return t.Grants.RefreshableOf(ctx, tx, ids, p, t.Now())
}

// End ends a refresh token by its id, with the sessions that began from it,
// if the caller may end what is its person's. Fault: NotFound, also for one that
// the caller may not end.
func (t *Tokens) End(ctx context.Context, by principal.Name, id string, may func(owner principal.Name) error) error {
	return t.DB.Update(ctx, func(tx *db.Tx) error {
		g, err := t.Grants.ByID(ctx, tx, id)
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
		return t.Grants.End(ctx, tx, by, id)
	})
}

// SignOut ends one on behalf of its person. Fault: NotFound.
func (t *Tokens) SignOut(ctx context.Context, id string) error {
	return t.DB.Update(ctx, func(tx *db.Tx) error {
		g, err := t.Grants.ByID(ctx, tx, id)
		if err != nil {
			return err
		}
		who, err := identity.ByID(ctx, tx, g.IdentityID)
		if err != nil {
			return err
		}
		return t.Grants.End(ctx, tx, who.User, id)
	})
}
