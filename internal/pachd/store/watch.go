package store

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"pachyderm/internal/data/blob"
)

const (
	// every is how often it is looked whether the store can be used.
	every = time.Minute
	// within is how long it may take to answer that.
	within = 30 * time.Second
)

// Watch knows whether a store could be used when it was looked last.
type Watch struct {
	store blob.Store
	log   *slog.Logger
	away  atomic.Bool
}

// NewWatch makes one, for which the store is there until it was looked.
func NewWatch(s blob.Store, log *slog.Logger) *Watch { return &Watch{store: s, log: log} }

// Away reports whether the store could not be used.
func (w *Watch) Away() bool { return w.away.Load() }

// look asks the store, and logs when the answer is another than before.
func (w *Watch) look(ctx context.Context) {
	asked, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := w.store.Check(asked)
	if ctx.Err() != nil { // nobody wants to know any more
		return
	}
	if was := w.away.Swap(err != nil); err != nil && !was {
		w.log.ErrorContext(ctx, "the store cannot be used, so files can be neither written nor read", "error", err)
	} else if err == nil && was {
		w.log.InfoContext(ctx, "the store can be used again")
	}
}

// Run looks now and then until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
