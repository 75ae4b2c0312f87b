package pack

import (
	"context"
	"fmt"
	"slices"

	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/data/pack/format"
	"pachyderm/internal/data/pack/lease"
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
		if err == nil && next.pause && w.filling != nil && len(w.filling.Data) >= worthOne {
			w.upload()
		}
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
		w.filling.Add(p.id, p.headed)
		w.s.blobBuffers.Put(p.headed)
		if w.filling.Full() {
			w.upload()
		}
	}
	return nil
}

// begin begins a pack, once there is memory for one.
func (w *Writer) begin() (err error) {
	select {
	case w.slots <- struct{}{}:
		w.filling, err = format.NewBuilder(w.s.packBuffers)
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
	return slices.DeleteFunc(batch, func(p pending) bool {
		_, is := stored[p.id]
		if is {
			w.s.blobBuffers.Put(p.headed)
		}
		return is
	}), nil
}

// find is which blobs are stored, in packs that stay as long as this session does.
func (w *Writer) find(ids []ID) (stored map[ID]catalog.Found, err error) {
	for range 3 { // what is condemned or kept meanwhile is looked at again
		err = w.s.with.DB.View(w.ctx, func(tx *db.Tx) (err error) {
			stored, err = catalog.Find(w.ctx, tx, ids)
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
func (w *Writer) foreign(stored map[ID]catalog.Found) []string {
	packs := map[string]bool{}
	w.lock(func(m *mutexed) {
		for _, f := range stored {
			if f.State == catalog.Writing && !m.borrowed[f.Pack] && !m.own[f.Pack] {
				packs[f.Pack] = true
			}
		}
	})
	return keysOf(packs)
}

// borrow has other sessions' packs stay, if they are still there.
func (w *Writer) borrow(packs []string) error {
	until := w.s.with.Now().Add(lease.Lasts)
	err := w.s.with.DB.Update(w.ctx, func(tx *db.Tx) error { return catalog.ShareLeases(w.ctx, tx, packs, until) })
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
	w.filling = nil
	w.uploads.Go(func() {
		b.Finish()
		if err := w.save(w.ctx, b); err != nil {
			w.fail(err)
		}
		b.Free()
		<-w.slots
	})
}

// save stores a pack, and then its rows.
func (w *Writer) save(ctx context.Context, b *format.Builder) error {
	begun := w.s.with.Now()
	if err := w.s.with.Store.Put(ctx, b.Pack, b.Data); err != nil {
		return fmt.Errorf("store the pack %s: %w", b.Pack, err)
	}
	row := catalog.Pack{ID: b.Pack, State: catalog.Writing, Size: int64(len(b.Data)), Writer: w.id, Created: begun}
	for _, e := range b.Entries {
		row.Live += e.Len
	}
	var elsewhere map[ID]catalog.Found
	err := w.s.with.DB.Update(ctx, func(tx *db.Tx) (err error) {
		now := w.s.with.Now()
		if now.Sub(begun) > longestUpload {
			return fault.New(fault.Unavailable, "writing the pack %s took too long", b.Pack).Next("try again")
		}
		row.Until = now.Add(lease.Lasts)
		if row.Key, err = w.s.with.Sealer.Seal(b.Key, catalog.Place(b.Pack)); err != nil {
			return err
		}
		elsewhere, err = catalog.InsertFilled(ctx, tx, row, b.Entries)
		return err
	})
	if err != nil {
		return fmt.Errorf("insert the rows of the pack %s: %w", b.Pack, err)
	}
	w.saved(b, elsewhere)
	if foreign := w.foreign(elsewhere); len(foreign) > 0 {
		return w.borrow(foreign)
	}
	return nil
}

func (w *Writer) saved(b *format.Builder, elsewhere map[ID]catalog.Found) {
	w.lock(func(m *mutexed) {
		m.own[b.Pack] = true
		for _, e := range b.Entries {
			delete(m.unsaved, e.ID)
		}
		for id := range elsewhere {
			m.reused[id] = true
		}
	})
}
