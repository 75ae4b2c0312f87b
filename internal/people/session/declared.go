package session

import (
	"context"
	"slices"

	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/past"
	"pachyderm/internal/principal"
)

// DeclareRoles gives a principal the roles on the cluster that an entry of
// pachd's configuration declares, beside those that it had before and that somebody has
// bound by hand. Faults: those of access.Set.
func (s *Service) DeclareRoles(ctx context.Context, by managed.Entry, who principal.Name, roles []string) error {
	return s.declareRoles(ctx, who, func(tx *db.Tx, o managed.Object, found bool) ([]string, error) {
		if !found {
			bound, err := access.RolesOf(ctx, tx, who)
			if err != nil {
				return nil, err
			}
			o.Before = bound[access.Resource{Type: access.Cluster}]
			slices.Sort(o.Before)
		}
		o.Entry = by
		return Beside(o.Before, roles), managed.Put(ctx, tx, o)
	})
}

// Beside are the roles of a principal some of whose are declared, the others
// bound by hand.
func Beside(byHand, declared []string) []string {
	all := slices.Concat(byHand, declared)
	slices.Sort(all)
	return slices.Compact(all)
}

// WithdrawRoles takes roles back that are declared no more. What was bound by hand
// before stays.
func (s *Service) WithdrawRoles(ctx context.Context, who principal.Name) error {
	return s.declareRoles(ctx, who, func(tx *db.Tx, o managed.Object, _ bool) ([]string, error) {
		return o.Before, managed.Remove(ctx, tx, managed.RoleBinding, who.String())
	})
}

func (s *Service) declareRoles(
	ctx context.Context, who principal.Name, decide func(tx *db.Tx, o managed.Object, found bool) ([]string, error),
) error {
	before, err := s.Roles(ctx)
	if err != nil {
		return err
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		o, found, err := managed.Find(ctx, tx, managed.RoleBinding, who.String())
		if err != nil {
			return err
		}
		roles, err := decide(tx, o, found)
		if err != nil {
			return err
		}
		if err := access.Set(ctx, tx, s.By(principal.Root), access.Resource{Type: access.Cluster}, who, roles); err != nil {
			return err
		}
		return endUnwarrantedOf(ctx, tx, before, who)
	})
}

// DeclareMembers makes these the members of a group that pachd's configuration
// declares; none if it declares the group no more. What others say of the group
// stays. Fault: Invalid.
func (s *Service) DeclareMembers(ctx context.Context, group string, members []principal.Name) error {
	before, err := s.Roles(ctx)
	if err != nil {
		return err
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		left, err := identity.DeclaredMembers(ctx, tx)
		if err != nil {
			return err
		}
		name, err := principal.OfGroup(group)
		if err != nil {
			return err
		}
		all := slices.Concat(left[name], members)
		slices.Sort(all)
		err = past.Recording(ctx, tx, s.By(principal.Root), slices.Compact(all), func() error {
			return identity.DeclareMembers(ctx, tx, s.By(principal.Root), group, members)
		})
		if err != nil {
			return err
		}
		for _, who := range members {
			if err := endUnwarrantedOf(ctx, tx, before, who); err != nil {
				return err
			}
		}
		return nil
	})
}

// forgetDeclared forgets what was bound by hand beside declared roles: it must not
// come back with them.
func forgetDeclared(ctx context.Context, tx *db.Tx) error {
	return managed.RemoveAll(ctx, tx, managed.RoleBinding)
}
