package identity

import (
	"context"
	"slices"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Owner says whose a name is that has been spelled in several ways: the only
// spelling, or the only one under which a person has signed in, or "".
func Owner(ctx context.Context, tx *db.Tx, spellings []principal.Name) (principal.Name, error) {
	if len(spellings) == 1 {
		return spellings[0], nil
	}
	seen, err := usersOf(ctx, tx, spellings)
	if err != nil || len(seen) != 1 {
		return "", err
	}
	return seen[0].name, nil
}

// Rename makes one name of several spellings, in the caller's transaction. It is
// in the groups of the spelling keep or, if that is "", in those that all are in;
// a group has the members of all. Of several people the first who came has the
// name, the accounts of the others wait to be linked; who was disabled under any
// spelling is. Groups that are lost are returned.
func Rename(ctx context.Context, tx *db.Tx, spellings []principal.Name, to, keep principal.Name) (lost []principal.Name, err error) {
	if err := renameUser(ctx, tx, spellings, to); err != nil {
		return nil, err
	}
	held := map[principal.Name][]Membership{}
	for _, spelling := range spellings {
		if held[spelling], err = membershipsOf(ctx, tx, spelling); err != nil {
			return nil, err
		}
		if err := forget(ctx, tx, spelling); err != nil {
			return nil, err
		}
	}
	for _, spelling := range spellings {
		for _, m := range held[spelling] {
			lacks := func(other principal.Name) bool {
				return !slices.ContainsFunc(held[other], func(o Membership) bool { return o.Group == m.Group })
			}
			if keep != "" && spelling != keep || keep == "" && slices.ContainsFunc(spellings, lacks) {
				lost = append(lost, m.Group)
			} else if err := createMembership(ctx, tx, to, m); err != nil {
				return nil, err
			}
		}
		if err := renameGroup(ctx, tx, spelling, to); err != nil {
			return nil, err
		}
	}
	slices.Sort(lost)
	return slices.Compact(lost), nil
}

func renameUser(ctx context.Context, tx *db.Tx, spellings []principal.Name, to principal.Name) error {
	people, err := usersOf(ctx, tx, spellings)
	if err != nil || len(people) == 0 {
		return err
	}
	first := people[0]
	for _, p := range people {
		first.disabled = first.disabled || p.disabled
	}
	if err := putUser(ctx, tx, to, first); err != nil {
		return err
	}
	for n, p := range people {
		if err := giveIdentities(ctx, tx, p.name, to, n > 0); err != nil {
			return err
		}
		if p.name != to {
			if err := deleteUser(ctx, tx, p.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// End takes a name away that cannot be one any more: nobody signs in with it, and
// it is in no group and none itself. It reports whether anything was left to end.
func End(ctx context.Context, tx *db.Tx, who principal.Name) (ended bool, err error) {
	groups, err := membershipsOf(ctx, tx, who)
	if err != nil {
		return false, err
	}
	if err := forget(ctx, tx, who); err != nil {
		return false, err
	}
	isGroup, err := deleteGroup(ctx, tx, who)
	if err != nil {
		return false, err
	}
	disabled, err := isDisabled(ctx, tx, who)
	if fault.Is(err, fault.NotFound) {
		return len(groups) > 0 || isGroup, nil
	}
	if err == nil && !disabled {
		_, err = setDisabled(ctx, tx, who, true)
	}
	return len(groups) > 0 || isGroup || !disabled, err
}
