package pachd

import (
	"context"
	"crypto/rand"
	"time"

	"pachyderm/internal/data/file"
	"pachyderm/internal/data/fileset"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/trigger"
	"pachyderm/internal/data/urlsource"
	"pachyderm/internal/fetch"
	"pachyderm/internal/pachd/store"
)

// sweepPacksEvery is how often what uploads have left that broke off is deleted.
const sweepPacksEvery = time.Hour

// wireData makes the parts that keep versioned data. They know nobody.
func (p *Pachd) wireData(ctx context.Context) error {
	if err := graph.Prepare(ctx, p.DB); err != nil {
		return err
	}
	for _, note := range p.config.StorageNotes {
		p.log.WarnContext(ctx, "where data is kept", "note", note)
	}
	id, err := p.DB.EnsureMeta(ctx, clusterIDKey, []byte(rand.Text()))
	if err != nil {
		return err
	}
	p.id = string(id)
	owner := store.Owner{ID: p.id, Kept: func(ctx context.Context) ([]string, error) { return p.packs.SomeKept(ctx) }}
	objects, err := store.Open(p.config.Storage, owner, p.now)
	if err != nil {
		return err
	}
	p.store = store.NewWatch(objects, p.log)
	p.packs, err = pack.New(ctx, pack.Options{DB: p.DB, Store: objects, Sealer: p.sealer, Log: p.log, Now: p.now})
	if err != nil {
		return err
	}
	p.Files = file.New(p.DB, p.packs)
	p.triggers = trigger.New(p.DB, p.log, p.now)
	p.sets = fileset.New(p.DB, p.Files, p.now)
	p.URLs = urlsource.New(fetch.PublicOnly)
	return nil
}

// sweepPacks deletes, at once and then every hour, expired file sets, and what was
// written and never became part of a commit or a set, until ctx ends.
func (p *Pachd) sweepPacks(ctx context.Context) error {
	tick := time.NewTicker(sweepPacksEvery)
	defer tick.Stop()
	for {
		if n, err := p.sets.DeleteExpired(ctx); err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "cannot delete expired file sets", "error", err)
		} else if n > 0 {
			p.log.InfoContext(ctx, "deleted expired file sets", "sets", n)
		}
		swept, err := p.packs.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			p.log.ErrorContext(ctx, "cannot sweep what uploads have left", "error", err)
		case swept.Packs > 0:
			p.log.InfoContext(ctx, "swept what uploads have left", "packs", swept.Packs, "bytes", swept.Bytes)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
