package freshness

import (
	"context"
	"slices"
	"time"

	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// topic is what db.Watch calls a change of rules.
const topic = "binding-rule"

// shortest and longest that a fact may be allowed to be old.
const (
	shortest = time.Minute
	longest  = 365 * 24 * time.Hour
)

// Rule is how old a fact about a group may be for its roles on a resource to count.
type Rule struct {
	Resource access.Resource
	Group    principal.Name
	MaxAge   time.Duration
	// Grace is added while the provider that states the fact cannot be asked; 0 is
	// for none.
	Grace time.Duration
}

// Fact is that somebody is in a group, as one source says.
type Fact struct {
	Group principal.Name
	// Seen is when a provider last said so; zero for what an administrator has stated,
	// which has no age.
	Seen time.Time
	// Unasked is whether the provider could not be asked the last time.
	Unasked bool
}

// Config is what a Service is made from.
type Config struct {
	DB  *db.DB
	Now func() time.Time
	// Facts are those about the groups of somebody.
	Facts func(ctx context.Context, who principal.Name) ([]Fact, error)
}

// Service is safe for concurrent use.
type Service struct {
	with  Config
	rules *db.Memory[map[principal.Name][]Rule]
}

// New makes a service.
func New(c Config) *Service {
	s := &Service{with: c}
	s.rules = db.Remember(c.DB, topic, s.read)
	return s
}

func (s *Service) read(ctx context.Context) (map[principal.Name][]Rule, error) {
	by := map[principal.Name][]Rule{}
	err := s.with.DB.View(ctx, func(tx *db.Tx) error {
		all, err := rules(ctx, tx)
		for _, r := range all {
			by[r.Group] = append(by[r.Group], r)
		}
		return err
	})
	return by, err
}

// Stale says of each binding of a group of somebody whether the fact is too old for it,
// and when it was read; nil if no rule is about any of the groups. Fault: Unavailable.
func (s *Service) Stale(ctx context.Context, who principal.Name, groups []principal.Name) (access.Stale, error) {
	rules, err := s.rules.Get(ctx)
	if err != nil || len(rules) == 0 || !slices.ContainsFunc(groups, func(g principal.Name) bool { return rules[g] != nil }) {
		return nil, err
	}
	facts, err := s.with.Facts(ctx, who)
	if err != nil {
		return nil, err
	}
	now := s.with.Now()
	return func(at access.Resource, group principal.Name) bool {
		for _, r := range rules[group] {
			if r.Resource == at {
				return !r.heldBy(facts, now)
			}
		}
		return false
	}, nil
}

// heldBy reports whether one of the facts is young enough. A fact of the future is as
// one of now: the clock of another replica may be ahead.
func (r Rule) heldBy(facts []Fact, now time.Time) bool {
	return slices.ContainsFunc(facts, func(f Fact) bool {
		limit := r.MaxAge
		if f.Unasked {
			limit += r.Grace
		}
		return f.Group == r.Group && (f.Seen.IsZero() || now.Sub(f.Seen) <= limit)
	})
}

// Of is the rule of a binding, if it has one.
func (s *Service) Of(ctx context.Context, at access.Resource, group principal.Name) (r Rule, ok bool, err error) {
	rules, err := s.rules.Get(ctx)
	for _, r := range rules[group] {
		if r.Resource == at {
			return r, true, err
		}
	}
	return r, false, err
}

// All lists the rules.
func (s *Service) All(ctx context.Context) (all []Rule, err error) {
	err = s.with.DB.View(ctx, func(tx *db.Tx) error {
		all, err = rules(ctx, tx)
		return err
	})
	return all, err
}

// Check refuses what is no rule. Fault: Invalid.
func (r Rule) Check() error {
	switch {
	case r.Group.Kind() != principal.Group:
		return fault.New(fault.Invalid, "%s is no group: only memberships are facts that age", r.Group).
			Next("bind the role to a group, such as group:admins").At("principal")
	case r.MaxAge != 0 && (r.MaxAge < shortest || r.MaxAge > longest):
		return fault.New(fault.Invalid, "a fact cannot be limited to an age of %s", r.MaxAge).
			Next("give it from %s to %s, or 0 for no limit", shortest, longest).At("max_age")
	case r.Grace < 0 || r.Grace > longest:
		return fault.New(fault.Invalid, "a grace of %s is not possible", r.Grace).Next("give it up to %s", longest).At("grace")
	}
	return nil
}

// Set makes a rule or, with MaxAge 0, takes one away. Fault: Invalid.
func (s *Service) Set(ctx context.Context, by audit.By, r Rule) error {
	if err := r.Check(); err != nil {
		return err
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := put(ctx, tx, r); err != nil {
			return err
		}
		if err := tx.Changed(ctx, topic, ""); err != nil {
			return err
		}
		detail := "no limit"
		if r.MaxAge != 0 {
			detail = "max age " + r.MaxAge.String() + ", grace " + r.Grace.String()
		}
		return by.Record(ctx, tx, "role.max-age", r.Resource.String(), r.Group.String()+": "+detail)
	})
}
