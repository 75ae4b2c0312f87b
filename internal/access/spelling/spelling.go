package spelling

import (
	"context"
	"slices"

	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/principal"
)

// Rename makes one name of several spellings, in the caller's transaction. It has
// the roles of the spelling keep or, if that is "", those that all have in common
// on a resource; none if to is "". The bindings that are lost are returned, each
// with its spelling.
func Rename(ctx context.Context, tx *db.Tx, spellings []principal.Name, to, keep principal.Name) (lost []access.Binding, err error) {
	held, err := takeAll(ctx, tx, spellings)
	if err != nil {
		return nil, err
	}
	for _, spelling := range spellings {
		for r, roles := range held[spelling] {
			kept, gone := roles, []string(nil)
			switch {
			case to == "" || keep != "" && keep != spelling:
				kept, gone = nil, roles
			case keep == "":
				kept, gone = common(roles, r, held)
			}
			if len(kept) > 0 {
				if err := access.Put(ctx, tx, access.Binding{Resource: r, Principal: to, Roles: kept}); err != nil {
					return nil, err
				}
			}
			if len(gone) > 0 {
				lost = append(lost, access.Binding{Resource: r, Principal: spelling, Roles: gone})
			}
		}
	}
	return lost, nil
}

// takeAll takes all roles of some names away, and returns them.
func takeAll(ctx context.Context, tx *db.Tx, names []principal.Name) (held map[principal.Name]map[access.Resource][]string, err error) {
	held = map[principal.Name]map[access.Resource][]string{}
	for _, name := range names {
		if held[name], err = access.RolesOf(ctx, tx, name); err != nil {
			return nil, err
		}
		for r := range held[name] {
			if err := access.Put(ctx, tx, access.Binding{Resource: r, Principal: name}); err != nil {
				return nil, err
			}
		}
	}
	return held, nil
}

// common divides roles on a resource into those that all names have there, and
// others.
func common(roles []string, r access.Resource, held map[principal.Name]map[access.Resource][]string) (those, others []string) {
	for _, role := range roles {
		all := true
		for _, on := range held {
			all = all && slices.Contains(on[r], role)
		}
		if all {
			those = append(those, role)
		} else {
			others = append(others, role)
		}
	}
	return those, others
}
