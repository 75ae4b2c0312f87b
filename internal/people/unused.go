package people

import (
	"context"
	"slices"
	"time"

	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/plan"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
)

const (
	// shortest is the least time without use that is asked for: uses are known to the
	// hour, and those of other replicas are written after minutes.
	shortest = 24 * time.Hour
	// together is how many people are disabled in one transaction at most.
	together = 100
)

// Since is the moment that lies a time without use before now. Fault: Invalid for less
// than a day.
func (s *Service) Since(unused time.Duration) (time.Time, error) {
	if unused < shortest {
		return time.Time{}, fault.New(fault.Invalid, "%s without use is too short: when a token was used is known to the hour", unused).
			Next("give a day (24h) or more").At("unused_for")
	}
	return s.with.Now().Add(-unused), nil
}

// Unused lists people who have not been here since a time, and not for the first time
// after it: no sign-in, no use of a session or token, none of an application's refresh
// token. A page may have fewer than were asked for, also none, and not be the last.
func (s *Service) Unused(ctx context.Context, since time.Time, p db.Page) (all []identity.Person, next string, err error) {
	if err := s.with.Sessions.WriteUses(ctx); err != nil {
		return nil, "", err
	}
	err = s.with.DB.View(ctx, func(tx *db.Tx) error {
		all, next, err = s.unused(ctx, tx, since, p)
		return err
	})
	return all, next, err
}

func (s *Service) unused(ctx context.Context, tx *db.Tx, since time.Time, p db.Page) (all []identity.Person, next string, err error) {
	found, next, err := identity.Unused(ctx, tx, since, p)
	if err != nil {
		return nil, "", err
	}
	for _, one := range found {
		used, err := s.with.Refresh.LastUse(ctx, tx, one.Name)
		if err != nil {
			return nil, "", err
		}
		if used.Before(since) {
			all = append(all, one)
		}
	}
	return all, next, nil
}

// Idle is somebody who has not been here for long.
type Idle struct {
	identity.Person
	Kept string // why they are not kept out all the same; or empty
}

// DisableUnused keeps people out who have not been here since a time, a page of at
// most a hundred at once, or only says who that would be. Whoever asks stays, and so
// does the cluster administrator who can sign in and was here last: whatever is
// disabled, one is left. Robots and root are no people, and are left alone.
func (s *Service) DisableUnused(ctx context.Context, by session.Caller, since time.Time, preview bool, p db.Page,
) (all []Idle, next string, err error) {
	if p.Limit <= 0 || p.Limit > together {
		p.Limit = together
	}
	if err := s.with.Sessions.WriteUses(ctx); err != nil {
		return nil, "", err
	}
	ways, err := plan.WaysIn(ctx, s.with.Registry)
	if err != nil {
		return nil, "", err
	}
	do := s.with.DB.Update
	if preview {
		do = s.with.DB.View
	}
	err = do(ctx, func(tx *db.Tx) error {
		all, next, err = s.idle(ctx, tx, by, since, ways, p)
		for _, one := range all {
			if err == nil && one.Kept == "" && !preview {
				err = s.with.Sessions.Disable(ctx, tx, by.Name, one.Name, "unused since "+date(lastSeen(one.Person)))
			}
		}
		return err
	})
	return all, next, err
}

// date is a moment for the audit; "" was never seen.
func date(t time.Time) string {
	if t.IsZero() {
		return "the account was made"
	}
	return t.UTC().Format(time.RFC3339)
}

func (s *Service) idle(ctx context.Context, tx *db.Tx, by session.Caller, since time.Time, ways plan.Ways, p db.Page,
) (all []Idle, next string, err error) {
	found, next, err := s.unused(ctx, tx, since, p)
	if err != nil {
		return nil, "", err
	}
	last, err := lastAdmin(ctx, tx, by.Roles, ways)
	for _, one := range found {
		switch {
		case !one.Enabled:
		case one.Name == by.Name:
			all = append(all, Idle{one, "you ask for it"})
		case one.Name == last:
			all = append(all, Idle{one, "of the cluster administrators who can sign in, nobody was here later"})
		default:
			all = append(all, Idle{Person: one})
		}
	}
	return all, next, err
}

// lastAdmin is whoever of the cluster administrators who can sign in was here last; ""
// if there is none. It is the same before and after others were disabled.
func lastAdmin(ctx context.Context, tx *db.Tx, roles *access.Index, ways plan.Ways) (last principal.Name, err error) {
	var seen time.Time
	err = plan.EachAdmin(ctx, tx, roles, func(p identity.Person) {
		at := lastSeen(p)
		if slices.ContainsFunc(p.Accounts, ways.Open) && (last == "" || at.After(seen) || at.Equal(seen) && p.Name < last) {
			last, seen = p.Name, at
		}
	})
	return last, err
}
