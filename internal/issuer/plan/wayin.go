package plan

import (
	"context"
	"slices"
	"strings"

	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/principal"
)

const clusterAdmin = "clusterAdmin"

func isAdmin(roles *access.Index, who principal.Name, groups []string) bool {
	names, _ := identity.GroupsNamed(groups) // a trace cuts names that are long
	held, _ := roles.Effective(who, names, access.Resource{Type: access.Cluster})
	return slices.Contains(held, clusterAdmin)
}

// CheckWayIn refuses to take away the last connector by which somebody signs in who
// administers the cluster. Fault: Precondition.
func (p *Planner) CheckWayIn(ctx context.Context, roles *access.Index, id string) error {
	all, err := p.Registry.Connectors(ctx)
	if err != nil {
		return err
	}
	active := map[string]bool{}
	for _, c := range all {
		active[c.ID] = c.State == registry.Active
	}
	if !active[id] {
		return nil
	}
	var through []string // this connector
	elsewhere := false
	err = p.eachAdmin(ctx, roles, func(a identity.Account) {
		switch {
		case a.Ended || a.Waiting || !active[a.ConnectorID]:
		case a.ConnectorID == id:
			through = append(through, a.User.String())
		default:
			elsewhere = true
		}
	})
	if err != nil || elsewhere || len(through) == 0 {
		return err
	}
	slices.Sort(through)
	through = slices.Compact(through)
	const few = 3
	names := strings.Join(through[:min(few, len(through))], ", ")
	return fault.New(fault.Precondition, "connector %s is the last by which somebody signs in who administers the cluster (%s): "+
		"only the root token would be left", id, names).
		Next("connect another provider first, or say --force")
}

// eachAdmin calls f with each account of people who are clusterAdmin, themselves or by
// a group.
func (p *Planner) eachAdmin(ctx context.Context, roles *access.Index, f func(identity.Account)) error {
	return p.DB.View(ctx, func(tx *db.Tx) error {
		for _, b := range roles.Bindings(access.Resource{Type: access.Cluster}) {
			if !slices.Contains(b.Roles, clusterAdmin) {
				continue
			}
			people := []principal.Name{b.Principal}
			if b.Principal.Kind() == principal.Group {
				var err error
				if people, _, err = identity.Members(ctx, tx, b.Principal.Local(), db.Page{}); err != nil {
					return err
				}
			}
			for _, who := range people {
				accounts, err := identity.Accounts(ctx, tx, who)
				if err != nil {
					return err
				}
				for _, a := range accounts {
					f(a)
				}
			}
		}
		return nil
	})
}
