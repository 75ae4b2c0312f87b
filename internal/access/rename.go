package access

import (
	"context"
	"slices"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
)

// Rename makes one name of several spellings, in the caller's transaction. It has
// the roles of the spelling keep or, if that is "", those that all have in common
// on a resource; none if to is "". The bindings that are lost are returned, each
// with its spelling.
func Rename(ctx context.Context, tx *db.Tx, spellings []principal.Name, to, keep principal.Name) (lost []Binding, err error) {
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
				if err := write(ctx, tx, Binding{r, to, kept}); err != nil {
					return nil, err
				}
			}
			if len(gone) > 0 {
				lost = append(lost, Binding{r, spelling, gone})
			}
		}
	}
	return lost, nil
}

// takeAll takes all roles of some names away, and returns them.
func takeAll(ctx context.Context, tx *db.Tx, names []principal.Name) (held map[principal.Name]map[Resource][]string, err error) {
	held = map[principal.Name]map[Resource][]string{}
	for _, name := range names {
		if held[name], err = RolesOf(ctx, tx, name); err != nil {
			return nil, err
		}
		for r := range held[name] {
			if err := write(ctx, tx, Binding{r, name, nil}); err != nil {
				return nil, err
			}
		}
	}
	return held, nil
}

// common divides roles on a resource into those that all names have there, and
// others.
func common(roles []string, r Resource, held map[principal.Name]map[Resource][]string) (those, others []string) {
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
