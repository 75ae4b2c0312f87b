package regroup

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

const (
	// Every is how old facts are when they are read again, and retryAfter how long a
	// provider that could not be asked is left alone.
	Every      = 15 * time.Minute
	retryAfter = 5 * time.Minute
	// waiting people may wait for it at once, and readers read.
	waiting = 256
	readers = 4
	// remembered bounds whose last reading is known without the database.
	remembered = 1 << 16
)

// Config is what a Service is made from.
type Config struct {
	DB        *db.DB
	Sealer    *secret.Sealer
	Providers *upstream.Upstream
	Log       *slog.Logger
	Now       func() time.Time
	// End ends the sessions that an identity has begun, of somebody whom the provider
	// does not know any more.
	End func(ctx context.Context, who principal.Name, identityID, why string) error
}

// Service is safe for concurrent use.
type Service struct {
	with  Config
	queue chan string

	// next is by identity id when it is looked at again, for so many as known. Every call
	// of somebody whose groups can be read reads it, and hardly any writes.
	next  sync.Map
	known atomic.Int64
}

// New makes a service.
func New(c Config) *Service {
	return &Service{with: c, queue: make(chan string, waiting)}
}

// Use is called with each use of what an identity began, and takes no time.
func (s *Service) Use(identityID string) {
	now := s.with.Now()
	if at, ok := s.next.Load(identityID); ok && now.Before(at.(time.Time)) {
		return
	}
	select {
	case s.queue <- identityID:
		s.later(identityID, now.Add(time.Minute)) // Read says better
	default: // too many wait: the next use asks again
	}
}

// Run reads groups again, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case id := <-s.queue:
					if err := s.Read(ctx, id); err != nil && ctx.Err() == nil {
						s.with.Log.WarnContext(ctx, "groups cannot be read again", "identity", id, "error", err)
					}
				}
			}
		})
	}
	all.Wait()
}

// Read reads the groups of an identity again, if it is time. Of several replicas one
// does: a refresh token is good for one of them only.
func (s *Service) Read(ctx context.Context, id string) error {
	now := s.with.Now()
	var known identity.GroupSource
	err := s.with.DB.Update(ctx, func(tx *db.Tx) (err error) {
		known, err = identity.ClaimGroups(ctx, tx, id, now, Every)
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound): // it is not time, or cannot be asked
		s.later(id, now.Add(time.Minute))
		return nil
	case err != nil:
		return err
	}
	data, err := s.with.Sealer.Open(known.Data, upstream.GroupsPlace(known.Instance, known.Subject))
	if err != nil {
		return err
	}
	groups, renewed, err := s.with.Providers.ReadGroups(ctx, known.ConnectorID, known.Instance, known.Subject, data)
	switch {
	case err == nil:
		s.later(id, now.Add(Every))
		return s.store(ctx, known, groups, renewed, now)
	case errors.As(err, new(refuse.Gone)), fault.Is(err, fault.Denied):
		s.with.Log.InfoContext(ctx, "the identity provider does not let somebody in any more", "user", known.User, "error", err)
		return s.with.End(ctx, known.User, id, fault.Message(err))
	}
	s.later(id, now.Add(retryAfter))
	failed := s.with.DB.Update(ctx, func(tx *db.Tx) error {
		return identity.GroupsUnasked(ctx, tx, id, now.Add(retryAfter-Every))
	})
	return errors.Join(err, failed)
}

func (s *Service) store(ctx context.Context, known identity.GroupSource, groups []string, data []byte, now time.Time) error {
	sealed, err := s.with.Sealer.Seal(data, upstream.GroupsPlace(known.Instance, known.Subject))
	if err != nil {
		return err
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		return identity.ReadAgain(ctx, tx, known, groups, sealed, now)
	})
}

func (s *Service) later(id string, at time.Time) {
	if _, known := s.next.Swap(id, at); !known && s.known.Add(1) >= remembered {
		s.next.Clear()
		s.known.Store(0)
	}
}
