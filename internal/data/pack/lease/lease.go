package lease

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/db"
)

const (
	// Lasts is how long a lease is for.
	Lasts      = time.Minute
	renewEvery = Lasts / 3
)

// Keeper renews. It is safe for concurrent use.
type Keeper struct {
	db  *db.DB
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	held map[*held]bool
	stop context.CancelFunc // of the goroutine that renews, while there is something
}

// held are the packs of one session.
type held struct{ packs func() []string }

// New makes a Keeper that holds nothing.
func New(d *db.DB, log *slog.Logger, now func() time.Time) *Keeper {
	return &Keeper{db: d, log: log, now: now, held: map[*held]bool{}}
}

// Hold renews the leases of the packs that it is given, as they are then, until release.
func (k *Keeper) Hold(packs func() []string) (release func()) {
	h := &held{packs}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held[h] = true
	if k.stop == nil {
		var ctx context.Context
		ctx, k.stop = context.WithCancel(context.Background())
		go k.run(ctx)
	}
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.held, h)
		if len(k.held) == 0 && k.stop != nil {
			k.stop()
			k.stop = nil
		}
	}
}

func (k *Keeper) run(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := k.Renew(ctx); err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "the leases of packs were not renewed", "error", err)
		}
	}
}

// Renew renews all leases now.
func (k *Keeper) Renew(ctx context.Context) error {
	k.mu.Lock()
	var packs []string
	for h := range k.held {
		packs = append(packs, h.packs()...)
	}
	k.mu.Unlock()
	if len(packs) == 0 {
		return nil
	}
	// In one order: transactions that change the same rows in different orders would wait
	// for each other.
	slices.Sort(packs)
	packs = slices.Compact(packs)
	return k.db.UpdateUnsynced(ctx, func(tx *db.Tx) error { return catalog.RenewLeases(ctx, tx, packs, k.now().Add(Lasts)) })
}
