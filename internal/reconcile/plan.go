package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pachyderm/internal/access"
	"pachyderm/internal/config/declared"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
)

// Plan is what a declaration would change, and for whom.
type Plan struct {
	Changes []Change
	People  []Effect
}

// Effect is what changes for one principal on the cluster.
type Effect struct {
	Who          principal.Name
	Gains, Loses []string // roles
	SignedOut    string   // the connector that they came through and that goes, or empty
}

// String is one line for people.
func (e Effect) String() string {
	var parts []string
	if len(e.Gains) > 0 {
		parts = append(parts, "gains "+strings.Join(e.Gains, ","))
	}
	if len(e.Loses) > 0 {
		parts = append(parts, "loses "+strings.Join(e.Loses, ","))
	}
	if e.SignedOut != "" {
		parts = append(parts, "is signed out with connector "+e.SignedOut)
	}
	return fmt.Sprintf("%s %s", e.Who, strings.Join(parts, ", "))
}

// Check refuses a declaration that cannot be had. Faults: Invalid, with the place;
// those of the database.
func (r *Reconciler) Check(ctx context.Context, s declared.State) error {
	_, err := r.check(ctx, s)
	return err
}

// Plan is what making it so would change. Faults: those of Check.
func (r *Reconciler) Plan(ctx context.Context, s declared.State) (p Plan, err error) {
	w, err := r.check(ctx, s)
	if err != nil {
		return p, err
	}
	if p.Changes, err = r.changes(ctx, w, true); err != nil {
		return p, err
	}
	roles, err := r.with.Sessions.Roles(ctx)
	if err != nil {
		return p, err
	}
	signedOut, err := r.signedOut(ctx, p.Changes)
	if err != nil {
		return p, err
	}
	err = r.with.DB.View(ctx, func(tx *db.Tx) error {
		p.People, err = effects(ctx, tx, roles, p.Changes, signedOut)
		return err
	})
	return p, err
}

// signedOut are the people whose connector goes, by name.
func (r *Reconciler) signedOut(ctx context.Context, changes []Change) (map[principal.Name]string, error) {
	out := map[principal.Name]string{}
	for _, c := range changes {
		id, isConnector := strings.CutPrefix(c.Object, string(managed.Connector)+"/")
		if !isConnector || c.Verb != Remove {
			continue
		}
		row, err := r.with.Issuer.Registry.ReadRevision(ctx, id, "")
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = r.with.DB.View(ctx, func(tx *db.Tx) error {
			accounts, err := identity.OfInstance(ctx, tx, row.Instance)
			for _, a := range accounts {
				out[a.User] = id
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// after is what bindings and groups will be.
type after struct {
	roles  map[principal.Name][]string
	groups map[principal.Name]*groupChange
}

func effects(
	ctx context.Context, tx *db.Tx, ix *access.Index, changes []Change, signedOut map[principal.Name]string,
) (all []Effect, err error) {
	now := map[principal.Name][]string{}
	for _, b := range ix.Bindings(access.Resource{Type: access.Cluster}) {
		now[b.Principal] = b.Roles
	}
	then := after{maps.Clone(now), map[principal.Name]*groupChange{}}
	affected := map[principal.Name]bool{}
	for who := range signedOut {
		affected[who] = true
	}
	for _, c := range changes {
		if err := then.add(ctx, tx, c, affected); err != nil {
			return nil, err
		}
	}
	for _, who := range slices.Sorted(maps.Keys(affected)) {
		facts, err := identity.Memberships(ctx, tx, who)
		if err != nil {
			return nil, err
		}
		e := Effect{Who: who, SignedOut: signedOut[who]}
		before, next := held(now, who, groupsNow(facts)), held(then.roles, who, then.groupsOf(who, facts))
		e.Gains, e.Loses = without(next, before), without(before, next)
		if e.Gains != nil || e.Loses != nil || e.SignedOut != "" {
			all = append(all, e)
		}
	}
	return all, nil
}

// add notes what a change makes of bindings and groups, and whom that concerns.
func (a after) add(ctx context.Context, tx *db.Tx, c Change, affected map[principal.Name]bool) error {
	if c.group != nil {
		a.groups[c.group.name] = c.group
		for _, who := range slices.Concat(c.group.from, c.group.to) {
			affected[who] = true
		}
	}
	if c.roles == nil {
		return nil
	}
	who := c.roles.who
	a.roles[who] = c.roles.to
	if who.Kind() != principal.Group {
		affected[who] = true
		return nil
	}
	return db.EachPage(func(p db.Page) (string, error) {
		members, next, err := identity.Members(ctx, tx, who.String(), p)
		if fault.Is(err, fault.NotFound) {
			return "", nil
		}
		for _, member := range members {
			affected[member] = true
		}
		return next, err
	})
}

func groupsNow(facts []identity.Membership) (groups []principal.Name) {
	for _, m := range facts {
		groups = append(groups, m.Group)
	}
	return groups
}

// groupsOf are the groups that somebody will be in.
func (a after) groupsOf(who principal.Name, facts []identity.Membership) (groups []principal.Name) {
	for _, m := range facts {
		if g := a.groups[m.Group]; m.Source != identity.Configuration || g == nil || slices.Contains(g.to, who) {
			groups = append(groups, m.Group)
		}
	}
	for name, g := range a.groups {
		if slices.Contains(g.to, who) {
			groups = append(groups, name)
		}
	}
	return groups
}

// held are the roles on the cluster that somebody has, themselves or by a group.
func held(bound map[principal.Name][]string, who principal.Name, groups []principal.Name) (roles []string) {
	for _, name := range append(groups, who) {
		roles = session.Beside(roles, bound[name])
	}
	return roles
}

func without(roles, these []string) []string {
	var out []string
	for _, role := range roles {
		if !slices.Contains(these, role) {
			out = append(out, role)
		}
	}
	return out
}
