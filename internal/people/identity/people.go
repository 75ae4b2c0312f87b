package identity

import (
	"context"
	"math"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Person is somebody who has signed in.
type Person struct {
	Name      principal.Name
	Enabled   bool
	LastLogin time.Time
	LastUse   time.Time // of a session or token, to within an hour
	Accounts  []Account
	Groups    []principal.Name // from all sources
}

// Account is an identity with what is worth showing of it.
type Account struct {
	Identity
	Email      string
	LastLogin  time.Time
	GroupsRead time.Time // when its groups were last read, or tried to be
	// Unasked is whether the provider could not be asked for them then.
	Unasked bool
}

// People lists those who have signed in.
func People(ctx context.Context, tx *db.Tx, p db.Page) (all []Person, next string, err error) {
	return Unused(ctx, tx, time.UnixMicro(math.MaxInt64), p)
}

// Unused lists those who have not been here since a time.
func Unused(ctx context.Context, tx *db.Tx, since time.Time, p db.Page) (all []Person, next string, err error) {
	if all, err = users(ctx, tx, since, p); err != nil || len(all) == 0 {
		return nil, "", err
	}
	first, last := all[0].Name, all[len(all)-1].Name
	accounts, err := accountsBetween(ctx, tx, first, last)
	if err != nil {
		return nil, "", err
	}
	groups, err := groupsBetween(ctx, tx, first, last)
	if err != nil {
		return nil, "", err
	}
	byUser := map[principal.Name][]Account{}
	for _, a := range accounts {
		byUser[a.User] = append(byUser[a.User], a)
	}
	for n := range all {
		all[n].Accounts, all[n].Groups = byUser[all[n].Name], groups[all[n].Name]
	}
	return all, p.Next(len(all), last.String()), nil
}

// PersonNamed finds somebody by name; found is false if nobody has it.
func PersonNamed(ctx context.Context, tx *db.Tx, name principal.Name) (p Person, found bool, err error) {
	all, _, err := People(ctx, tx, db.Page{Prefix: name.String(), Limit: 1})
	if err != nil || len(all) == 0 || all[0].Name != name {
		return p, false, err
	}
	return all[0], true, nil
}

// SetEnabled lets a person in or keeps them out, from their next call on; the audit
// keeps why. Faults: Invalid, NotFound; Precondition for somebody who would lock
// themselves out.
func SetEnabled(ctx context.Context, tx *db.Tx, by audit.By, user principal.Name, enabled bool, why string) error {
	if user.Kind() != principal.User {
		return fault.New(fault.Invalid, "%s is not a person: only user:<e-mail> can be disabled", user)
	}
	if user == by.Actor && !enabled {
		return fault.New(fault.Precondition, "you would lock yourself out").
			Next("have somebody else disable %s", user)
	}
	action := "user.disable"
	if enabled {
		action = "user.enable"
	}
	switch seen, err := setDisabled(ctx, tx, user, !enabled); {
	case err != nil:
		return err
	case !seen:
		return errNeverSeen(user)
	}
	if err := tx.Changed(ctx, principal.Topic, user.String()); err != nil {
		return err
	}
	return by.Record(ctx, tx, action, user.String(), why)
}

func errNeverSeen(user principal.Name) error {
	return fault.New(fault.NotFound, "%s has never signed in", user)
}

// Link lets a waiting identity act as a user. Faults: NotFound,
// Precondition.
func Link(ctx context.Context, tx *db.Tx, by audit.By, id string, user principal.Name) error {
	if _, err := isDisabled(ctx, tx, user); err != nil {
		if fault.Is(err, fault.NotFound) {
			err = errNeverSeen(user)
		}
		return err
	}
	who, err := existing(ctx, tx, id)
	switch {
	case err != nil:
		return err
	case who.Ended:
		return fault.New(fault.Precondition, "identity %s came through a connector that is gone", id).
			Next("let its person sign in through one that exists, and link the new identity")
	case !who.Waiting && who.User == user:
		return nil
	case !who.Waiting:
		return fault.New(fault.Precondition, "identity %s is %s's", id, who.User).
			Next("unlink it first, with: pachctl idp unlink %s %s", who.User, id)
	}
	if err := setUser(ctx, tx, id, user, false); err != nil {
		return err
	}
	if err := tx.Changed(ctx, principal.Topic, user.String()); err != nil {
		return err
	}
	return by.Record(ctx, tx, "identity.link", user.String(), id)
}

// Unlink takes an identity away from a user: it waits again, and nothing that
// was granted to it is good any more. Also the last one may go; the name stays
// taken, so that nobody else inherits it. Faults: NotFound.
func Unlink(ctx context.Context, tx *db.Tx, by audit.By, id string, user principal.Name) (Identity, error) {
	who, err := existing(ctx, tx, id)
	if err != nil {
		return who, err
	}
	if who.User != user || who.Waiting {
		return who, fault.New(fault.NotFound, "identity %s is not one of %s's", id, user).
			Next("pachctl auth list-users shows which are")
	}
	if err := setUser(ctx, tx, id, user, true); err != nil {
		return who, err
	}
	if err := deleteMemberships(ctx, tx, user, connectorSource(who.Instance)); err != nil {
		return who, err
	}
	if err := tx.Changed(ctx, principal.Topic, user.String()); err != nil {
		return who, err
	}
	return who, by.Record(ctx, tx, "identity.unlink", user.String(), id)
}

func existing(ctx context.Context, tx *db.Tx, id string) (Identity, error) {
	who, err := ByID(ctx, tx, id)
	if fault.Is(err, fault.NotFound) {
		err = fault.New(fault.NotFound, "there is no identity %q", id).
			Next("pachctl auth list-users shows those that there are")
	}
	return who, err
}
