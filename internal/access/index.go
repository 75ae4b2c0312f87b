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

// newIndex builds an index. Bindings of the same principal on the same
// resource add up. The resources of all bindings are known; others that exist
// although nobody has a role on them are named by known.
func newIndex(bindings []Binding, known ...Resource) (*Index, error) {
	on, err := gather(bindings)
	if err != nil {
		return nil, err
	}
	for _, r := range known {
		if err := checkBindingOn(r); err != nil {
			return nil, err
		}
		if _, bound := on[r]; !bound {
			on[r] = nil
		}
	}
	ix := &Index{seed: maphash.MakeSeed()}
	projects, repos := map[string]bound{}, map[string]bound{}
	for r, roles := range on {
		b := newBound(ix.seed, roles)
		switch r.Type {
		case Project:
			projects[r.Name] = b
		case Repo:
			repos[r.Name] = b
		default:
			ix.cluster = &b
		}
	}
	ix.projects, ix.repos = table.NewShards(ix.seed, projects), table.NewShards(ix.seed, repos)
	return ix, nil
}

func newBound(seed maphash.Seed, roles map[principal.Name]roleSet) bound {
	var b bound
	entries := make([]table.Entry[roleSet], 0, len(roles))
	for who, set := range roles {
		if who == principal.Everyone {
			b.everyone = set
			continue
		}
		entries = append(entries, table.Entry[roleSet]{Name: string(who), Value: set})
	}
	b.roles = table.New(seed, entries)
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
	on, err := gather(bindings)
	if err != nil {
		return nil, err
	}
	roles := on[r]
	if !known && len(roles) == 0 {
		return ix.put(r, nil), nil
	}
	b := newBound(ix.seed, roles)
	return ix.put(r, &b), nil
}

// gather adds up who has which roles on which resource.
func gather(bindings []Binding) (map[Resource]map[principal.Name]roleSet, error) {
	on := map[Resource]map[principal.Name]roleSet{}
	names := map[principal.Name]principal.Name{}
	for _, b := range bindings {
		if err := checkBindingOn(b.Resource); err != nil {
			return nil, err
		}
		roles, err := roleSetOf(b.Roles...)
		if err != nil {
			return nil, err
		}
		if roles == 0 {
			continue
		}
		if on[b.Resource] == nil {
			on[b.Resource] = map[principal.Name]roleSet{}
		}
		// A name that a thousand rows repeat is kept once: it stays in the cache.
		who, met := names[b.Principal]
		if !met {
			who, names[b.Principal] = b.Principal, b.Principal
		}
		on[b.Resource][who] |= roles
	}
	return on, nil
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
