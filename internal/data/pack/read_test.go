package pack

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pachyderm/internal/data/blob/blobtest"
	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/data/pack/format"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/db/reseal"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// A store that lies is found out: no byte that is read is another than was written.
func TestRead_StoreThatLies(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		want := append(blobtest.Noise(1, 5<<20), text(1, 2<<20)...)
		c := i.put(i.service(), want)[0]
		for name, lie := range map[string]func(data []byte) []byte{
			"one bit at the front": func(d []byte) []byte { d[0] ^= 1; return d },
			"one bit at the end":   func(d []byte) []byte { d[len(d)-1] ^= 0x80; return d },
			"short":                func(d []byte) []byte { return d[:len(d)-1] },
			"nothing":              func([]byte) []byte { return nil },
			"zeros":                func(d []byte) []byte { return make([]byte, len(d)) },
			"more":                 func(d []byte) []byte { return append(d, 0) },
			"shifted by a byte":    func(d []byte) []byte { return append(d[1:], 0) },
		} {
			i.store.Bytes = func(_ string, data []byte) []byte { return lie(data) }
			got, err := read(t.Context(), i.service(), c, 0, -1)
			if err == nil || !strings.Contains(err.Error(), "is damaged") || !strings.Contains(err.Error(), "restore the object") {
				t.Errorf("%s: %v", name, err)
			}
			if !bytes.HasPrefix(want, got) {
				t.Errorf("%s: bytes are given that were not written", name)
			}
		}
	})
}

func TestRead_StoreThatLoses(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	c := i.put(i.service(), blobtest.Noise(1, 2<<20))[0]
	pack := i.objects()[0].Name
	i.store.Before = func(blobtest.Op, string) error { return fault.New(fault.Unavailable, "the store is away") }
	s := i.service()
	if _, err := read(t.Context(), s, c, 0, -1); !fault.Is(err, fault.Unavailable) {
		t.Errorf("away: %v", err)
	}
	i.store.Before = nil
	i.reads(s, c, blobtest.Noise(1, 2<<20)) // what failed is not remembered
	i.must(i.dir.Delete(t.Context(), pack))
	_, err := read(t.Context(), i.service(), c, 0, -1)
	if !fault.Is(err, fault.Damaged) || !strings.Contains(err.Error(), pack) || !strings.Contains(err.Error(), "no such object") {
		t.Errorf("lost: %v", err)
	}
	if _, err := i.service().Get(t.Context(), ID{1}); !fault.Is(err, fault.Damaged) || !strings.Contains(err.Error(), "is in no pack") {
		t.Errorf("never stored: %v", err)
	}
}

// What is in one place of a pack cannot be put in another, whatever the rows say.
func TestRead_RowsThatLie(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	c := i.put(i.service(), blobtest.Noise(1, 12<<20))[0]
	i.must(i.db.Update(t.Context(), func(tx *db.Tx) error {
		all, err := catalog.BlobsOf(t.Context(), tx, i.objects()[0].Name)
		i.must(err)
		if len(all) < 2 {
			t.Fatal("there is but one blob")
		}
		for n, e := range all { // each is said to be where the next one is
			next := all[(n+1)%len(all)]
			if _, err := tx.Exec(t.Context(), `UPDATE blobs SET off = $2, len = $3, raw = $4 WHERE id = $1`, e.ID[:], next.Off, next.Len, next.Raw); err != nil {
				return err
			}
		}
		return nil
	}))
	if got, err := read(t.Context(), i.service(), c, 0, -1); err == nil || len(got) > 0 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	found := 0
	for p, err := range i.service().Verify(t.Context(), true) {
		i.must(err)
		if p.Blob != (ID{}) && p.What == "it does not open" {
			found++
		}
	}
	if found != len(c.Extents) {
		t.Errorf("of %d %d are found", len(c.Extents), found)
	}
}

func TestRead_NoSuchPart(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	s := i.service()
	c := i.put(s, []byte("ten bytes."))[0]
	for _, r := range [][2]int64{{-1, 1}, {11, 0}, {0, 11}, {10, 1}, {11, -1}} {
		if got, err := read(t.Context(), s, c, r[0], r[1]); !fault.Is(err, fault.Invalid) || len(got) > 0 {
			t.Errorf("%v: %q, %v", r, got, err)
		}
	}
	c.Size++
	if got, err := read(t.Context(), s, c, 0, -1); !fault.Is(err, fault.Damaged) || len(got) > 0 {
		t.Errorf("of a content whose extents are shorter: %q, %v", got, err)
	}
	c.Extents[0].Length++
	if got, err := read(t.Context(), s, c, 0, -1); !fault.Is(err, fault.Damaged) || len(got) > 0 {
		t.Errorf("of an extent that is not there: %q, %v", got, err)
	}
}

// A reader that is closed in the middle leaves nothing behind, and gives nothing more.
func TestReader_ClosedInTheMiddle(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	s := i.service()
	c := i.put(s, blobtest.Noise(1, 10<<20))[0]
	r := s.Read(t.Context(), c, 0, -1)
	_, err := io.ReadFull(r, make([]byte, 100))
	i.must(err)
	i.must(r.Close())
	if n, err := r.Read(make([]byte, 1)); err == nil || n != 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	i.reads(s, c, blobtest.Noise(1, 10<<20))
}

// Blobs that lie together are read at once, and what is damaged among them is found by
// whoever asks for it, and by nobody else.
func TestAhead_ReadsTogetherWhatIsThere(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	w := i.writer(i.service())
	var ids []ID
	var want [][]byte
	for n := range 40 {
		want = append(want, blobtest.Noise(uint64(n), 100+n))
		id, err := w.Put(t.Context(), want[n])
		i.must(err)
		ids = append(ids, id)
	}
	i.keep(w)
	gets := 0
	i.store.Before = func(blobtest.Op, string) error {
		gets++
		return nil
	}
	s := i.service()
	s.Ahead(t.Context(), append(ids, ID{1}))
	for n, id := range ids {
		if got, err := s.Get(t.Context(), id); err != nil || !bytes.Equal(got, want[n]) {
			t.Errorf("%d: %d bytes, %v", n, len(got), err)
		}
	}
	if gets != 1 {
		t.Errorf("the store was asked %d times", gets)
	}
	s.Ahead(t.Context(), ids)
	if gets != 1 {
		t.Error("what is there already was read again")
	}

	whole := 0
	i.store.Bytes = func(_ string, data []byte) []byte {
		if whole++; whole == 1 {
			data[len(data)/2] ^= 1
		}
		return data
	}
	s = i.service()
	s.Ahead(t.Context(), ids)
	gets = 0
	for n, id := range ids {
		if got, err := s.Get(t.Context(), id); err != nil || !bytes.Equal(got, want[n]) {
			t.Errorf("%d after damage: %d bytes, %v", n, len(got), err)
		}
	}
	if gets != 1 {
		t.Errorf("%d were read again, not the damaged one alone", gets)
	}

	i.store.Bytes = func(_ string, data []byte) []byte { return data[:len(data)-1] }
	s = i.service()
	s.Ahead(t.Context(), ids)
	if _, err := s.Get(t.Context(), ids[0]); !fault.Is(err, fault.Damaged) {
		t.Errorf("of a store that gives less: %v", err)
	}
	i.store.Bytes = nil
	i.must(i.db.Update(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE blobs SET len = -1 WHERE id = $1`, ids[3][:])
		return err
	}))
	s = i.service()
	s.Ahead(t.Context(), ids)
	if _, err := s.Get(t.Context(), ids[3]); err == nil {
		t.Error("a blob of less than nothing is read")
	}
}

// Whoever reads the same at once has it read from the store once.
func TestRead_OnceForAll(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	c := i.put(i.service(), []byte("read by many"))[0]
	var mu sync.Mutex
	gets := 0
	i.store.Before = func(op blobtest.Op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		gets++
		return nil
	}
	s := i.service()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { i.reads(s, c, []byte("read by many")) })
	}
	all.Wait()
	if gets != 1 {
		t.Errorf("it was read %d times", gets)
	}
}

// The sealing key is replaced, and the old one thrown away, while services run.
func TestSealed_KeyIsReplaced(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		old := secret.File(filepath.Join(t.TempDir(), "old-key"))
		first := i.put(i.service(), blobtest.Noise(1, 2<<20))[0]
		w := i.writer(i.service())
		second := i.flush(w, blobtest.Noise(2, 2<<20))
		meta := secret.Sealed{Table: "meta", Column: "value", Key: []string{"key"}, Place: func(k []string) string { return k[0] }}
		for _, step := range []func() error{
			func() error { return secret.AddKey(t.Context(), i.key) },
			func() error { return secret.UseNewKey(t.Context(), i.key) },
			func() error { _, err := i.sealer.Reload(t.Context(), d, i.key); return err },
			func() error {
				_, err := reseal.All(t.Context(), d, i.sealer, []secret.Sealed{Sealed(), meta})
				return err
			},
			func() error { return secret.RemoveOldKeys(t.Context(), i.key, old) },
			func() error { _, err := i.sealer.Reload(t.Context(), d, i.key); return err },
		} {
			i.must(step())
			i.reads(i.service(), first, blobtest.Noise(1, 2<<20))
		}
		i.must(i.tryKeep(w))
		i.reads(i.service(), *second, blobtest.Noise(2, 2<<20))
		clean(i)
		before := i.stored()
		i.put(i.service(), blobtest.Noise(1, 2<<20))
		if i.stored() != before {
			t.Error("what was stored is not found any more")
		}
	})
}

// What opens, and is sealed for the id that is asked for, is compared with it all the same.
func TestGet_AnotherThanItsID(t *testing.T) {
	i := install(t, dbtest.SQLite(t))
	w := i.writer(i.service())
	b, err := format.NewBuilder(format.NewBuffers(format.LargeBuffer))
	i.must(err)
	b.Add(ID{1}, []byte("another"))
	b.Finish()
	i.must(w.save(t.Context(), b))
	if got, err := i.service().Get(t.Context(), ID{1}); err == nil || !strings.Contains(err.Error(), "is another") {
		t.Errorf("%q, %v", got, err)
	}
	if got := i.problems(true); len(got) != 1 || !strings.HasSuffix(got[0], "what opens is another blob") {
		t.Errorf("%q", got)
	}
}
