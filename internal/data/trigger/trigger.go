package trigger

import (
	"context"
	"log/slog"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

const (
	// atLeast is how long after one look the next comes: cron expressions know seconds.
	atLeast = time.Second
	// atMost is how long changes of another replica may be missed.
	atMost = 30 * time.Second
	// farthest is how many commits are looked through for one that is due.
	farthest = 1000
)

// Service follows times. Make one of a database.
type Service struct {
	db      *db.DB
	log     *slog.Logger
	now     func() time.Time
	changed chan struct{}
}

// New makes a Service; call it before commits are made.
func New(d *db.DB, log *slog.Logger, now func() time.Time) *Service {
	s := &Service{d, log, now, make(chan struct{}, 1)}
	d.Watch(func(c db.Change) {
		if c.Topic == graph.Topic || c.Topic == "" {
			select {
			case s.changed <- struct{}{}:
			default:
			}
		}
	})
	return s
}

// Run moves heads when it is time to, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	for {
		next, err := s.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "cannot follow branches at set times", "error", err)
		}
		if !s.wait(ctx, next) {
			return
		}
	}
}

// wait is false once ctx has ended.
func (s *Service) wait(ctx context.Context, next time.Time) bool {
	first := time.NewTimer(atLeast)
	defer first.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-first.C:
	}
	left := atMost
	if !next.IsZero() {
		left = min(left, max(0, next.Sub(s.now())))
	}
	due := time.NewTimer(left)
	defer due.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-due.C:
	case <-s.changed:
	}
	return true
}

// Tick moves every head whose time has come, and says when the next one's does: zero if
// there is none to wait for. A branch whose expression or commits cannot be read keeps
// no other back.
func (s *Service) Tick(ctx context.Context) (next time.Time, err error) {
	var all []graph.BranchInfo
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		all, err = row.BranchesBehind(ctx, tx)
		return err
	})
	for _, b := range all {
		then, failed := s.follow(ctx, b)
		if failed != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "cannot follow a branch", "branch", b.String(), "trigger", b.Trigger.Branch, "error", failed)
		}
		if !then.IsZero() && (next.IsZero() || then.Before(next)) {
			next = then
		}
	}
	return next, err
}

// follow moves one head if its time has come, and says when it may come otherwise.
func (s *Service) follow(ctx context.Context, b graph.BranchInfo) (next time.Time, err error) {
	var at *graph.CommitInfo
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		at, next, err = due(ctx, tx, b, s.now())
		return err
	})
	if err != nil || at == nil {
		return next, err
	}
	by := audit.By{Actor: principal.AuthServer, At: s.now().Truncate(time.Microsecond)}
	return next, graph.Update(ctx, s.db, by, func(c *graph.Change) error {
		now, err := row.BranchByKey(ctx, c.Tx(), b.Key)
		if err != nil {
			return gone(err)
		}
		at, _, err := due(ctx, c.Tx(), now, s.now())
		if err != nil || at == nil { // another replica was here first, or the trigger is another now
			return err
		}
		return c.Follow(ctx, now.Key, *at)
	})
}

// gone takes for done what was deleted meanwhile.
func gone(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// due finds the newest good commit of the branch that b follows for which a time of b's
// has come since it finished; nil for none, and then when the first comes for one that
// is there.
func due(ctx context.Context, tx *db.Tx, b graph.BranchInfo, now time.Time) (at *graph.CommitInfo, next time.Time, err error) {
	if b.Trigger.Cron == "" {
		return nil, next, nil
	}
	r, err := row.FindRepo(ctx, tx, b.Repo)
	if err != nil {
		return nil, next, gone(err)
	}
	source, err := row.FindBranch(ctx, tx, r, b.Trigger.Branch)
	if err != nil {
		return nil, next, gone(err) // it may come later
	}
	for key, steps := source.HeadKey, 0; key != 0 && key != b.HeadKey && steps < farthest; steps++ {
		one, err := row.CommitByKey(ctx, tx, key)
		if err != nil {
			return nil, next, err
		}
		key = one.ParentKey
		if one.Open() || one.Error != "" {
			continue
		}
		then, err := row.NextTime(b.Trigger.Cron, one.Finished)
		switch {
		case err != nil || then.IsZero():
			return nil, time.Time{}, err
		case !then.After(now):
			return &one, time.Time{}, nil
		}
		next = then // those before it finished earlier
	}
	return nil, next, nil
}
