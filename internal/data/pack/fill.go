package pack

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// fill takes batches, and fills packs with what is not stored yet, until the session
// ends.
func (w *Writer) fill() {
	for {
		var next work
		select {
		case next = <-w.work:
		case <-w.ctx.Done():
			return
		}
		err := w.fillWith(next.blobs)
		if err == nil && next.done != nil {
			w.upload()
			w.uploads.Wait()
			close(next.done)
		}
		if err != nil {
			w.fail(err)
			return
		}
	}
}

func (w *Writer) fillWith(batch []pending) error {
	if len(batch) == 0 {
		return nil
	}
	missing, err := w.missing(batch)
	if err != nil {
		return err
	}
	for _, p := range missing {
		if w.filling == nil {
			if err := w.begin(); err != nil {
				return err
			}
		}
		w.filling.add(p.id, p.data)
		if w.filling.full() {
			w.upload()
		}
	}
	return nil
}

// begin begins a pack, once one of the buffers is free.
func (w *Writer) begin() (err error) {
	select {
	case buffer := <-w.slots:
		w.filling, err = newBuilder(buffer, w.plain)
		return err
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

// missing is what of a batch is not stored. What is, is this session's to keep, too.
func (w *Writer) missing(batch []pending) ([]pending, error) {
	ids := make([]ID, len(batch))
	for n, p := range batch {
		ids[n] = p.id
	}
	stored, err := w.find(ids)
	if err != nil {
		return nil, err
	}
	w.lock(func(m *mutexed) {
		for id := range stored {
			delete(m.unsaved, id)
			m.reused[id] = true
		}
	})
	return slices.DeleteFunc(batch, func(p pending) bool { _, is := stored[p.id]; return is }), nil
}

// find is which blobs are stored, in packs that stay as long as this session does.
func (w *Writer) find(ids []ID) (stored map[ID]found, err error) {
	for range 3 { // what is condemned or kept meanwhile is looked at again
		err = w.s.with.DB.View(w.ctx, func(tx *db.Tx) (err error) {
			stored, err = findBlobs(w.ctx, tx, ids)
			return err
		})
		if err != nil {
			return nil, err
		}
		foreign := w.foreign(stored)
		if len(foreign) == 0 {
			return stored, nil
		}
		if err := w.borrow(foreign); err != nil {
			return nil, err
		}
	}
	return stored, nil
}

// foreign are the packs of other sessions, which are not kept yet.
func (w *Writer) foreign(stored map[ID]found) []string {
	packs := map[string]bool{}
	w.lock(func(m *mutexed) {
		for _, f := range stored {
			if f.state == writing && !m.borrowed[f.pack] && !m.own[f.pack] {
				packs[f.pack] = true
			}
		}
	})
	return slices.Collect(maps.Keys(packs))
}

// borrow has other sessions' packs stay, if they are still there.
func (w *Writer) borrow(packs []string) error {
	until := w.s.with.Now().Add(lease)
	err := w.s.with.DB.Update(w.ctx, func(tx *db.Tx) error { return shareLeases(w.ctx, tx, packs, until) })
	if err == nil {
		w.lock(func(m *mutexed) {
			for _, id := range packs {
				m.borrowed[id] = true
			}
		})
	}
	return err
}

// upload has the pack that is being filled written to the store, beside what follows.
func (w *Writer) upload() {
	b := w.filling
	if b == nil {
		return
	}
	w.filling, w.plain = nil, b.plain
	w.uploads.Go(func() {
		b.finish()
		if err := w.save(w.ctx, b); err != nil {
			w.fail(err)
		}
		w.slots <- b.data
	})
}

// save stores a pack, and then its rows.
func (w *Writer) save(ctx context.Context, b *builder) error {
	begun := w.s.with.Now()
	if err := w.s.with.Store.Put(ctx, b.id, b.data); err != nil {
		return fmt.Errorf("store the pack %s: %w", b.id, err)
	}
	row := packRow{id: b.id, state: writing, size: int64(len(b.data)), writer: w.id, created: begun}
	for _, e := range b.entries {
		row.live += e.len
	}
	var elsewhere map[ID]found
	err := w.s.with.DB.Update(ctx, func(tx *db.Tx) (err error) {
		now := w.s.with.Now()
		if now.Sub(begun) > longestUpload {
			return fault.New(fault.Unavailable, "writing the pack %s took too long", b.id).Next("try again")
		}
		row.until = now.Add(lease)
		if row.key, err = w.s.with.Sealer.Seal(b.key, place(b.id)); err != nil {
			return err
		}
		elsewhere, err = insertRows(ctx, tx, row, b.entries)
		return err
	})
	if err != nil {
		return fmt.Errorf("insert the rows of the pack %s: %w", b.id, err)
	}
	w.saved(b, elsewhere)
	if foreign := w.foreign(elsewhere); len(foreign) > 0 {
		return w.borrow(foreign)
	}
	return nil
}

// insertRows inserts a pack and its blobs; those that another session was quicker to
// store are found elsewhere.
func insertRows(ctx context.Context, tx *db.Tx, row packRow, all []entry) (elsewhere map[ID]found, err error) {
	if err := insertPack(ctx, tx, row); err != nil {
		return nil, err
	}
	inserted, err := insertBlobs(ctx, tx, row.id, all)
	if err != nil || inserted == int64(len(all)) {
		return nil, err
	}
	ids := make([]ID, len(all))
	for n, e := range all {
		ids[n] = e.id
	}
	if elsewhere, err = findBlobs(ctx, tx, ids); err != nil {
		return nil, err
	}
	maps.DeleteFunc(elsewhere, func(_ ID, f found) bool { return f.pack == row.id })
	return elsewhere, nil
}

func (w *Writer) saved(b *builder, elsewhere map[ID]found) {
	w.lock(func(m *mutexed) {
		m.own[b.id] = true
		for _, e := range b.entries {
			delete(m.unsaved, e.id)
		}
		for id := range elsewhere {
			m.reused[id] = true
		}
	})
}
