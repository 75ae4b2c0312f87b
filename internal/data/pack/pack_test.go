package pack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pachyderm/internal/data/blob"
	"pachyderm/internal/data/blob/blobtest"
	"pachyderm/internal/data/blob/dir"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/secret"
)

var begin = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

// installation is one on which services come and go.
type installation struct {
	t      testing.TB
	db     *db.DB
	dir    *dir.Store
	store  *blobtest.Faulty
	sealer *secret.Sealer
	key    secret.File
	past   atomic.Int64 // since begin, in nanoseconds
}

func install(t testing.TB, d *db.DB) *installation {
	t.Helper()
	i := &installation{t: t, db: d}
	var err error
	i.dir, err = dir.Open(filepath.Join(t.TempDir(), "store"), begin)
	i.must(err)
	i.store = &blobtest.Faulty{Store: i.dir}
	i.key = secret.File(filepath.Join(t.TempDir(), "key"))
	i.sealer, err = secret.OpenFor(t.Context(), d, i.key)
	i.must(err)
	return i
}

func (i *installation) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

func (i *installation) now() time.Time { return begin.Add(time.Duration(i.past.Load())) }

func (i *installation) after(d time.Duration) { i.past.Add(int64(d)) }

// service is one as after a start: it remembers nothing.
func (i *installation) service() *Service {
	i.t.Helper()
	s, err := New(i.t.Context(), Options{
		DB: i.db, Store: i.store, Sealer: i.sealer, Log: slog.New(slog.DiscardHandler), Now: i.now,
	})
	i.must(err)
	return s
}

func (i *installation) writer(s *Service) *Writer {
	w := s.Writer(i.t.Context())
	i.t.Cleanup(w.Close)
	return w
}

func (i *installation) file(w *Writer, base, old *Content, data []byte) *Content {
	i.t.Helper()
	f := w.File(base, old)
	for len(data) > 0 { // pieces of any size
		n := min(len(data), 1+rand.IntN(1<<20))
		_, err := f.Write(data[:n])
		i.must(err)
		data = data[n:]
	}
	c, err := f.Close()
	i.must(err)
	return c
}

func (i *installation) keep(w *Writer) {
	i.t.Helper()
	i.must(w.Flush(i.t.Context()))
	i.must(i.tryKeep(w))
}

func (i *installation) tryKeep(w *Writer) error {
	return i.db.Update(i.t.Context(), func(tx *db.Tx) error { return w.Keep(i.t.Context(), tx) })
}

// put keeps files in a session of their own.
func (i *installation) put(s *Service, files ...[]byte) (all []Content) {
	i.t.Helper()
	w := s.Writer(i.t.Context())
	defer w.Close()
	var contents []*Content
	for _, data := range files {
		contents = append(contents, i.file(w, nil, nil, data))
	}
	i.keep(w)
	for _, c := range contents {
		all = append(all, *c)
	}
	return all
}

func (i *installation) reads(s *Service, c Content, want []byte) {
	i.t.Helper()
	got, err := read(i.t.Context(), s, c, 0, -1)
	if err != nil || !bytes.Equal(got, want) {
		i.t.Errorf("%d bytes are read as %d others: %v", len(want), len(got), err)
	}
}

func read(ctx context.Context, s *Service, c Content, offset, length int64) ([]byte, error) {
	r := s.Read(ctx, c, offset, length)
	defer func() { _ = r.Close() }()
	return io.ReadAll(struct{ io.Reader }{r})
}

// stored is how many bytes the store has.
func (i *installation) stored() (bytes int64) {
	i.t.Helper()
	for o, err := range i.dir.List(i.t.Context(), "") {
		i.must(err)
		bytes += o.Size
	}
	return bytes
}

func (i *installation) objects() (all []blob.Object) {
	i.t.Helper()
	for o, err := range i.dir.List(i.t.Context(), "") {
		i.must(err)
		all = append(all, o)
	}
	return all
}

func text(seed uint64, size int) []byte {
	var b strings.Builder
	r := rand.New(rand.NewPCG(seed, 1))
	for b.Len() < size {
		fmt.Fprintf(&b, "line %d of what compresses well\n", r.IntN(1000))
	}
	return []byte(b.String())[:size]
}

func TestWriter_RoundTrip(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		var files [][]byte
		for n, size := range []int{0, 1, 4096, 100_000, 1<<20 - 1, 1 << 20, 1<<20 + 1, 512 << 10, 2 << 20, 8<<20 + 1, 12 << 20} {
			files = append(files, blobtest.Noise(uint64(n), size))
			if size < 3<<20 {
				files = append(files, text(uint64(n), size), make([]byte, size))
			}
		}
		contents := i.put(i.service(), files...)
		s := i.service()
		hashes := map[[32]byte][]byte{}
		for n, c := range contents {
			if c.Size != int64(len(files[n])) {
				t.Errorf("%d bytes have the size %d", len(files[n]), c.Size)
			}
			i.reads(s, c, files[n])
			if other, is := hashes[c.Hash]; is && !bytes.Equal(other, files[n]) {
				t.Errorf("%d and %d bytes have the same hash", len(other), len(files[n]))
			}
			hashes[c.Hash] = files[n]
		}
		large, c := files[len(files)-1], contents[len(contents)-1]
		for _, r := range [][2]int{{0, 0}, {0, 1}, {12<<20 - 1, 1}, {12 << 20, 0}, {5 << 20, 6 << 20}, {3, 12<<20 - 3}} {
			got, err := read(t.Context(), s, c, int64(r[0]), int64(r[1]))
			if err != nil || !bytes.Equal(got, large[r[0]:r[0]+r[1]]) {
				t.Errorf("%v: %d bytes, %v", r, len(got), err)
			}
		}
	})
}

func TestWriter_BlobRoundTrip(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		w := i.writer(i.service())
		blobs := map[ID][]byte{}
		for n := range 1500 {
			data := blobtest.Noise(uint64(n), n)
			id, err := w.Put(t.Context(), data)
			i.must(err)
			blobs[id] = bytes.Clone(data)
			clear(data) // it is the caller's
		}
		i.keep(w)
		s := i.service()
		for id, want := range blobs {
			if got, err := s.Get(t.Context(), id); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes: %v", len(want), err)
			}
		}
		if len(blobs) != 1500 {
			t.Errorf("%d ids", len(blobs))
		}
	})
}

// bulk puts so many MiB, as blobs.
func (i *installation) bulk(w *Writer, seed uint64, size int) (err error) {
	data := blobtest.Noise(seed, size<<20)
	for part := range slices.Chunk(data, 4<<20) {
		if _, err = w.Put(i.t.Context(), part); err != nil {
			return err
		}
	}
	return nil
}
