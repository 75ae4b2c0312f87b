package identity

import (
	"context"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Preview says as whom a sign-in would act, and what an administrator should
// know of that, without recording anything. Faults: those of SignedIn.
func Preview(ctx context.Context, tx *db.Tx, in SignIn) (user principal.Name, note string, err error) {
	user, err = principal.OfUser(in.Email)
	if err != nil {
		return "", "", err
	}
	who, disabled, err := identityBySubject(ctx, tx, in.Instance, in.Issuer, in.Subject)
	switch {
	case err != nil && !fault.Is(err, fault.NotFound):
		return "", "", err
	case err == nil && !who.Waiting:
		if who.User != user {
			note = "known here by an address that they had before"
		}
		if disabled {
			err = errDisabled(who.User)
		}
		return who.User, note, err
	}
	switch owned, err := hasIdentity(ctx, tx, user); {
	case err != nil:
		return "", "", err
	case owned:
		return "", "", fault.New(fault.Denied, "%s belongs to another account, which has signed in with this address before", user).
			Next("after a first try to sign in, an administrator can join the two with: pachctl idp link")
	}
	return user, "new here", nil
}
