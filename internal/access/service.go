package access

import (
	"context"
	"maps"
	"slices"
	"sync"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// topic is what db.Watch calls a change of bindings; the key names the
// resource.
const topic = "binding"

// Service keeps the bindings: in the database, and as an exact memory, the Index
// that every decision runs over. It is safe for concurrent use.
type Service struct {
	DB *db.DB

	memory  *db.Memory[*Index]
	last    *Index // that was read
	pending pending
}

// pending is what has changed since the index was brought up to date.
type pending struct {
	mu        sync.Mutex
	all       bool
	resources map[Resource]bool
}

func (p *pending) add(c db.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Topic == "" {
		p.all = true
		return
	}
	if p.resources == nil {
		p.resources = map[Resource]bool{}
	}
	p.resources[resourceOf(c.Key)] = true
}

// putBack is for what was taken, and has not been read: whoever gives up a call must not
// have all read anew for the others.
func (p *pending) putBack(all bool, resources map[Resource]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = p.all || all
	if p.resources == nil {
		p.resources = map[Resource]bool{}
	}
	maps.Copy(p.resources, resources)
}

func (p *pending) take() (all bool, resources map[Resource]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, resources = p.all, p.resources
	p.all, p.resources = false, nil
	return all, resources
}

// Load reads all bindings, and from then on receives their changes. Call it
// before anything is decided.
func (s *Service) Load(ctx context.Context) error {
	s.pending.add(db.Change{})
	// It is told of a change before the memory is, which has it read what changed.
	s.DB.Watch(func(c db.Change) {
		if c.Topic == topic || c.Topic == "" {
			s.pending.add(c)
		}
	})
	s.memory = db.Remember(s.DB, topic, s.read)
	_, err := s.Index(ctx)
	return err
}

// Index is the state of all bindings as the database has it now: the one in
// memory, unless something has changed since it was made or changes of other
// replicas are not received.
func (s *Service) Index(ctx context.Context) (*Index, error) { return s.memory.Get(ctx) }

// read brings the index up to date; the memory has nobody else call it meanwhile.
func (s *Service) read(ctx context.Context) (*Index, error) {
	all, resources := s.pending.take()
	all = all || !s.DB.Exact()
	var next *Index
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) { // may be called again
		if all {
			next, err = readAll(ctx, tx)
			return err
		}
		next = s.last
		for r := range resources {
			bindings, known, err := readOne(ctx, tx, r)
			if err != nil {
				return err
			}
			if next, err = next.Replace(r, bindings, known); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.pending.putBack(all, resources)
		return nil, err
	}
	s.last = next
	return next, nil
}

// Active reports whether anybody has a role on the cluster: until then
// upstream's clients are told that authentication is not activated.
func (ix *Index) Active() bool {
	b := ix.bound(Resource{Type: Cluster})
	return b != nil && (b.everyone != 0 || len(b.roles.Entries()) > 0)
}

// Activate gives the roles that a new cluster begins with, in the caller's
// transaction.
func Activate(ctx context.Context, tx *db.Tx) error {
	cluster, standard := Resource{Type: Cluster}, Resource{Type: Project, Name: "default"}
	for _, b := range []Binding{
		{cluster, principal.Root, []string{clusterAdmin}},
		{cluster, principal.AuthServer, []string{clusterAdmin}},
		{cluster, principal.Everyone, []string{projectCreator}},
		{standard, principal.Everyone, []string{projectWriter}},
	} {
		if err := Put(ctx, tx, b); err != nil {
			return err
		}
	}
	return nil
}

// Deactivate takes all roles away, in the caller's transaction: nobody may do
// anything, and clients are told that authentication is not activated.
func Deactivate(ctx context.Context, tx *db.Tx) error {
	if err := deleteAll(ctx, tx); err != nil {
		return err
	}
	return tx.Changed(ctx, "", "")
}

// Set gives a principal exactly these roles on a resource; none takes all
// away. Once it is committed, the very next decision sees it. Faults: Invalid,
// Precondition.
func Set(ctx context.Context, tx *db.Tx, by audit.By, r Resource, who principal.Name, roles []string) error {
	if r.Type == Cluster {
		if err := CheckClusterRoles(who, roles); err != nil {
			return err
		}
	}
	if _, err := roleSetOf(roles...); err != nil {
		return err
	}
	if err := checkBindingOn(r); err != nil {
		return err
	}
	before, err := RolesOf(ctx, tx, who)
	if err != nil {
		return err
	}
	return set(ctx, tx, by, Binding{r, who, roles}, before[r])
}

// set also records what was before: what roles were is rebuilt from it.
func set(ctx context.Context, tx *db.Tx, by audit.By, b Binding, before []string) error {
	if err := Put(ctx, tx, b); err != nil {
		return err
	}
	slices.Sort(before)
	return by.Record(ctx, tx, "binding.set", b.Resource.String(),
		b.Principal.String()+": "+rolesText(b.Roles)+" (was "+rolesText(before)+")")
}

// CheckClusterRoles refuses to change what keeps pachd administrable, and roles that
// there are not. Faults: Precondition, Invalid.
func CheckClusterRoles(who principal.Name, roles []string) error {
	if who.Kind() == principal.Pach || who.Kind() == principal.System {
		return fault.New(fault.Precondition, "cannot modify cluster role bindings for %s: users: they keep pachd administrable", who.Kind())
	}
	_, err := roleSetOf(roles...)
	return err
}

// Unbind takes all roles away from a principal, in the caller's transaction.
func Unbind(ctx context.Context, tx *db.Tx, by audit.By, who principal.Name) error {
	bound, err := RolesOf(ctx, tx, who)
	if err != nil || len(bound) == 0 {
		return err
	}
	for r, roles := range bound {
		if err := set(ctx, tx, by, Binding{r, who, nil}, roles); err != nil {
			return err
		}
	}
	return by.Record(ctx, tx, "binding.end", who.String(), "")
}
