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
		by, disabled, err := identityAndUser(ctx, tx, `id = $1`, identityID)
		if fault.Is(err, fault.NotFound) {
			return by, errNotConnected()
		}
		if err == nil {
			err = pass(by, disabled)
		}
		return by, err
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

// GateByTokenSub is Gate for the identity that an ID token of our issuer speaks of.
// Faults: those of Gate, and NotFound if there is none.
func GateByTokenSub(ctx context.Context, tx *db.Tx, sub string) (Identity, error) {
	by, disabled, err := identityAndUser(ctx, tx, `token_sub = $1`, sub)
	if err == nil {
		err = pass(by, disabled)
	}
	return by, err
}

// pass is the gate for whoever an identity is of.
func pass(by Identity, disabled bool) error {
	switch {
	case by.Ended:
		return errNotConnected()
	case by.Waiting:
		return fault.New(fault.Unauthenticated, "this identity may not act as %s any more: an administrator unlinked it", by.User)
	case disabled && by.User.Kind() == principal.User:
		return fault.As(fault.Unauthenticated, errDisabled(by.User))
	}
	return nil
}

func errNotConnected() *fault.Error {
	return fault.New(fault.Unauthenticated, "the identity provider that this session came from is no longer connected").
		Next("log in again with: pachctl auth login")
}
