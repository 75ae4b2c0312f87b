package pack

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/data/blob/blobtest"
	"pachyderm/internal/data/pack/lease"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

// What is appended in any number of steps is what is put at once.
func TestFile_AppendIsAFreshPut(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	s := i.service()
	sizes := []int{0, 1, 1000, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3 << 20, 5<<20 + 7}
	for n := range 10 {
		r := rand.New(rand.NewPCG(uint64(n), 1))
		whole := blobtest.Noise(uint64(n), sizes[r.IntN(len(sizes))]+r.IntN(1000))
		steps := []int{0}
		for range 1 + r.IntN(3) {
			steps = append(steps, r.IntN(len(whole)+1))
		}
		steps = append(steps, len(whole))
		fresh := i.put(s, whole)[0]
		w := i.writer(s)
		base := &Content{}
		for at, step := range steps[1:] {
			if from := min(base.Size, int64(step)); from == base.Size {
				base = i.file(w, base, nil, whole[from:step])
			}
			if at%2 == 0 { // the next one may begin before this is flushed
				i.must(w.Flush(t.Context()))
			}
		}
		i.keep(w)
		if base.Hash != fresh.Hash || base.Size != fresh.Size {
			t.Errorf("%v: not the same hash as at once", steps)
		}
		if base.Size >= largeFile && cmp.Diff(base.Extents, fresh.Extents) != "" {
			t.Errorf("%v: other chunks than at once", steps)
		}
		i.reads(i.service(), *base, whole)
	}
}

// Many parts that come one after the other are one file, as few have them.
func TestFile_PiecesMakeNoDifference(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	s := i.service()
	data := blobtest.Noise(1, 6<<20)
	first := i.put(s, data)[0]
	w := i.writer(s)
	f := w.File(nil, nil)
	for part := data; len(part) > 0; {
		n := min(len(part), 1+rand.IntN(5000))
		_, err := f.Write(part[:n])
		i.must(err)
		part = part[n:]
	}
	c, err := f.Close()
	i.must(err)
	i.keep(w)
	if diff := cmp.Diff(first, *c); diff != "" {
		t.Error(diff)
	}
}

func TestWriter_StoresNothingTwice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		files := [][]byte{blobtest.Noise(1, 5<<20), blobtest.Noise(2, 1<<20)}
		for n := range 1000 {
			files = append(files, blobtest.Noise(uint64(10+n), n))
		}
		first := i.put(i.service(), files...)
		before := i.stored()
		again := i.put(i.service(), files...)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("the same files (-first +again):\n%s", diff)
		}
		if grown := i.stored() - before; grown != 0 {
			t.Errorf("the same files take %d bytes more", grown)
		}
		// One after another in a session, and in another order, too.
		w := i.writer(i.service())
		for _, n := range rand.Perm(len(files)) {
			c := i.file(w, nil, &first[n], files[n])
			if diff := cmp.Diff(first[n], *c); diff != "" {
				t.Errorf("%d: %s", n, diff)
			}
		}
		i.keep(w)
		if grown := i.stored() - before; grown != 0 {
			t.Errorf("what is the same takes %d bytes more", grown)
		}
	})
}

// Of a bundle's files one changes: that takes what a bundle has, not what all have.
// What a file was is no more than a guess at what it becomes.
func TestFile_AnotherThanBefore(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	s := i.service()
	before := i.put(s, blobtest.Noise(1, 3000), nil)
	for n := range before {
		w := i.writer(s)
		data := blobtest.Noise(2, 3000)
		c := i.file(w, nil, &before[n], data)
		i.keep(w)
		i.reads(s, *c, data)
	}
}

func TestWriter_ChangedSmallFile(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	files := make([][]byte, 4000)
	for n := range files {
		files[n] = blobtest.Noise(uint64(n), 4<<10)
	}
	i.put(i.service(), files...)
	before := i.stored()
	i.put(i.service(), append([][]byte{blobtest.Noise(9999, 4<<10)}, files...)...)
	if grown := i.stored() - before; grown > 5<<20 || grown < 4<<10 {
		t.Errorf("one of 4 KiB before 4,000 others takes %d bytes", grown)
	}
}

func TestWriter_InsertAtTheFront(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	s := i.service()
	data := blobtest.Noise(1, 64<<20)
	i.put(s, data)
	before := i.stored()
	c := i.put(s, append([]byte{7}, data...))[0]
	if grown := i.stored() - before; grown > 10<<20 || grown < 1 {
		t.Errorf("one byte takes %d", grown)
	}
	i.reads(i.service(), c, append([]byte{7}, data...))
}

func TestWriter_CompressesWhatCompresses(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	i.put(i.service(), text(1, 8<<20))
	if got := i.stored(); got > 4<<20 {
		t.Errorf("8 MiB of text take %d", got)
	}
	before := i.stored()
	i.put(i.service(), blobtest.Noise(1, 8<<20))
	if got := i.stored() - before; got > 8<<20+8<<10 {
		t.Errorf("8 MiB of noise take %d", got)
	}
}

// The store sees nothing of what is in it.
func TestWriter_SealsWhatItStores(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	plain := []byte("a sentence that nobody but us may read")
	c := i.put(i.service(), bytes.Repeat(plain, 3), blobtest.Noise(1, 2<<20))[0]
	other := install(t, dbtest.SQLite(t))
	if again := other.put(other.service(), bytes.Repeat(plain, 3))[0]; again.Hash == c.Hash || again.Extents[0].Blob == c.Extents[0].Blob {
		t.Error("two installations have the same hash or id for a file")
	}
	for _, o := range i.objects() {
		data, err := i.dir.Get(t.Context(), o.Name, 0, o.Size)
		i.must(err)
		id := c.Extents[0].Blob
		if bytes.Contains(data, plain) || bytes.Contains(data, id[:]) || bytes.Contains(data, blobtest.Noise(1, 2<<20)[:64]) {
			t.Error("the store has what is in the pack, or its id, in the clear")
		}
	}
}

func TestPut_TooLong(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	w := i.writer(i.service())
	if _, err := w.Put(t.Context(), make([]byte, MaxBlob+1)); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	_, err := w.Put(t.Context(), make([]byte, MaxBlob))
	i.must(err)
	i.keep(w)
}

func TestKeep_NotFlushed(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	w := i.writer(i.service())
	i.file(w, nil, nil, []byte("x"))
	if err := i.tryKeep(w); err == nil || !strings.Contains(err.Error(), "before it was flushed") {
		t.Error(err)
	}
}

// However much goes through a session, it takes no more memory.
func TestWriter_MemoryIsBounded(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	w := i.writer(i.service())
	piece := blobtest.Noise(1, 1<<20)
	most := uint64(0)
	f := w.File(nil, nil)
	for n := range 256 {
		for at := 0; at < len(piece); at += 4096 { // so that it is none of before
			piece[at] ^= byte(n + 1)
			piece[at+1]++
		}
		_, err := f.Write(piece)
		i.must(err)
		if n%16 == 15 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	_, err := f.Close()
	i.must(err)
	i.keep(w)
	if most > 200<<20 {
		t.Errorf("it took %d MiB", most>>20)
	}
	if got := i.stored(); got < 256<<20 {
		t.Errorf("%d bytes are stored of 256 MiB", got)
	}
}

// What the store refuses is said, and the session ends; nothing waits for ever.
func TestWriter_StoreFails(t *testing.T) {
	full := fault.New(fault.Exhausted, "the disk is full")
	for name, before := range map[string]func(int) error{
		"at once": func(int) error { return full },
		"later": func(n int) error {
			if n < 2 {
				return nil
			}
			return full
		},
	} {
		i := install(t, dbtest.SQLite(t))
		var mu sync.Mutex
		n := 0
		i.store.Before = func(op blobtest.Op, _ string) error {
			mu.Lock()
			defer mu.Unlock()
			if op != blobtest.Put {
				return nil
			}
			n++
			return before(n - 1)
		}
		w := i.service().Writer(t.Context())
		var failed error
		for m := range 200 {
			if _, failed = w.Put(t.Context(), blobtest.Noise(uint64(m), 1<<20)); failed != nil {
				break
			}
		}
		flushed, kept := w.Flush(t.Context()), i.tryKeep(w)
		for what, err := range map[string]error{"put": failed, "flush": flushed, "keep": kept} {
			if !errors.Is(err, full) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		w.Close()
		w.Close()
	}
}

// Several sessions that write the same at once agree about where it is.
func TestWriter_SameInManySessions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		files := [][]byte{blobtest.Noise(1, 3<<20), blobtest.Noise(2, 100), blobtest.Noise(3, 700<<10)}
		contents := make([][]Content, 6)
		var all sync.WaitGroup
		for n := range contents {
			all.Go(func() {
				s := i.service()
				w := s.Writer(t.Context())
				defer w.Close()
				var got []*Content
				for _, data := range files {
					got = append(got, i.file(w, nil, nil, data))
				}
				if err := w.Flush(t.Context()); err != nil {
					t.Error(err)
					return
				}
				if n%2 == 0 {
					return // gives up what others rely on
				}
				if err := i.tryKeep(w); err != nil {
					t.Error(err)
					return
				}
				for _, c := range got {
					contents[n] = append(contents[n], *c)
				}
			})
		}
		all.Wait()
		i.after(10 * lease.Lasts)
		_, err := i.service().Sweep(t.Context())
		i.must(err)
		for n, some := range contents {
			if n%2 == 1 && len(some) != len(files) {
				t.Fatalf("session %d has kept nothing", n)
			}
			for m, c := range some {
				i.reads(i.service(), c, files[m])
			}
		}
		clean(i)
	})
}

// clean says that nothing is wrong with what is stored.
func clean(i *installation) {
	i.t.Helper()
	for _, deep := range []bool{false, true} {
		for p, err := range i.service().Verify(i.t.Context(), deep) {
			i.must(err)
			i.t.Errorf("%+v", p)
		}
	}
}

func BenchmarkPut_SmallFiles(b *testing.B) {
	const n = 20_000
	files := make([][]byte, n)
	for m := range files {
		files[m] = blobtest.Noise(uint64(m), 4<<10)
	}
	b.SetBytes(n * 4 << 10)
	for b.Loop() {
		i := install(b, dbtest.SQLite(b))
		i.put(i.service(), files...)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

func BenchmarkPut_Noise(b *testing.B) {
	data := blobtest.Noise(1, 256<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		i := install(b, dbtest.SQLite(b))
		w := i.service().Writer(b.Context())
		f := w.File(nil, nil)
		for at := 0; at < len(data); at += 1 << 20 {
			_, err := f.Write(data[at:][:1<<20])
			i.must(err)
		}
		_, err := f.Close()
		i.must(err)
		i.keep(w)
		w.Close()
	}
}

func BenchmarkRead_Noise(b *testing.B) {
	i := install(b, dbtest.SQLite(b))
	data := blobtest.Noise(1, 256<<20)
	c := i.put(i.service(), data)[0]
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		r := i.service().Read(b.Context(), c, 0, -1)
		n, err := r.WriteTo(discard{})
		if err != nil || n != int64(len(data)) {
			b.Fatal(fmt.Sprint(n), err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
