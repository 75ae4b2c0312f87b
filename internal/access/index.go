package access

import (
	"hash/maphash"
	"slices"
	"strings"

	"pachyderm/internal/access/table"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Binding is a role binding: roles of a principal on one resource and all
// beneath it.
type Binding struct {
	Resource  Resource
	Principal principal.Name
	Roles     []string
}

// Index is every binding, laid out for decisions. It never changes: replace gives a new
// one that shares all but what was replaced, so that a reader sees all of a change or
// nothing; keep it in an atomic.Pointer and let one writer at a time replace it.
type Index struct {
	seed     maphash.Seed
	cluster  *bound
	projects *table.Shards[bound]
	repos    *table.Shards[bound]
	stale    Stale
}

// For is the index as it counts for somebody of whom stale speaks; nil for nothing.
func (ix *Index) For(stale Stale) *Index {
	theirs := *ix
	theirs.stale = stale
	return &theirs
}

// bound is what is bound on one resource. Everybody's roles stand apart,
// because every decision needs them.
type bound struct {
	everyone roleSet
	roles    table.Table[roleSet]
}

// builder gathers who has which roles on which resource.
type builder struct {
	seed     maphash.Seed
	cluster  map[string]bound // one, of no name
	projects map[string]bound
	repos    map[string]bound
	names    table.Names
	entries  []table.Entry[roleSet] // of the resource at hand
}

func newBuilder() *builder {
	return &builder{
		seed: maphash.MakeSeed(), cluster: map[string]bound{}, projects: map[string]bound{}, repos: map[string]bound{}, names: table.Names{},
	}
}

// addAll makes a resource known, with the roles on it, if it is not yet. Fault: Invalid.
func (b *builder) addAll(on boundOn) error {
	b.entries = b.entries[:0]
	if err := table.EachRole(on.roles, b.add); err != nil {
		return err
	}
	return b.put(on.resource)
}

// add gives one role on the resource at hand. Fault: Invalid.
func (b *builder) add(role, name string) error {
	set, err := roleSetOf(role)
	b.entries = append(b.entries, table.Entry[roleSet]{Name: b.names.Keep(name), Value: set})
	return err
}

// put ends the resource at hand. Fault: Invalid.
func (b *builder) put(r Resource) error {
	if err := checkBindingOn(r); err != nil {
		return err
	}
	on := b.repos
	switch r.Type {
	case Cluster:
		on = b.cluster
	case Project:
		on = b.projects
	}
	if _, known := on[r.Name]; !known || len(b.entries) > 0 {
		on[r.Name] = newBound(b.seed, b.entries)
	}
	return nil
}

func (b *builder) index() *Index {
	ix := &Index{seed: b.seed, projects: table.NewShards(b.seed, b.projects), repos: table.NewShards(b.seed, b.repos)}
	for _, only := range b.cluster {
		ix.cluster = &only
	}
	return ix
}

// newBound adds up the roles of each name, and changes the slice.
func newBound(seed maphash.Seed, roles []table.Entry[roleSet]) bound {
	var b bound
	slices.SortFunc(roles, func(x, y table.Entry[roleSet]) int { return strings.Compare(x.Name, y.Name) })
	entries := roles[:0]
	for _, e := range roles {
		switch last := len(entries) - 1; {
		case e.Name == string(principal.Everyone):
			b.everyone |= e.Value
		case last >= 0 && entries[last].Name == e.Name:
			entries[last].Value |= e.Value
		default:
			entries = append(entries, e)
		}
	}
	b.roles = table.New(seed, slices.Clone(entries)) // of its own size
	return b
}

// put gives the index with b on r; nil takes the resource out.
func (ix *Index) put(r Resource, b *bound) *Index {
	changed := *ix
	switch {
	case r.Type == Cluster:
		changed.cluster = b
	case r.Type == Project && b != nil:
		changed.projects = ix.projects.With(ix.seed, r.Name, *b)
	case r.Type == Project:
		changed.projects = ix.projects.Without(ix.seed, r.Name)
	case b != nil:
		changed.repos = ix.repos.With(ix.seed, r.Name, *b)
	default:
		changed.repos = ix.repos.Without(ix.seed, r.Name)
	}
	return &changed
}

// Replace gives the index in which exactly these bindings are on r; known says
// that r exists although nobody has a role on it.
func (ix *Index) Replace(r Resource, bindings []Binding, known bool) (*Index, error) {
	if err := checkBindingOn(r); err != nil {
		return nil, err
	}
	b := newBuilder()
	for _, binding := range bindings {
		for _, role := range binding.Roles {
			if err := b.add(role, string(binding.Principal)); err != nil {
				return nil, err
			}
		}
	}
	if !known && len(b.entries) == 0 {
		return ix.put(r, nil), nil
	}
	there := newBound(ix.seed, b.entries)
	return ix.put(r, &there), nil
}

// checkBindingOn holds the index to resources on which decisions look for
// bindings, and to names that have one meaning.
func checkBindingOn(r Resource) error {
	switch r.Type {
	case Cluster, Project, Repo:
		_, err := ParseResource(r.Type, r.Name)
		return err
	default:
		return fault.New(fault.Invalid, "unknown resource type %s: roles are bound on CLUSTER, PROJECT or REPO", r.Type)
	}
}

// Known reports whether anything was ever bound on r, or r was said to exist.
func (ix *Index) Known(r Resource) bool {
	if r.Type == SpecRepo {
		r.Type = Repo
	}
	return ix.bound(r) != nil
}

// Bindings lists what is bound on r itself, by principal, with the roles by
// name.
func (ix *Index) Bindings(r Resource) []Binding {
	b := ix.bound(r)
	if b == nil {
		return nil
	}
	list := make([]Binding, 0, len(b.roles.Entries())+1)
	if b.everyone != 0 {
		list = append(list, Binding{Resource: r, Principal: principal.Everyone, Roles: b.everyone.names()})
	}
	for _, e := range b.roles.Entries() {
		list = append(list, Binding{Resource: r, Principal: principal.Name(e.Name), Roles: e.Value.names()})
	}
	slices.SortFunc(list, func(x, y Binding) int { return strings.Compare(string(x.Principal), string(y.Principal)) })
	return list
}

func (ix *Index) bound(r Resource) *bound {
	switch r.Type {
	case Cluster:
		return ix.cluster
	case Project:
		return ix.projects.Find(ix.hash(r.Name), r.Name)
	case Repo:
		return ix.repos.Find(ix.hash(r.Name), r.Name)
	default:
		return nil
	}
}

func (ix *Index) hash(name string) uint64 { return maphash.String(ix.seed, name) }

// rolesOf are the roles of who on the resource; hash is that of who.
func (b *bound) rolesOf(hash uint64, who principal.Name) roleSet {
	if roles := b.roles.Find(hash, string(who)); roles != nil {
		return *roles
	}
	return 0
}
