package pack

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"pachyderm/internal/data/pack/bundle"
	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/data/pack/format"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

const (
	// batchBytes and batchBlobs are what is gathered before it is looked up whether it
	// is stored already, which is one query.
	batchBytes = 4 << 20
	batchBlobs = 512
	// uploads is how many packs are written to the store at once.
	uploads = 2
	// worthOne is from how many bytes a pack is written before it is full, if what comes
	// takes a while.
	worthOne = 4 << 20
	// inMemory is how many packs a session has in memory: one is filled meanwhile.
	inMemory = uploads + 1

	// longestUpload is far less than orphanAge: by then the sweep might take the object
	// for one that nobody is about to name.
	longestUpload = orphanAge / 2
)

// Writer is a session that stores blobs. Its methods are for one goroutine; after an
// error of any the session cannot be used but to Close it.
type Writer struct {
	s       *Service
	release func()          // ends the renewal of leases
	ctx     context.Context //nolint:containedctx // the session's: its goroutines end with it
	cancel  context.CancelFunc
	id      string

	// Of the caller's goroutine.
	batch      []pending
	batchBytes int
	bundle     bundle.Bundle
	spare      []byte // a buffer for the next file
	dirty      bool   // something was put since the last Flush

	// Of the goroutine that fills packs.
	work     chan work
	filling  *format.Builder
	slots    chan struct{} // taken by packs in memory: who has none waits
	uploads  sync.WaitGroup
	all      sync.WaitGroup // the session's goroutines
	ending   sync.Once
	shared   mutexed
	sharedMu sync.Mutex
}

// mutexed is what all goroutines of a session have in common.
type mutexed struct {
	err error
	// unsaved are blobs that have no row yet; reused those of others, or of the time
	// before, that this session's contents name.
	unsaved, reused map[ID]bool
	// own are packs of this session that have rows, borrowed those of other sessions.
	own, borrowed map[string]bool
}

// pending is a blob on its way.
type pending struct {
	id     ID
	headed []byte // see format.Head
}

// work is a batch, or the wish to be told when all is stored.
type work struct {
	blobs []pending
	done  chan<- struct{}
	// pause says that there is time to write what there is.
	pause bool
}

// Writer begins a session, which ends with Close or with ctx.
func (s *Service) Writer(ctx context.Context) *Writer {
	ctx, cancel := context.WithCancel(ctx)
	w := &Writer{
		s: s, ctx: ctx, cancel: cancel, id: strings.ToLower(rand.Text()), work: make(chan work), slots: make(chan struct{}, inMemory),
		shared: mutexed{unsaved: map[ID]bool{}, reused: map[ID]bool{}, own: map[string]bool{}, borrowed: map[string]bool{}},
	}
	w.all.Go(w.fill)
	w.release = s.leases.Hold(w.leased)
	return w
}

// lock has f alone with what the goroutines share.
func (w *Writer) lock(f func(*mutexed)) {
	w.sharedMu.Lock()
	defer w.sharedMu.Unlock()
	f(&w.shared)
}

// fail ends the session with its first error.
func (w *Writer) fail(err error) {
	w.lock(func(m *mutexed) {
		if m.err == nil {
			m.err = err
		}
	})
	w.cancel()
}

// failed is why the session has ended, or nil.
func (w *Writer) failed() (err error) {
	w.lock(func(m *mutexed) { err = m.err })
	if err == nil {
		err = w.ctx.Err()
	}
	return err
}

// Put stores one blob, of at most MaxBlob bytes, unless it is stored already. It is
// readable after Flush. Fault: Invalid.
func (w *Writer) Put(ctx context.Context, data []byte) (ID, error) {
	if len(data) > MaxBlob {
		return ID{}, fault.New(fault.Invalid, "a blob of %d bytes is longer than %d", len(data), MaxBlob)
	}
	if err := ctx.Err(); err != nil {
		return ID{}, err
	}
	id := w.s.keys.Blob(data)
	if w.known(id) {
		return id, w.failed()
	}
	return id, w.add(id, append(make([]byte, format.Head, format.Head+len(data)), data...))
}

// put stores a blob whose bytes are the session's from now on, as a buffer has them.
func (w *Writer) put(headed []byte) (ID, error) {
	id := w.s.keys.Blob(headed[format.Head:])
	if w.known(id) {
		w.s.blobBuffers.Put(headed)
		return id, w.failed()
	}
	return id, w.add(id, headed)
}

// known says whether a blob is the session's already; from now on it is.
func (w *Writer) known(id ID) (known bool) {
	w.dirty = true
	w.lock(func(m *mutexed) {
		known = m.unsaved[id] || m.reused[id]
		if !known {
			m.unsaved[id] = true
		}
	})
	return known
}

func (w *Writer) add(id ID, headed []byte) error {
	w.batch = append(w.batch, pending{id, headed})
	w.batchBytes += len(headed)
	if w.batchBytes >= batchBytes || len(w.batch) >= batchBlobs {
		return w.send(work{blobs: w.takeBatch()})
	}
	return w.failed()
}

func (w *Writer) takeBatch() []pending {
	all := w.batch
	w.batch, w.batchBytes = nil, 0
	return all
}

func (w *Writer) send(what work) error {
	select {
	case w.work <- what:
		return w.failed()
	case <-w.ctx.Done():
		return w.failed()
	}
}

// Pause is called by whoever will put nothing for a while, before Flush: if much has been
// put, it is written meanwhile.
func (w *Writer) Pause() error {
	if err := w.Cut(); err != nil {
		return err
	}
	return w.send(work{blobs: w.takeBatch(), pause: true})
}

// Flush returns once all that was put is durable and has its rows.
func (w *Writer) Flush(ctx context.Context) error {
	if err := w.Cut(); err != nil {
		return err
	}
	done := make(chan struct{})
	if err := w.send(work{blobs: w.takeBatch(), done: done}); err != nil {
		return err
	}
	select {
	case <-done:
	case <-w.ctx.Done():
		return w.failed()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := w.failed()
	w.dirty = err != nil
	return err
}

// Keep is called in the transaction that names what was put, after Flush: from its
// commit on, no pack that holds any of it is swept. Fault: Unavailable if one is gone
// already, such as of another session that was given up, after which all has to be put
// again in a new session.
func (w *Writer) Keep(ctx context.Context, tx *db.Tx) error {
	if err := w.failed(); err != nil {
		return err
	}
	if w.dirty {
		return errors.New("what was put is to be kept before it was flushed")
	}
	var packs []string
	var blobs []ID
	w.lock(func(m *mutexed) {
		packs, blobs = keysOf(m.own), slices.Collect(maps.Keys(m.reused))
	})
	there, err := catalog.KeepAll(ctx, tx, packs, blobs)
	if err == nil && !there {
		err = errGone()
	}
	return err
}

func errGone() error {
	return fault.New(fault.Unavailable, "some of what was written has been swept meanwhile").Next("try again")
}

// Close ends the session. What was not kept is swept, but for what another session
// needs; that the lease has ended is said at once where that can be done.
func (w *Writer) Close() {
	w.ending.Do(func() {
		w.cancel()
		w.release()
		w.all.Wait()
		w.uploads.Wait()
		var packs []string
		w.lock(func(m *mutexed) { packs = keysOf(m.own) })
		if len(packs) == 0 {
			return
		}
		ctx := context.WithoutCancel(w.ctx)
		err := w.s.with.DB.UpdateUnsynced(ctx, func(tx *db.Tx) error { return catalog.EndLeases(ctx, tx, packs, w.id) })
		if err != nil { // it ends by itself
			w.s.with.Log.WarnContext(ctx, "the lease of packs was not given up", "error", err)
		}
	})
}

// leased are the packs that have to stay as long as the session does.
func (w *Writer) leased() (packs []string) {
	w.lock(func(m *mutexed) { packs = append(keysOf(m.own), keysOf(m.borrowed)...) })
	return packs
}

// Kept is about how many bytes the session has in memory. It, and GiveBack, are for the
// goroutine of the session too, or for one that it waits for.
func (w *Writer) Kept() int64 {
	n := cap(w.spare) + (len(w.batch)+1)*blobBuffer
	if w.bundle.Empty() && len(w.batch) == 0 {
		n = cap(w.spare)
	}
	return int64(n + len(w.slots)*format.LargeBuffer)
}

// GiveBack writes what there is, and has the session keep no memory for what may come.
func (w *Writer) GiveBack() error {
	w.spare = nil
	return w.Flush(w.ctx)
}
