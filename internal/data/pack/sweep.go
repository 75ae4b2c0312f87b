package pack

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/db"
)

const (
	// grace is how long after the end of its lease a pack is swept: clocks differ.
	grace = time.Minute
	// orphanAge is how old an object must be that nobody is about to make rows for.
	orphanAge = 24 * time.Hour
	// atOnce is how many packs are condemned in one transaction, and how many objects
	// are looked up by one query.
	atOnce = 100
)

// packName is what the objects are called that the sweep may delete.
var packName = regexp.MustCompile(`^[a-z2-7]{26}$`)

// Swept is what a sweep has deleted: packs that nothing came to name, and objects of
// the store without a pack, such as of uploads that a crash has cut short.
type Swept struct {
	Packs, Objects int
	// Bytes are those of the objects of both.
	Bytes int64
}

// Sweep deletes packs that were not kept before their lease ended, and what earlier
// sweeps have condemned. It may end at any step and run in several processes at once:
// rows go first, in one transaction with the state that says so, then the object, then
// the pack's row.
func (s *Service) Sweep(ctx context.Context) (swept Swept, err error) {
	for {
		n, err := s.condemn(ctx)
		if err != nil {
			return swept, fmt.Errorf("condemn packs: %w", err)
		}
		if n < atOnce {
			break
		}
	}
	after := ""
	for {
		var all []catalog.Pack
		err := s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
			all, err = catalog.CondemnedPage(ctx, tx, after, atOnce)
			return err
		})
		if err != nil {
			return swept, err
		}
		for _, p := range all {
			if err := s.remove(ctx, p.ID); err != nil {
				return swept, fmt.Errorf("delete the pack %s: %w", p.ID, err)
			}
			swept.Packs, swept.Bytes, after = swept.Packs+1, swept.Bytes+p.Size, p.ID
		}
		if len(all) < atOnce {
			break
		}
	}
	return swept, s.sweepObjects(ctx, &swept)
}

// condemn condemns some packs, and counts them. Whoever keeps one at the same time
// changes the same row: one of the two comes too late.
func (s *Service) condemn(ctx context.Context) (n int, err error) {
	now := s.with.Now()
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		packs, err := catalog.Expired(ctx, tx, now.Add(-grace), atOnce)
		n = len(packs)
		if err != nil || n == 0 {
			return err
		}
		if err := catalog.Condemn(ctx, tx, packs, now); err != nil {
			return err
		}
		return catalog.DeleteBlobs(ctx, tx, packs)
	})
	return n, err
}

func (s *Service) remove(ctx context.Context, pack string) error {
	if err := s.with.Store.Delete(ctx, pack); err != nil {
		return err
	}
	return s.with.DB.Update(ctx, func(tx *db.Tx) error { return catalog.DeletePack(ctx, tx, pack) })
}

// sweepObjects deletes objects that no row names.
func (s *Service) sweepObjects(ctx context.Context, swept *Swept) error {
	old := s.with.Now().Add(-orphanAge)
	sizes := map[string]int64{}
	for o, err := range s.with.Store.List(ctx, "") {
		if err != nil {
			return err
		}
		if !packName.MatchString(o.Name) || o.Modified.After(old) {
			continue
		}
		if sizes[o.Name] = o.Size; len(sizes) < atOnce {
			continue
		}
		if err := s.removeUnnamed(ctx, sizes, swept); err != nil {
			return err
		}
		clear(sizes)
	}
	return s.removeUnnamed(ctx, sizes, swept)
}

func (s *Service) removeUnnamed(ctx context.Context, sizes map[string]int64, swept *Swept) error {
	var named map[string]string
	err := s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
		named, err = catalog.States(ctx, tx, keysOf(sizes))
		return err
	})
	if err != nil {
		return err
	}
	for name, size := range sizes {
		if named[name] != "" {
			continue
		}
		if err := s.with.Store.Delete(ctx, name); err != nil {
			return err
		}
		swept.Objects, swept.Bytes = swept.Objects+1, swept.Bytes+size
	}
	return nil
}

// Usage is how much the store holds.
type Usage = catalog.Usage

// Usage counts.
func (s *Service) Usage(ctx context.Context) (u Usage, err error) {
	err = s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
		u, err = catalog.Count(ctx, tx)
		return err
	})
	return u, err
}

// Reindex makes the rows of a pack's blobs from its own list, where they are missing,
// and counts them. Fault: NotFound, Damaged.
func (s *Service) Reindex(ctx context.Context, pack string) (made int64, err error) {
	var p catalog.Pack
	err = s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
		p, err = catalog.One(ctx, tx, pack)
		return err
	})
	if err != nil {
		return 0, err
	}
	data, err := s.with.Store.Get(ctx, pack, 0, p.Size)
	if err != nil {
		return 0, err
	}
	c, err := s.cipher(pack, p.Key)
	if err != nil {
		return 0, err
	}
	all, err := c.List(data)
	if err != nil {
		return 0, damaged(pack, "its list does not open").Because(err)
	}
	err = s.with.DB.Update(ctx, func(tx *db.Tx) (err error) {
		states, err := catalog.States(ctx, tx, []string{pack})
		if err == nil && (states[pack] == "" || states[pack] == catalog.Condemned) {
			return errGone()
		}
		if err == nil {
			made, err = catalog.InsertBlobs(ctx, tx, pack, all)
		}
		return err
	})
	return made, err
}
