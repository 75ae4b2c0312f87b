package identity

import (
	"context"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Preview says as whom a sign-in would act, and what an administrator should
// know of that, without recording anything. Faults: those of SignedIn.
func (s *Service) Preview(ctx context.Context, in SignIn) (user principal.Name, note string, err error) {
	user, err = principal.OfUser(in.Email)
	if err != nil {
		return "", "", err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		who, err := identityBySubject(ctx, tx, in.Instance, in.Issuer, in.Subject)
		if err == nil && !who.Waiting {
			if who.User != user {
				note = "known here by an address that they had before"
			}
			user = who.User
			return checkEnabled(ctx, tx, user)
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		switch owned, err := hasIdentity(ctx, tx, user); {
		case err != nil:
			return err
		case owned:
			return fault.New(fault.Denied, "%s belongs to another account, which has signed in with this address before", user).
				Next("after a first try to sign in, an administrator can join the two with: pachctl idp link")
		}
		note = "new here"
		return nil
	})
	return user, note, err
}
