package people

import (
	"context"
	"strings"

	"pachyderm/internal/access/spelling"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/rename"
	"pachyderm/internal/people/token"
	"pachyderm/internal/people/trust"
	"pachyderm/internal/principal"
)

// Rename gives a person another name, since their address has changed at the provider:
// with their roles, groups, identities, sessions and tokens, which go on, the traces of
// their sign-ins, and whatever they have made. The audit keeps the name that they had
// at the time, and finds both. The name before is free: whoever signs in with that
// address next is somebody new.
//
// Faults: Invalid; NotFound for somebody who was never here; Exists for a name that is
// known already; Precondition for what pachd's configuration declares.
func (s *Service) Rename(ctx context.Context, by, from, to principal.Name) error {
	for _, name := range []principal.Name{from, to} {
		if name.Kind() != principal.User {
			return fault.New(fault.Invalid, "%s is not a person: only user:<e-mail> can be renamed", name)
		}
	}
	if from == to {
		return fault.New(fault.Invalid, "%s has that name already", from)
	}
	if err := s.with.Traces.Flush(ctx); err != nil {
		return err
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := check(ctx, tx, from, to); err != nil {
			return err
		}
		if err := move(ctx, tx, from, to); err != nil {
			return err
		}
		return audit.Renamed(ctx, tx, s.with.Sessions.By(by), from, to)
	})
}

func move(ctx context.Context, tx *db.Tx, from, to principal.Name) error {
	only := []principal.Name{from}
	if _, err := spelling.Rename(ctx, tx, only, to, from); err != nil {
		return err
	}
	if _, err := identity.Rename(ctx, tx, only, to, from); err != nil {
		return err
	}
	if err := token.Rename(ctx, tx, only, to, from); err != nil {
		return err
	}
	for _, also := range []func(context.Context, *db.Tx, principal.Name, principal.Name) error{trust.Rename, trace.Rename} {
		if err := also(ctx, tx, from, to); err != nil {
			return err
		}
	}
	for _, name := range []principal.Name{from, to} {
		if err := tx.Changed(ctx, principal.Topic, name.String()); err != nil {
			return err
		}
	}
	return nil
}

func check(ctx context.Context, tx *db.Tx, from, to principal.Name) error {
	if _, found, err := identity.PersonNamed(ctx, tx, from); err != nil || !found {
		if err == nil {
			err = fault.New(fault.NotFound, "%s has never signed in", from).Next("pachctl auth list-users shows who has")
		}
		return err
	}
	if err := checkDeclared(ctx, tx, from, to); err != nil {
		return err
	}
	known, err := rename.IsKnown(ctx, tx, to)
	if err != nil || !known {
		return err
	}
	return errKnown(ctx, tx, from, to)
}

// checkDeclared refuses names in pachd's configuration, which would bring them back at
// the next start.
func checkDeclared(ctx context.Context, tx *db.Tx, from, to principal.Name) error {
	for _, name := range []principal.Name{from, to} {
		if err := managed.Check(ctx, tx, managed.RoleBinding, name.String(), "pach.RenameUser"); err != nil {
			return err
		}
		facts, err := identity.Memberships(ctx, tx, name)
		if err != nil {
			return err
		}
		for _, m := range facts {
			if m.Source == identity.Configuration {
				return fault.New(fault.Precondition, "%s is in %s because pachd's configuration declares it", name, m.Group).
					Next("take them out there, from bootstrap.groups, rename them, and write the new name there")
			}
		}
	}
	return nil
}

// errKnown says what to do about the name that is there.
func errKnown(ctx context.Context, tx *db.Tx, from, to principal.Name) error {
	err := fault.New(fault.Exists, "%s is known here already", to)
	accounts, failed := identity.Accounts(ctx, tx, to)
	if failed != nil {
		return failed
	}
	var steps []string
	for _, a := range accounts {
		if !a.Ended && !a.Waiting {
			steps = append(steps, "pachctl idp unlink "+to.String()+" "+a.ID)
		}
		if !a.Ended {
			steps = append(steps, "pachctl idp link "+from.String()+" "+a.ID)
		}
	}
	if len(steps) > 0 {
		return err.Next("if they are one person, let the new identity act as %s, with: %s", from, strings.Join(steps, "; "))
	}
	return err.Next("nobody has signed in with it: take its roles, groups and tokens away first, or choose another")
}
