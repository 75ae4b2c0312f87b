package upstream

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/registry"
)

const (
	// pingEvery is how often each provider is asked whether it is up, retryEvery
	// how often one that was not, and pingWithin how long it may take.
	pingEvery  = 30 * time.Second
	retryEvery = 5 * time.Second
	pingWithin = 10 * time.Second
	// The circuit breaker: after breakAfter failures in a row the circuit is open
	// for breakFor, and the provider is not asked.
	breakAfter = 3
	breakFor   = 5 * time.Second
)

// The states of a connector.
const (
	unknown = "unknown" // nobody has asked it yet
	Ready   = "ready"
	Failing = "failing"
)

// Health is the health of a connector, as this replica sees it.
type Health struct {
	State    string
	Since    time.Time // when State began
	Error    string    // the last one, which may be over; for administrators only
	LastGood time.Time // zero for never
	Checked  time.Time

	revision string
	failures int   // in a row
	err      error // of the last one
}

type health struct {
	mu  sync.Mutex
	now func() time.Time
	by  map[string]*Health // by connector id
}

func (h *health) of(id, revision string) *Health {
	known, ok := h.by[id]
	if ok && known.revision == "" { // a sign-in was before the first ping
		known.revision = revision
	}
	if !ok || revision != "" && known.revision != revision {
		known = &Health{State: unknown, Since: h.now(), revision: revision}
		h.by[id] = known
	}
	return known
}

func (h *health) record(id, revision string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, s := h.now(), h.of(id, revision)
	s.Checked = now
	state := Ready
	if err != nil {
		state = Failing
		s.Error, s.err = fault.Message(err), err
		if fault.KindOf(err) == fault.Internal {
			s.Error = err.Error()
		}
		s.failures++
	} else {
		s.LastGood, s.failures = now, 0
	}
	if s.State != state {
		s.State, s.Since = state, now
	}
}

// recent reports whether a provider answered a short while ago.
func (h *health) recent(id string, since time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.by[id]
	return ok && s.State == Ready && h.now().Sub(s.LastGood) < since
}

// open is the error that a provider which has just failed several times in a
// row is answered with, unasked.
func (h *health) open(id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.by[id]; ok && s.failures >= breakAfter && h.now().Sub(s.Checked) < breakFor && fault.Is(s.err, fault.Unavailable) {
		return s.err
	}
	return nil
}

// forgetOthers clears what is known of connectors that are gone, so that one
// made again under the same id is not answered for with it.
func (h *health) forgetOthers(rows []registry.Row) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.by, func(id string, _ *Health) bool {
		return !slices.ContainsFunc(rows, func(r registry.Row) bool { return r.ID == id })
	})
}

// Health is the health of a stored connector.
func (u *Upstream) Health(r registry.Row) Health {
	u.health.mu.Lock()
	defer u.health.mu.Unlock()
	return *u.health.of(r.ID, u.revision(r))
}

// Expiries are of a connector what ends that it cannot work without, as far as is known.
func (u *Upstream) Expiries(r registry.Row) []probe.Expiry {
	p, err := u.Provider(r)
	if err != nil {
		return nil
	}
	c, ok := p.Connector.(connector.Expirer)
	if !ok {
		return nil
	}
	return c.Expiries()
}

// Changed has Run ask at once: connectors were made or changed, perhaps by
// another replica.
func (u *Upstream) Changed() {
	select {
	case u.changed <- struct{}{}:
	default: // one is enough
	}
}

// Run asks all providers, now and then, whether they are up, until ctx ends.
func (u *Upstream) Run(ctx context.Context) {
	all, failing := time.NewTicker(pingEvery), time.NewTicker(retryEvery)
	defer all.Stop()
	defer failing.Stop()
	u.pingAll(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-u.changed:
			u.pingAll(ctx)
		case <-all.C:
			u.pingAll(ctx)
		case <-failing.C:
			u.ping(ctx, func(r registry.Row) bool { return u.Health(r).State == Failing })
		}
	}
}

// pingAll asks all providers at once and waits for their answers.
func (u *Upstream) pingAll(ctx context.Context) {
	u.ping(ctx, func(registry.Row) bool { return true })
}

func (u *Upstream) ping(ctx context.Context, which func(registry.Row) bool) {
	rows, err := u.registry.Rows(ctx)
	if err != nil {
		return // the next login says so
	}
	u.health.forgetOthers(rows)
	var all sync.WaitGroup
	for _, r := range rows {
		if !which(r) {
			continue
		}
		all.Go(func() {
			revision := u.revision(r)
			_, err := within(ctx, pingWithin, func(ctx context.Context) (struct{}, error) {
				p, err := u.Provider(r)
				if err == nil {
					err = p.Ping(ctx)
				}
				return struct{}{}, err
			})
			if ctx.Err() == nil {
				u.health.record(r.ID, revision, err)
			}
		})
	}
	all.Wait()
}
