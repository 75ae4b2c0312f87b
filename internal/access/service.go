package access

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Service keeps the bindings: in the database, and as the Index that every
// decision runs over. It is safe for concurrent use.
type Service struct {
	DB  *db.DB
	Now func() time.Time

	current atomic.Pointer[Index]
	writing sync.Mutex
}

// Load reads all bindings. Call it before anything is decided.
func (s *Service) Load(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var bindings []Binding
	var known []Resource
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		bindings, known, err = readAll(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	ix, err := NewIndex(bindings, known...)
	if err != nil {
		return err
	}
	s.current.Store(ix)
	return nil
}

// Index is the current state of all bindings.
func (s *Service) Index() *Index { return s.current.Load() }

// Active reports whether anybody has a role on the cluster: until then
// upstream's clients are told that authentication is not activated.
func (s *Service) Active() bool {
	return len(s.Index().Bindings(Resource{Type: Cluster})) > 0
}

// Activate gives the roles that a new cluster begins with, in the caller's
// transaction; Load afterwards.
func Activate(ctx context.Context, tx *db.Tx) error {
	cluster, standard := Resource{Type: Cluster}, Resource{Type: Project, Name: "default"}
	for _, b := range []Binding{
		{cluster, principal.Root, []string{"clusterAdmin"}},
		{cluster, principal.AuthServer, []string{"clusterAdmin"}},
		{cluster, principal.Everyone, []string{"projectCreator"}},
		{standard, principal.Everyone, []string{"projectWriter"}},
	} {
		if err := write(ctx, tx, b); err != nil {
			return err
		}
	}
	return nil
}

// Set gives a principal exactly these roles on a resource; none takes all
// away. It is visible to the very next decision. Faults: Invalid,
// Precondition.
func (s *Service) Set(ctx context.Context, by principal.Name, r Resource, who principal.Name, roles []string) error {
	if r.Type == Cluster && (who.Kind() == principal.Pach || who.Kind() == principal.System) {
		return fault.New(fault.Precondition, "cannot modify cluster role bindings for %s: users: they keep pachd administrable", who.Kind())
	}
	for _, role := range roles {
		if err := CheckBindable(role, r.Type); err != nil {
			return err
		}
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	next, err := s.Index().Set(r, who, roles)
	if err != nil {
		return err
	}
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := write(ctx, tx, Binding{r, who, roles}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: s.Now(), Actor: by, Action: "binding.set", Object: r.String(), Detail: who.String() + ": " + rolesText(roles)})
	})
	if err != nil {
		return err
	}
	s.current.Store(next)
	return nil
}
