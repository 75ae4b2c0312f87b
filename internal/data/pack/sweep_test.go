package pack

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"pachyderm/internal/data/blob/blobtest"
	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/data/pack/lease"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

func (i *installation) sweep() Swept {
	i.t.Helper()
	swept, err := i.service().Sweep(i.t.Context())
	i.must(err)
	return swept
}

func (i *installation) usage() Usage {
	i.t.Helper()
	u, err := i.service().Usage(i.t.Context())
	i.must(err)
	return u
}

// flush has a session store some bytes, which it does not keep.
func (i *installation) flush(w *Writer, data []byte) *Content {
	i.t.Helper()
	c := i.file(w, nil, nil, data)
	i.must(w.Flush(i.t.Context()))
	return c
}

func TestSweep_TakesWhatWasNotKept(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		kept := i.put(i.service(), blobtest.Noise(1, 2<<20))[0]
		size := i.stored()
		w := i.service().Writer(t.Context())
		i.must(i.bulk(w, 2, 20))
		i.must(w.Flush(t.Context()))
		waiting := i.stored() - size
		u := i.usage()
		if u.Packs != 1 || u.Kept != size || u.Waiting != waiting || u.Blobs != int64(len(kept.Extents)) {
			t.Errorf("%+v of %d and %d bytes", u, size, waiting)
		}
		i.after(lease.Lasts + grace/2) // which is not renewed here; another clock may be behind
		if swept := i.sweep(); swept != (Swept{}) {
			t.Errorf("swept at the end of the lease: %+v", swept)
		}
		w.Close()
		swept := i.sweep()
		if swept.Packs < 2 || swept.Bytes != waiting || swept.Objects != 0 {
			t.Errorf("%+v", swept)
		}
		if got := i.stored(); got != size {
			t.Errorf("%d bytes are left, not %d", got, size)
		}
		if u := i.usage(); u.Waiting != 0 || u.Kept != size {
			t.Errorf("%+v", u)
		}
		i.reads(i.service(), kept, blobtest.Noise(1, 2<<20))
		clean(i)
	})
}

// A session that lives keeps what it has written, for as long as it takes, and what it
// has found of another that does not live any more.
func TestSweep_LeavesWhatIsBeingWritten(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		dead := i.service().Writer(t.Context())
		i.flush(dead, blobtest.Noise(1, 2<<20))
		w := i.writer(i.service())
		found := i.flush(w, blobtest.Noise(1, 2<<20))
		own := i.flush(w, blobtest.Noise(2, 2<<20))
		if n := len(i.objects()); n != 2 {
			t.Errorf("%d objects", n)
		}
		dead.Close()
		if swept := i.sweep(); swept != (Swept{}) {
			t.Fatalf("when the other has ended: %+v", swept)
		}
		for range 20 {
			i.after(lease.Lasts / 2)
			i.must(w.s.leases.Renew(t.Context()))
			if swept := i.sweep(); swept != (Swept{}) {
				t.Fatalf("%+v", swept)
			}
		}
		i.keep(w)
		w.Close()
		i.after(time.Hour)
		if swept := i.sweep(); swept != (Swept{}) {
			t.Errorf("after it was kept: %+v", swept)
		}
		i.reads(i.service(), *found, blobtest.Noise(1, 2<<20))
		i.reads(i.service(), *own, blobtest.Noise(2, 2<<20))
	})
}

// The one who has written goes on when the one who has found it gives up.
func TestClose_LeavesWhatOthersWrite(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	first, second := i.writer(i.service()), i.service().Writer(t.Context())
	c := i.flush(first, blobtest.Noise(1, 2<<20))
	i.flush(second, blobtest.Noise(1, 2<<20))
	second.Close()
	i.after(lease.Lasts / 2)
	i.must(first.s.leases.Renew(t.Context()))
	i.after(lease.Lasts)
	if swept := i.sweep(); swept != (Swept{}) {
		t.Errorf("%+v", swept)
	}
	i.must(i.tryKeep(first))
	i.reads(i.service(), *c, blobtest.Noise(1, 2<<20))
}

// Two store the same without seeing each other: the one who comes second relies on the
// first from then on, and knows that.
func TestKeep_WhatAnotherWasQuickerToStore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		data := blobtest.Noise(1, 3<<20)
		first, second := i.service().Writer(t.Context()), i.writer(i.service())
		i.file(first, nil, nil, data)
		c := i.file(second, nil, nil, data)
		var once sync.Once
		i.store.Before = func(op blobtest.Op, _ string) (err error) {
			once.Do(func() { // the second has looked for it, and is about to store it
				i.store.Before = nil
				err = first.Flush(t.Context())
			})
			return err
		}
		i.must(second.Flush(t.Context()))
		first.Close()
		i.sweep()
		i.must(i.tryKeep(second))
		i.after(time.Hour)
		i.sweep()
		i.reads(i.service(), *c, data)
		clean(i)
	})
}

// Either the sweep comes first, and who relied on the pack is told to try again, or the
// one who keeps it does, and the sweep leaves it alone.
func TestKeep_RacesWithTheSweep(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		for n, sweepFirst := range []bool{true, false} {
			data := blobtest.Noise(uint64(n), 2<<20)
			dead := i.service().Writer(t.Context())
			i.flush(dead, data)
			dead.Close()
			w := i.writer(i.service())
			c := i.flush(w, data) // which finds it, and stalls
			i.after(time.Hour)
			if sweepFirst {
				i.sweep()
				if err := i.tryKeep(w); !fault.Is(err, fault.Unavailable) {
					t.Errorf("kept what is gone: %v", err)
				}
				c = &i.put(i.service(), data)[0] // again, as it was told
			} else {
				i.must(i.tryKeep(w))
				if swept := i.sweep(); swept.Packs != 0 {
					t.Errorf("%+v", swept)
				}
			}
			i.reads(i.service(), *c, data)
			clean(i)
		}
	})
}

// The same for what a session has written itself, and for what it was told is the same.
func TestKeep_WhatIsGone(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	w := i.writer(i.service())
	own := i.flush(w, blobtest.Noise(1, 3000))
	other := i.writer(i.service())
	i.file(other, nil, own, blobtest.Noise(1, 3000))
	i.must(other.Flush(t.Context()))
	i.after(time.Hour) // without being renewed, such as when the machine slept
	i.sweep()
	for name, w := range map[string]*Writer{"own": w, "told": other} {
		if err := i.tryKeep(w); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Keeping and sweeping at the same time, many times over: nothing kept is lost.
func TestKeep_BesideManySweeps(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		var mu sync.Mutex
		var kept []Content
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() {
				for m := range 8 {
					w := i.service().Writer(t.Context())
					f := w.File(nil, nil)
					_, err := f.Write(blobtest.Noise(uint64(m%3), 5000))
					c, closed := f.Close()
					err = errors.Join(err, closed, w.Flush(t.Context()))
					if n%2 == 0 && err == nil {
						i.after(lease.Lasts)
						if err = i.tryKeep(w); err == nil {
							mu.Lock()
							kept = append(kept, *c)
							mu.Unlock()
						}
					}
					w.Close()
					i.after(2 * lease.Lasts)
					if _, swept := i.service().Sweep(t.Context()); swept != nil {
						t.Error(swept)
					}
					if err != nil && !fault.Is(err, fault.Unavailable) {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if len(kept) == 0 {
			t.Error("nothing was kept")
		}
		for _, c := range kept {
			if _, err := read(t.Context(), i.service(), c, 0, -1); err != nil {
				t.Error(err)
			}
		}
		clean(i)
	})
}

var errKilled = errors.New("killed")

// A process is killed before or after the nth thing that it asks of the store, or between
// its rows and its keeping them. What was kept is there, what was not is swept, and
// nothing else is left after a day.
func TestWriter_KilledAtEachStep(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		old := blobtest.Noise(1, 3<<20)
		kept := i.put(i.service(), old)[0]
		for step := range 6 {
			i.killed(step, old)
		}
		i.past.Store(int64(time.Since(begin)) + int64(2*orphanAge)) // the files are as old as they are
		i.sweep()
		i.sweep()
		if u := i.usage(); u.Waiting != 0 || u.Packs != 1 || len(i.objects()) != 1 {
			t.Errorf("%+v, and %d objects", u, len(i.objects()))
		}
		i.reads(i.service(), kept, old)
		clean(i)
		again := i.put(i.service(), append(bytes.Clone(old), 1))[0]
		i.reads(i.service(), again, append(bytes.Clone(old), 1))
	})
}

// killed is a process that is, at some step.
func (i *installation) killed(step int, data []byte) {
	i.t.Helper()
	ctx, kill := context.WithCancel(i.t.Context())
	defer kill()
	var mu sync.Mutex
	at := 0
	die := func(blobtest.Op, string) error {
		mu.Lock()
		defer mu.Unlock()
		if at++; at > step {
			kill() // with it all that the database is asked
			return errKilled
		}
		return nil
	}
	s := i.service()
	s.with.Store = &blobtest.Faulty{Store: i.dir, Before: die, After: die}
	w := s.Writer(ctx)
	f := w.File(nil, nil)
	_, err := f.Write(data) // which is stored already
	if err == nil {
		_, err = f.Close()
	}
	if err == nil {
		err = i.bulk(w, uint64(100+step), 20)
	}
	if err == nil {
		err = w.Flush(ctx)
	}
	if err == nil { // all is stored, and it dies before it keeps it
		kill()
	}
	w.all.Wait() // it does not give up its lease
	w.uploads.Wait()
	if err == nil && step < 4 {
		i.t.Errorf("it was not killed at %d", step)
	}
}

// A sweep that is killed between any two of its steps is done by the next one.
func TestSweep_KilledAtEachStep(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		kept := i.put(i.service(), blobtest.Noise(1, 3<<20))[0]
		for step := range 5 {
			w := i.service().Writer(t.Context())
			i.must(i.bulk(w, uint64(step+2), 20))
			i.must(w.Flush(t.Context()))
			w.Close()
			i.after(time.Hour)
			ctx, kill := context.WithCancel(t.Context())
			at := 0
			die := func(blobtest.Op, string) error {
				if at++; at > step {
					kill()
					return errKilled
				}
				return nil
			}
			s := i.service()
			s.with.Store = &blobtest.Faulty{Store: i.dir, Before: die, After: die}
			if _, err := s.Sweep(ctx); err == nil && step < 4 {
				t.Errorf("it was not killed at %d", step)
			}
			kill()
			clean(i) // what is half swept is nobody's any more
			i.sweep()
			if u := i.usage(); u.Waiting != 0 || len(i.objects()) != 1 {
				t.Errorf("killed at %d: %+v, and %d objects", step, u, len(i.objects()))
			}
		}
		i.reads(i.service(), kept, blobtest.Noise(1, 3<<20))
	})
}

func TestSweep_InSeveralProcesses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		for n := range 10 {
			w := i.service().Writer(t.Context())
			i.flush(w, blobtest.Noise(uint64(n), 5000))
			w.Close()
		}
		i.after(time.Hour)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, err := i.service().Sweep(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if u := i.usage(); u.Waiting != 0 || len(i.objects()) != 0 {
			t.Errorf("%+v, and %d objects", u, len(i.objects()))
		}
	})
}

// Of objects that no row names the old ones go, if they are ours.
func TestSweep_Orphans(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	kept := i.put(i.service(), []byte("kept"))[0]
	orphan, foreign := "abcdefghijklmnopqrstuvwxyz", "somebody/elses"
	for _, name := range []string{orphan, foreign} {
		i.must(i.dir.Put(t.Context(), name, []byte("bytes")))
	}
	names := func() (all []string) {
		for _, o := range i.objects() {
			all = append(all, o.Name)
		}
		return all
	}
	written := int64(time.Since(begin))
	i.past.Store(written + int64(orphanAge-time.Hour))
	if swept := i.sweep(); swept != (Swept{}) || !slices.Contains(names(), orphan) {
		t.Errorf("before it is a day old: %+v, %v", swept, names())
	}
	i.past.Store(written + int64(orphanAge+time.Hour))
	if swept := i.sweep(); swept != (Swept{Objects: 1, Bytes: 5}) || slices.Contains(names(), orphan) || !slices.Contains(names(), foreign) {
		t.Errorf("after a day: %+v, %v", swept, names())
	}
	i.reads(i.service(), kept, []byte("kept"))
}

// A pack whose rows come so late that the sweep may have taken its object has none.
func TestWriter_UploadThatTookTooLong(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	i.store.After = func(op blobtest.Op, _ string) error {
		i.after(orphanAge)
		return nil
	}
	w := i.writer(i.service())
	i.file(w, nil, nil, []byte("x"))
	if err := w.Flush(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if u := i.usage(); u != (catalog.Usage{}) {
		t.Errorf("%+v", u)
	}
}
