package access

import (
	"slices"

	"pachyderm/internal/principal"
)

// Grant is one role of one principal on one resource.
type Grant struct {
	Resource Resource
	// Principal is whom the role is bound to: the subject itself, a group of
	// its, or everybody.
	Principal principal.Name
	Role      string
}

// Group is the group by which the subject has the grant, or "".
func (g Grant) Group() principal.Name {
	if g.Principal.Kind() != principal.Group {
		return ""
	}
	return g.Principal
}

// Explanation says why a permission is there, or what would bring it.
type Explanation struct {
	Allowed bool
	// Grants are all that give the permission, from the cluster down.
	Grants []Grant
	// Suggestions are, after a denial, the smallest grants that would give it;
	// one of them is enough. There are none for what no role grants.
	Suggestions []Grant
}

// Explain answers for one permission as Decide does, with reasons.
func (ix *Index) Explain(subject principal.Name, groups []principal.Name, r Resource, p Permission) Explanation {
	var e Explanation
	ix.grants(subject, groups, r, func(at Resource, who principal.Name, held roleSet) bool {
		for _, role := range held.roles() {
			if slices.Contains(role.Permissions, p) && boundPermissions[at.Type].has(p) {
				e.Grants = append(e.Grants, Grant{Resource: at, Principal: who, Role: role.Name})
			}
		}
		return true
	})
	e.Allowed = len(e.Grants) > 0
	if !e.Allowed {
		e.Suggestions = suggest(subject, r, p)
	}
	return e
}

// suggest looks on the narrowest resource first: a grant there opens least.
func suggest(subject principal.Name, r Resource, p Permission) []Grant {
	if subject == "" {
		return nil
	}
	way := pathTo(r)
	for i := way.len - 1; i >= 0; i-- {
		at := way.at[i]
		if checkBindingOn(at) != nil {
			continue
		}
		var smallest []Grant
		fewest := len(permissionNames) + 1
		for _, role := range roleTable {
			n := len(role.Permissions)
			if n > fewest || !role.bindableTo(at.Type) || !slices.Contains(role.Permissions, p) {
				continue
			}
			if n < fewest {
				smallest, fewest = nil, n
			}
			smallest = append(smallest, Grant{Resource: at, Principal: subject, Role: role.Name})
		}
		if len(smallest) > 0 {
			return smallest
		}
	}
	return nil
}
