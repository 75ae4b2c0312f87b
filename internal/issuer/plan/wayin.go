package plan

import (
	"context"
	"slices"
	"strings"

	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

const clusterAdmin = "clusterAdmin"

func isAdmin(roles *access.Index, who principal.Name, groups []string) bool {
	names, _ := identity.GroupsNamed(groups) // a trace cuts names that are long
	held, _ := roles.Effective(who, names, access.Resource{Type: access.Cluster})
	return slices.Contains(held, clusterAdmin)
}

// Ways are the connectors that people can sign in with.
type Ways map[string]bool

// WaysIn are those of now.
func WaysIn(ctx context.Context, r *registry.Registry) (Ways, error) {
	all, err := r.Connectors(ctx)
	ways := Ways{}
	for _, c := range all {
		ways[c.ID] = c.State == registry.Active
	}
	return ways, err
}

// Open says whether an account lets its person in, with their roles.
func (w Ways) Open(a identity.Account) bool {
	return !a.Ended && !a.Waiting && a.Approved && w[a.ConnectorID]
}

// CheckWayIn refuses to take away the last connector by which somebody signs in who
// administers the cluster. Fault: Precondition.
func (p *Planner) CheckWayIn(ctx context.Context, roles *access.Index, id string) error {
	ways, err := WaysIn(ctx, p.Registry)
	if err != nil || !ways[id] {
		return err
	}
	var through []string // this connector
	elsewhere := false
	err = p.DB.View(ctx, func(tx *db.Tx) error {
		return EachAdmin(ctx, tx, roles, func(one identity.Person) {
			for _, a := range one.Accounts {
				if ways.Open(a) && a.ConnectorID == id {
					through = append(through, one.Name.String())
				}
				elsewhere = elsewhere || ways.Open(a) && a.ConnectorID != id
			}
		})
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

// EachAdmin calls f with each person who is clusterAdmin, themselves or by a group,
// and is not disabled; with some of them more than once.
func EachAdmin(ctx context.Context, tx *db.Tx, roles *access.Index, f func(identity.Person)) error {
	one := func(who principal.Name) error {
		if who.Kind() != principal.User {
			return nil
		}
		p, found, err := identity.PersonNamed(ctx, tx, who)
		if err == nil && found && p.Enabled {
			f(p)
		}
		return err
	}
	for _, b := range roles.Bindings(access.Resource{Type: access.Cluster}) {
		if !slices.Contains(b.Roles, clusterAdmin) {
			continue
		}
		err := one(b.Principal)
		if b.Principal.Kind() == principal.Group {
			err = eachMember(ctx, tx, b.Principal, one)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func eachMember(ctx context.Context, tx *db.Tx, group principal.Name, f func(principal.Name) error) error {
	return db.EachPage(func(p db.Page) (string, error) {
		members, next, err := identity.MembersOf(ctx, tx, group, p)
		for _, m := range members {
			if err == nil {
				err = f(m.Name)
			}
		}
		return next, err
	})
}
