package trace

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"pachyderm/internal/db"
)

// maxCounts bounds the counters between two writes, and fewest is how many
// sign-ins tell that none comes back.
const (
	maxCounts = 1000
	fewest    = 3
	day       = 24 * time.Hour
)

type countKey struct {
	connector   string
	day         int64
	redirectURI string
	host        string
}

type count struct{ sent, returned, strayed int64 }

type counts struct {
	mu sync.Mutex
	by map[countKey]*count
}

// add counts, if there is room: a stranger may choose the host.
func (c *counts) add(k countKey, add func(*count)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.by[k]
	if !ok {
		if len(c.by) >= maxCounts {
			return
		}
		n = &count{}
		c.by[k] = n
	}
	add(n)
}

func (c *counts) takeAll() map[countKey]*count {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.by
	c.by = map[countKey]*count{}
	return taken
}

// putBack is for counts that could not be written.
func (c *counts) putBack(taken map[countKey]*count) {
	for k, n := range taken {
		c.add(k, func(now *count) {
			now.sent, now.returned, now.strayed = now.sent+n.sent, now.returned+n.returned, now.strayed+n.strayed
		})
	}
}

func (s *Store) key(connector, redirectURI, host string) countKey {
	return countKey{connector, s.with.Now().Unix() / int64(day/time.Second), redirectURI, host}
}

// Sent counts a browser that is sent to a connector's provider; host is the
// address that it reached pachd by.
func (s *Store) Sent(connector, redirectURI, host string) {
	s.counts.add(s.key(connector, redirectURI, host), func(n *count) { n.sent++ })
}

// Returned counts one that came back.
func (s *Store) Returned(connector, redirectURI, host string) {
	s.counts.add(s.key(connector, redirectURI, host), func(n *count) { n.returned++ })
}

// Strayed counts a browser that came with the response of a provider and without
// the cookie of the sign-in that it belongs to.
func (s *Store) Strayed(connector, host string) {
	s.counts.add(s.key(connector, "", host), func(n *count) { n.strayed++ })
}

func (s *Store) writeCounts(ctx context.Context) error {
	taken := s.counts.takeAll()
	if len(taken) == 0 {
		return nil
	}
	err := s.with.DB.UpdateUnsynced(ctx, func(tx *db.Tx) error {
		for k, n := range taken {
			if err := addCount(ctx, tx, k, *n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.counts.putBack(taken)
	}
	return err
}

// Summary is how sign-ins went.
type Summary struct {
	Connectors []Counts
	Causes     []Cause
	Warnings   []Warning
}

// Counts are those of one connector. Sent and Returned are of connectors that the
// browser is sent to.
type Counts struct {
	Connector                                         string
	Sent, Returned                                    int64
	Completed, Refused, Unproven, Unavailable, Failed int64
}

// Cause is why some were refused.
type Cause struct {
	Connector   string
	Cause       string
	Attempts    int64
	People      int64 // of whom it is known who they are
	First, Last time.Time
	Example     string // code of the last trace
}

// Warning is about people of whom there is no trace.
type Warning struct{ Connector, What, Next string }

// Summarize looks at the sign-ins since a time, real ones only; of those sent and
// returned, since the beginning of that day (UTC). connector is "" for all.
func (s *Store) Summarize(ctx context.Context, connector string, since time.Time) (out Summary, err error) {
	if err := s.Flush(ctx); err != nil {
		return out, err
	}
	err = s.with.DB.View(ctx, func(tx *db.Tx) error {
		out = Summary{}
		sums, err := sumCounts(ctx, tx, connector, since.Unix()/int64(day/time.Second))
		if err != nil {
			return err
		}
		for _, sum := range sums {
			out.add(sum)
		}
		if err := countResults(ctx, tx, connector, since, out.of); err != nil {
			return err
		}
		out.Causes, err = causes(ctx, tx, connector, since)
		return err
	})
	slices.SortFunc(out.Connectors, func(a, b Counts) int { return cmp.Compare(a.Connector, b.Connector) })
	return out, err
}

func (s *Summary) of(connector string) *Counts {
	for n := range s.Connectors {
		if s.Connectors[n].Connector == connector {
			return &s.Connectors[n]
		}
	}
	s.Connectors = append(s.Connectors, Counts{Connector: connector})
	return &s.Connectors[len(s.Connectors)-1]
}

func (s *Summary) add(sum countRow) {
	if sum.redirectURI != "" {
		c := s.of(sum.connector)
		c.Sent, c.Returned = c.Sent+sum.sent, c.Returned+sum.returned
	}
	switch {
	case sum.redirectURI != "" && sum.sent >= fewest && sum.returned == 0:
		s.Warnings = append(s.Warnings, Warning{
			sum.connector,
			fmt.Sprintf("%d sign-ins were sent to the provider with the redirect URI %s (from %s), and none came back",
				sum.sent, sum.redirectURI, sum.host),
			"see that this very redirect URI is registered there: most providers show people a page of their own if it is not",
		})
	case sum.strayed >= fewest:
		s.Warnings = append(s.Warnings, Warning{
			sum.connector,
			fmt.Sprintf("%d browsers came back from the provider to %s without the cookie of their sign-in", sum.strayed, sum.host),
			"see that the redirect URI has the scheme and the host that people sign in at: a cookie of one is not sent to another",
		})
	}
}
