package db

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// channel is the PostgreSQL channel on which replicas announce changes.
const channel = "pach_changes"

// Change says that what is kept under a topic and key is not what it was. An
// empty topic says that anything may have changed.
type Change struct{ Topic, Key string }

// changes is the change notification: it tells watchers in this process of what
// was committed here, and of what other replicas have committed.
type changes struct {
	mu       sync.Mutex
	watchers []func(Change)
	// disconnected is set while changes of other replicas are not received.
	disconnected atomic.Bool
}

// Watch calls f after each committed change: before Update returns for one of
// this process, within moments for one of another replica. f must be quick and
// must not use the database. Call it before changes are made.
func (d *DB) Watch(f func(Change)) {
	d.changes.mu.Lock()
	defer d.changes.mu.Unlock()
	d.changes.watchers = append(d.changes.watchers, f)
}

// Exact reports whether watchers receive every change. While it is false, what
// was remembered may be wrong, and must be read again.
func (d *DB) Exact() bool { return !d.changes.disconnected.Load() }

func (c *changes) notify(what ...Change) {
	c.mu.Lock()
	watchers := c.watchers
	c.mu.Unlock()
	for _, change := range what {
		for _, f := range watchers {
			f(change)
		}
	}
}

// Changed notes in a transaction what it changes; watchers receive it when,
// and only when, it is committed. Neither part may hold a line break.
func (t *Tx) Changed(ctx context.Context, topic, key string) error {
	t.changed = append(t.changed, Change{topic, key})
	return t.engine.announce(ctx, t, topic+"\n"+key)
}

// dropIdle closes the connections that nobody uses: where the network is gone, each
// would be found out by a call that waits for it.
func (d *DB) dropIdle() {
	d.write.SetMaxIdleConns(0)
	d.write.SetMaxIdleConns(d.maxIdle)
}

// Listen receives changes of other replicas until ctx ends, where there can be
// any. Each time that they are not received any more it calls lost, with the
// reason, and found once they are again.
func (d *DB) Listen(ctx context.Context, lost func(error), found func()) error {
	const (
		pause = 200 * time.Millisecond // between attempts to connect again
	)
	reported := false
	l := listener{
		ready: func() {
			// What happened while nobody listened is not known. Nothing that was read before
			// is trusted for a moment.
			d.changes.notify(Change{})
			d.changes.disconnected.Store(false)
			if reported {
				reported = false
				found()
			}
		},
		receive: func(payload string) {
			topic, key, _ := strings.Cut(payload, "\n")
			d.changes.notify(Change{topic, key})
		},
		say: func(ctx context.Context, payload string) error {
			return d.Update(ctx, func(tx *Tx) error { return tx.engine.announce(ctx, tx, payload) })
		},
	}
	for {
		err := d.engine.listen(ctx, l)
		if err == nil || ctx.Err() != nil {
			return nil //nolint:nilerr // to be told to stop is no failure
		}
		d.changes.disconnected.Store(true)
		if !reported {
			reported = true
			d.dropIdle()
			lost(d.fault(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}
