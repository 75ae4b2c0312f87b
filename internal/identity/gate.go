package identity

import (
	"context"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Gate is the check that each grant and each API call asks in its own
// transaction: may the holder of this act now? A person who is disabled, or
// whose connector is gone, may not, whatever token they hold. The id of the
// identity that began it is empty for what no sign-in has made: tokens of
// robots and root, and restored ones. It returns that identity, if there is
// one. Fault: Unauthenticated.
func Gate(ctx context.Context, tx *db.Tx, holder principal.Name, identityID string) (by Identity, err error) {
	if identityID != "" {
		by, err = ByID(ctx, tx, identityID)
		switch {
		case fault.Is(err, fault.NotFound) || err == nil && by.Ended:
			return by, fault.New(fault.Unauthenticated, "the identity provider that this session came from is no longer connected").
				Next("log in again with: pachctl auth login")
		case err != nil:
			return by, err
		case by.Waiting:
			return by, fault.New(fault.Unauthenticated, "this identity may not act as %s any more: an administrator unlinked it", by.User)
		}
		holder = by.User
	}
	if holder.Kind() != principal.User {
		return by, nil
	}
	err = checkEnabled(ctx, tx, holder)
	switch {
	case fault.Is(err, fault.NotFound): // never seen, so nobody disabled them
		return by, nil
	case fault.Is(err, fault.Denied):
		return by, fault.As(fault.Unauthenticated, err)
	}
	return by, err
}
