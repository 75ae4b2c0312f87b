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

// Index is every binding, laid out for decisions. It never changes: replace
// gives a new one which shares all but what was replaced. So a reader needs no
// lock and sees either all of a change or nothing of it; keep the current one in
// an atomic.Pointer and let one writer at a time replace it.
type Index struct {
	seed     maphash.Seed
	cluster  *bound
	projects *table.Shards[bound]
	repos    *table.Shards[bound]
}

// bound is what is bound on one resource. Everybody's roles stand apart,
// because every decision needs them.
type bound struct {
	everyone roleSet
	roles    table.Table[roleSet]
}

// builder gathers who has which roles on which resource. Roles of the same principal
// on the same resource add up.
type builder struct {
	on map[Resource]*[]table.Entry[roleSet]
	// names are those that were met: one that a thousand rows repeat is kept once, and
	// stays in the cache.
	names map[principal.Name]string
	roles map[string]roleSet
	// last is where the last role was on: rows come by resource.
	last Resource
	at   *[]table.Entry[roleSet]
}

func newBuilder() *builder {
	return &builder{on: map[Resource]*[]table.Entry[roleSet]{}, names: map[principal.Name]string{}, roles: map[string]roleSet{}}
}

// resource makes a resource known. Fault: Invalid.
func (b *builder) resource(r Resource) (*[]table.Entry[roleSet], error) {
	at := b.on[r]
	if at == nil {
		if err := checkBindingOn(r); err != nil {
			return nil, err
		}
		at = &[]table.Entry[roleSet]{}
		b.on[r] = at
	}
	return at, nil
}

// add gives one role. Fault: Invalid.
func (b *builder) add(r Resource, who principal.Name, role string) (err error) {
	if b.at == nil || r != b.last {
		if b.at, err = b.resource(r); err != nil {
			return err
		}
		b.last = r
	}
	set, met := b.roles[role]
	if !met {
		if set, err = roleSetOf(role); err != nil {
			return err
		}
		b.roles[role] = set
	}
	name, met := b.names[who]
	if !met {
		name = string(who)
		b.names[who] = name
	}
	*b.at = append(*b.at, table.Entry[roleSet]{Name: name, Value: set})
	return nil
}

func (b *builder) index() *Index {
	ix := &Index{seed: maphash.MakeSeed()}
	projects, repos := map[string]bound{}, map[string]bound{}
	for r, roles := range b.on {
		bound := newBound(ix.seed, *roles)
		switch r.Type {
		case Project:
			projects[r.Name] = bound
		case Repo:
			repos[r.Name] = bound
		default:
			ix.cluster = &bound
		}
	}
	ix.projects, ix.repos = table.NewShards(ix.seed, projects), table.NewShards(ix.seed, repos)
	return ix
}

// newBound adds up the roles of each name, and takes the slice over.
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

// replace gives the index in which exactly these bindings are on r; known says
// that r exists although nobody has a role on it.
func (ix *Index) replace(r Resource, bindings []Binding, known bool) (*Index, error) {
	b := newBuilder()
	for _, binding := range bindings {
		for _, role := range binding.Roles {
			if err := b.add(r, binding.Principal, role); err != nil {
				return nil, err
			}
		}
	}
	if !known && b.at == nil {
		return ix.put(r, nil), nil
	}
	roles, err := b.resource(r)
	if err != nil {
		return nil, err
	}
	there := newBound(ix.seed, *roles)
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
