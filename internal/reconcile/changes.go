package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pachyderm/internal/access"
	"pachyderm/internal/config/declared"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// Verb is what becomes of an object.
type Verb string

// The verbs.
const (
	Add    Verb = "add"
	Modify Verb = "change"
	Remove Verb = "remove"
)

// Change is one step from what there is to what is declared.
type Change struct {
	Verb   Verb
	Object string // such as connector/auth0
	Detail string // such as the roles; nothing secret
	At     declared.Place

	make  func(ctx context.Context) error
	roles *rolesChange
	group *groupChange
}

// String is one line for people.
func (c Change) String() string {
	text := fmt.Sprintf("%s %s", c.Verb, c.Object)
	if c.Detail != "" {
		text += ": " + c.Detail
	}
	return text
}

// changes are the steps from what there is to what is wanted: settings first, which
// connectors depend on, then connectors, which clients name.
func (r *Reconciler) changes(ctx context.Context, w wanted, active bool) ([]Change, error) {
	var all []Change
	for _, e := range w.entries {
		if e.kind == managed.RoleBinding && !active {
			continue
		}
		c, err := r.changeTo(ctx, e)
		if err != nil {
			return nil, err
		}
		if c != nil {
			all = append(all, *c)
		}
	}
	groups, err := r.groupChanges(ctx, w, active)
	if err != nil {
		return nil, err
	}
	removals, err := r.removals(ctx, w)
	return slices.Concat(all, groups, removals), err
}

func (r *Reconciler) stored(ctx context.Context, k managed.Kind, id string) (o managed.Object, found bool, err error) {
	err = r.with.DB.View(ctx, func(tx *db.Tx) error {
		o, found, err = managed.Find(ctx, tx, k, id)
		return err
	})
	return o, found, err
}

// changeTo is nil for what is as it is declared.
func (r *Reconciler) changeTo(ctx context.Context, e entry) (*Change, error) {
	o, found, err := r.stored(ctx, e.kind, e.id)
	if err != nil {
		return nil, err
	}
	same := found && o.Entry == e.Entry
	c := &Change{Verb: Modify, Object: strings.TrimSuffix(string(e.kind)+"/"+e.id, "/"), At: e.at}
	switch e.kind {
	case managed.Connector:
		exists, isManaged, err := r.with.Issuer.Registry.StoredManaged(ctx, e.id)
		if err != nil || same && exists && isManaged {
			return nil, err
		}
		c.describe(exists, found, e.connector.Type)
		c.make = func(ctx context.Context) error {
			return r.with.Issuer.Registry.DeclareConnector(ctx, registry.Declarer(e.Entry), e.connector)
		}
	case managed.Client:
		_, exists, err := r.client(ctx, e.id)
		if err != nil || same && exists {
			return nil, err
		}
		c.describe(exists, found, "")
		c.make = func(ctx context.Context) error { return r.with.Issuer.Registry.DeclareClient(ctx, e.Entry, e.client) }
	case managed.RoleBinding:
		return r.rolesTo(ctx, e, o, found, same, c)
	case managed.Settings:
		if same {
			return nil, nil
		}
		c.describe(found, found, "issuer "+e.settings.Issuer)
		c.make = func(ctx context.Context) error {
			return r.with.Issuer.SetSettings(ctx, registry.Declarer(e.Entry), e.settings)
		}
	case managed.AuthConfig:
		if same {
			return nil, nil
		}
		c.describe(found, found, e.auth.Issuer+" as "+e.auth.ClientID)
		c.make = func(ctx context.Context) error {
			if e.auth.ClientSecret == "" { // of a client of ours, which has one
				e.auth.ClientSecret = secret.Mask
			}
			return r.with.Login.DeclareConfiguration(ctx, e.Entry, e.auth)
		}
	}
	return c, nil
}

// describe says whether something is new, or was there and is declared from now on.
func (c *Change) describe(exists, managed bool, detail string) {
	switch {
	case !exists:
		c.Verb = Add
	case !managed:
		detail = strings.TrimPrefix(detail+", was made by hand and is managed by the configuration now", ", ")
	}
	c.Detail = detail
}

func (r *Reconciler) client(ctx context.Context, id string) (name string, exists bool, err error) {
	all, err := r.with.Issuer.Registry.Clients(ctx)
	for _, c := range all {
		if c.ID == id {
			return c.Name, true, err
		}
	}
	return "", false, err
}

// rolesChange is from which roles of a principal to which.
type rolesChange struct {
	who      principal.Name
	from, to []string
}

func (r *Reconciler) rolesTo(ctx context.Context, e entry, o managed.Object, found, same bool, c *Change) (*Change, error) {
	who := principal.Name(e.id)
	have, err := r.rolesOf(ctx, who)
	if err != nil {
		return nil, err
	}
	before := o.Before
	if !found {
		before = have
	}
	want := session.Beside(before, e.roles)
	if same && slices.Equal(have, want) {
		return nil, nil
	}
	if len(have) == 0 {
		c.Verb = Add
	}
	c.Detail = rolesDetail(have, want)
	c.roles = &rolesChange{who, have, want}
	c.make = func(ctx context.Context) error { return r.with.Sessions.DeclareRoles(ctx, e.Entry, who, e.roles) }
	return c, nil
}

func rolesDetail(have, want []string) string {
	text := func(roles []string) string {
		if len(roles) == 0 {
			return "none"
		}
		return strings.Join(roles, ",")
	}
	return text(want) + ", was " + text(have)
}

func (r *Reconciler) rolesOf(ctx context.Context, who principal.Name) (roles []string, err error) {
	err = r.with.DB.View(ctx, func(tx *db.Tx) error {
		bound, err := access.RolesOf(ctx, tx, who)
		roles = bound[access.Resource{Type: access.Cluster}]
		return err
	})
	slices.Sort(roles)
	return roles, err
}

// groupChange is from which declared members of a group to which.
type groupChange struct {
	name     principal.Name
	from, to []principal.Name
}

func (r *Reconciler) groupChanges(ctx context.Context, w wanted, active bool) (all []Change, err error) {
	var have map[principal.Name][]principal.Name
	err = r.with.DB.View(ctx, func(tx *db.Tx) error {
		have, err = identity.DeclaredMembers(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, g := range w.groups {
		from := have[g.name]
		delete(have, g.name)
		if !active || slices.Equal(from, g.members) {
			continue
		}
		verb := Modify
		if len(from) == 0 {
			verb = Add
		}
		all = append(all, Change{
			Verb: verb, Object: g.name.String(), At: g.at, Detail: membersDetail(from, g.members),
			group: &groupChange{g.name, from, g.members},
			make:  func(ctx context.Context) error { return r.with.Sessions.DeclareMembers(ctx, g.written, g.members) },
		})
	}
	for name, from := range have {
		all = append(all, Change{
			Verb: Remove, Object: name.String(), Detail: membersDetail(from, nil), group: &groupChange{name, from, nil},
			make: func(ctx context.Context) error { return r.with.Sessions.DeclareMembers(ctx, name.String(), nil) },
		})
	}
	slices.SortFunc(all, func(a, b Change) int { return strings.Compare(a.Object, b.Object) })
	return all, nil
}

func membersDetail(from, to []principal.Name) string {
	var parts []string
	for _, who := range to {
		if !slices.Contains(from, who) {
			parts = append(parts, "+"+who.String())
		}
	}
	for _, who := range from {
		if !slices.Contains(to, who) {
			parts = append(parts, "-"+who.String())
		}
	}
	return strings.Join(parts, " ")
}

// removals take away what was declared and is no more: what rests on something else
// first.
func (r *Reconciler) removals(ctx context.Context, w wanted) (all []Change, err error) {
	for _, k := range []managed.Kind{managed.RoleBinding, managed.AuthConfig, managed.Client, managed.Connector, managed.Settings} {
		var objects []managed.Object
		err = r.with.DB.View(ctx, func(tx *db.Tx) error {
			objects, err = managed.All(ctx, tx, k)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if w.find(k, o.ID) != nil {
				continue
			}
			c, err := r.removal(ctx, o)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func (r *Reconciler) removal(ctx context.Context, o managed.Object) (Change, error) {
	c := Change{Verb: Remove, Object: strings.TrimSuffix(string(o.Kind)+"/"+o.ID, "/"), Detail: "was declared in " + o.Origin}
	switch o.Kind {
	case managed.RoleBinding:
		who := principal.Name(o.ID)
		have, err := r.rolesOf(ctx, who)
		if err != nil {
			return c, err
		}
		c.Detail, c.roles = rolesDetail(have, o.Before), &rolesChange{who, have, o.Before}
		c.make = func(ctx context.Context) error { return r.with.Sessions.WithdrawRoles(ctx, who) }
	case managed.AuthConfig:
		c.make = r.with.Login.WithdrawConfiguration
	case managed.Client:
		c.make = func(ctx context.Context) error { return r.with.Issuer.Registry.WithdrawClient(ctx, o.ID) }
	case managed.Connector:
		c.make = func(ctx context.Context) error { return r.with.Issuer.Registry.WithdrawConnector(ctx, o.ID) }
	case managed.Settings:
		c.make = r.with.Issuer.WithdrawSettings
	}
	return c, nil
}
