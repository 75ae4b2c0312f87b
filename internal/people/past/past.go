package past

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

// State is what is known of somebody at a moment that is over.
type State struct {
	// Then is the name that they had, Now the one that they have.
	Then, Now principal.Name
	// Since is the moment before which nobody knows.
	Since time.Time
	// Roles are the bindings that counted for them on the resource.
	Roles *access.Index
	// Groups are those that they were in for certain: what administrators and the
	// configuration said, and what a connector has said since before and still says.
	Groups []identity.Membership
	// Unknown are connectors that have been asked again since, each with when: what
	// they said before is not kept.
	Unknown []string
}

// Question is of whom, where and when the State is wanted.
type Question struct {
	Who      principal.Name
	Resource access.Resource
	At       time.Time
}

// At is what is known of somebody at a moment. Faults: Invalid for one that is yet to
// come; Precondition where the audit does not reach, or does not say enough.
func At(ctx context.Context, d *db.DB, roles *access.Index, q Question, now time.Time) (s State, err error) {
	at := q.At
	if at.After(now) {
		return s, fault.New(fault.Invalid, "%s is yet to come", moment(at)).At("at")
	}
	begun, err := begun(ctx, d)
	if err != nil {
		return s, err
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		s, err = rebuild(ctx, tx, begun, roles, q)
		return err
	})
	return s, err
}

func rebuild(ctx context.Context, tx *db.Tx, begun time.Time, roles *access.Index, q Question) (s State, err error) {
	if s.Since, err = since(ctx, tx, begun); err != nil {
		return s, err
	}
	if q.At.Before(s.Since) {
		return s, fault.New(fault.Precondition,
			"what roles and groups were is in the audit since %s, and before that nobody knows", moment(s.Since)).
			Next("ask for a later moment").At("at")
	}
	events, err := audit.After(ctx, tx, q.At, actions())
	if err != nil {
		return s, err
	}
	s.Then, s.Now = namesOf(q.Who, events)
	r := rebuilt{name: s.Now, facts: map[fact]bool{}, on: map[binding][]string{}, read: map[principal.Name]bool{}}
	if err := r.undoGroups(ctx, tx, events, q.At); err != nil {
		return s, err
	}
	s.Groups, s.Unknown = r.groups, r.unknown
	if err := r.undoBindings(ctx, tx, s.Now, events); err != nil {
		return s, err
	}
	s.Roles, err = r.roles(roles, q.Resource)
	return s, err
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

const (
	bindingSet = "binding.set"
	nameChange = "name.change" // of spellings, at the start of another version
)

func actions() []string {
	return []string{
		bindingSet, added, removed, audit.RenameAction, nameChange, "identity.link", "identity.unlink", "session.gone-at-provider",
	}
}

// begun is what Begin has noted.
func begun(ctx context.Context, d *db.DB) (time.Time, error) {
	value, err := d.Meta(ctx, MetaKey)
	if err != nil {
		return time.Time{}, err
	}
	micros, err := strconv.ParseInt(string(value), 10, 64)
	return db.Time(micros), err
}

// since is when enough was recorded first, or what was before was thrown away.
func since(ctx context.Context, tx *db.Tx, latest time.Time) (time.Time, error) {
	last, err := audit.After(ctx, tx, latest, []string{"auth.activate", "auth.deactivate"})
	if err != nil || len(last) == 0 {
		return latest, err
	}
	return last[0].At, nil
}

// namesOf are the name that somebody had at the beginning of events, the last of which
// are first, and the one that they have after them. A name that was of two people is
// that of who had it then.
func namesOf(who principal.Name, events []audit.Event) (then, now principal.Name) {
	then, now = who, who
	met := false
	for _, e := range slices.Backward(events) {
		if e.Action != audit.RenameAction {
			continue
		}
		to, from := principal.Name(e.Object), e.NameBefore()
		switch {
		case from == now:
			now, met = to, true
		case to == who && !met: // it was nobody's before
			then, met = from, true
		}
	}
	if then != who {
		then, _ = namesOf(then, events)
	}
	return then, now
}

type binding struct {
	on  string // as access.Resource has it as text
	who principal.Name
}

// rebuilt is what was, while events are undone.
type rebuilt struct {
	name    principal.Name // of whom is asked, at the event at hand
	facts   map[fact]bool
	groups  []identity.Membership
	unknown []string
	on      map[binding][]string
	read    map[principal.Name]bool
}

func errUntold(e audit.Event) error {
	return fault.New(fault.Precondition, "the audit does not say what was before %s, when %s (%s)", moment(e.At), e.Action, e.Object).
		Next("ask for a later moment").At("at")
}

// undoGroups finds the groups, and what cannot be known of them.
func (r *rebuilt) undoGroups(ctx context.Context, tx *db.Tx, events []audit.Event, at time.Time) error {
	present, err := identity.Memberships(ctx, tx, r.name)
	if err != nil {
		return err
	}
	accounts, err := identity.Accounts(ctx, tx, r.name)
	if err != nil {
		return err
	}
	for _, m := range present {
		switch {
		case m.Stated():
			r.facts[fact{m.Source, m.Group}] = true
		case !m.Seen.After(at):
			r.groups = append(r.groups, m)
		}
	}
	for _, a := range accounts {
		asked := a.LastLogin
		if a.GroupsRead.After(asked) {
			asked = a.GroupsRead
		}
		if !a.Waiting && (a.Ended || asked.After(at)) {
			r.unknown = append(r.unknown, "connector/"+a.ConnectorID+", which was last asked at "+moment(asked))
		}
	}
	for _, e := range events {
		if err := r.undoFact(e); err != nil {
			return err
		}
	}
	for f := range r.facts {
		r.groups = append(r.groups, identity.Membership{Group: f.group, Source: f.source})
	}
	slices.SortFunc(r.groups, func(a, b identity.Membership) int {
		return strings.Compare(string(a.Group)+"\n"+a.Source, string(b.Group)+"\n"+b.Source)
	})
	return nil
}

func (r *rebuilt) undoFact(e audit.Event) error {
	if e.Object != r.name.String() {
		return nil
	}
	f := factOf(e.Detail)
	switch e.Action {
	case audit.RenameAction:
		r.name = e.NameBefore()
	case nameChange:
		return errUntold(e)
	case added, removed:
		if r.facts[f] != (e.Action == added) {
			return errUntold(e)
		}
		delete(r.facts, f)
		if e.Action == removed {
			r.facts[f] = true
		}
	case "identity.link", "identity.unlink", "session.gone-at-provider":
		r.unknown = append(r.unknown, "what connectors said before "+moment(e.At)+" ("+e.Action+")")
	}
	return nil
}

// undoBindings finds the roles of whoever is called name now, of their groups, and of
// everybody.
func (r *rebuilt) undoBindings(ctx context.Context, tx *db.Tx, name principal.Name, events []audit.Event) error {
	r.name = name
	if err := r.readRoles(ctx, tx, name, principal.Everyone); err != nil {
		return err
	}
	present, err := identity.Groups(ctx, tx, name) // those that a connector may have said then, too
	if err != nil {
		return err
	}
	for _, m := range r.groups {
		present = append(present, m.Group)
	}
	if err := r.readRoles(ctx, tx, present...); err != nil {
		return err
	}
	for _, e := range events {
		if err := r.undoBinding(e); err != nil {
			return err
		}
	}
	return nil
}

func (r *rebuilt) readRoles(ctx context.Context, tx *db.Tx, names ...principal.Name) error {
	for _, who := range names {
		r.read[who] = true
		held, err := access.RolesOf(ctx, tx, who)
		if err != nil {
			return err
		}
		for on, roles := range held {
			slices.Sort(roles)
			r.on[binding{on.String(), who}] = roles
		}
	}
	return nil
}

func (r *rebuilt) undoBinding(e audit.Event) error {
	switch {
	case e.Action == audit.RenameAction && e.Object == r.name.String():
		from := e.NameBefore()
		for b, roles := range r.on {
			if b.who == r.name {
				delete(r.on, b)
				r.on[binding{b.on, from}] = roles
			}
		}
		delete(r.read, r.name)
		r.name, r.read[from] = from, true
	case e.Action == nameChange && r.read[principal.Name(e.Object)]:
		return errUntold(e)
	case e.Action == bindingSet:
		who, set, before, told := parseSet(e.Detail)
		if !r.read[who] {
			return nil
		}
		b := binding{e.Object, who}
		if !told || !slices.Equal(r.on[b], set) {
			return errUntold(e)
		}
		delete(r.on, b)
		if len(before) > 0 {
			r.on[b] = before
		}
	}
	return nil
}

// roles are those on a resource, and where else they count for it.
func (r *rebuilt) roles(ix *access.Index, on access.Resource) (*access.Index, error) {
	way := []access.Resource{{Type: access.Cluster}}
	if project, _, isRepo := strings.Cut(on.Name, "/"); on.Type != access.Cluster {
		way = append(way, access.Resource{Type: access.Project, Name: project})
		if isRepo {
			way = append(way, access.Resource{Type: access.Repo, Name: on.Name})
		}
	}
	for _, at := range way {
		var bound []access.Binding
		for b, roles := range r.on {
			if b.on == at.String() {
				bound = append(bound, access.Binding{Resource: at, Principal: b.who, Roles: roles})
			}
		}
		var err error
		if ix, err = ix.Replace(at, bound, true); err != nil {
			return nil, err
		}
	}
	return ix, nil
}

// parseSet reads what access.Set records: who has which roles now, and had before. It
// was not told by older versions what was before.
func parseSet(detail string) (who principal.Name, set, before []string, told bool) {
	rest, tail, told := cutLast(strings.TrimSuffix(detail, ")"), " (was ")
	name, roles, _ := cutLast(rest, ": ")
	return principal.Name(name), rolesOf(roles), rolesOf(tail), told
}

func cutLast(text, sep string) (before, after string, found bool) {
	if n := strings.LastIndex(text, sep); n >= 0 {
		return text[:n], text[n+len(sep):], true
	}
	return text, "", false
}

func rolesOf(text string) []string {
	if text == "none" || text == "" {
		return nil
	}
	all := strings.Split(text, ",")
	slices.Sort(all)
	return slices.Compact(all)
}
