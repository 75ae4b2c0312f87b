package pack

import (
	"fmt"
	"slices"
	"testing"

	"pachyderm/internal/data/blob/blobtest"
	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

func (i *installation) problems(deep bool) (all []string) {
	i.t.Helper()
	for p, err := range i.service().Verify(i.t.Context(), deep) {
		i.must(err)
		all = append(all, fmt.Sprintf("%s: %s", p.Pack, p.What))
	}
	return all
}

func (i *installation) exec(query string, args ...any) {
	i.t.Helper()
	i.must(i.db.Update(i.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(i.t.Context(), query, args...)
		return err
	}))
}

// Each way to be broken, and whether that is found without reading everything.
func TestVerify_FindsWhatIsWrong(t *testing.T) {
	for name, of := range map[string]struct {
		harm    func(i *installation, pack string, data []byte)
		shallow bool
		want    string
	}{
		"lost":    {func(i *installation, pack string, _ []byte) { i.must(i.dir.Delete(i.t.Context(), pack)) }, true, "the store has no such object"},
		"cut off": {func(i *installation, pack string, d []byte) { i.must(i.dir.Put(i.t.Context(), pack, d[:len(d)-1])) }, true, "the object has %d bytes, not %d"},
		"one bit": {func(i *installation, pack string, d []byte) { d[20] ^= 1; i.must(i.dir.Put(i.t.Context(), pack, d)) }, false, "it does not open"},
		"its list": {func(i *installation, pack string, d []byte) {
			d[len(d)-20] ^= 1
			i.must(i.dir.Put(i.t.Context(), pack, d))
		}, false, "its list does not open"},
		"its end": {func(i *installation, pack string, d []byte) {
			d[len(d)-1] ^= 1
			i.must(i.dir.Put(i.t.Context(), pack, d))
		}, false, "its list does not open"},
		"its key":   {func(i *installation, _ string, _ []byte) { i.exec(`UPDATE packs SET key_sealed = $1`, []byte("none")) }, false, "its key does not open"},
		"its place": {func(i *installation, _ string, _ []byte) { i.exec(`UPDATE blobs SET off = off + 1000000000`) }, true, "it is not within the pack"},
	} {
		t.Run(name, func(t *testing.T) {
			i := install(t, dbtest.SQLite(t))
			i.put(i.service(), []byte("a small file"))
			clean(i)
			o := i.objects()[0]
			data, err := i.dir.Get(t.Context(), o.Name, 0, o.Size)
			i.must(err)
			want := of.want
			if name == "cut off" {
				want = fmt.Sprintf(want, len(data)-1, len(data))
			}
			of.harm(i, o.Name, data)
			if got := i.problems(true); !slices.Contains(got, o.Name+": "+want) {
				t.Errorf("deep: %q", got)
			}
			if got := i.problems(false); slices.Contains(got, o.Name+": "+want) != of.shallow {
				t.Errorf("shallow: %q", got)
			}
		})
	}
}

// Rows that are lost are made anew from what the pack says of itself.
func TestReindex_FromThePack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		i := install(t, d)
		files := [][]byte{blobtest.Noise(1, 5<<20), text(2, 3000)}
		contents := i.put(i.service(), files...)
		pack := i.objects()[0].Name
		i.exec(`DELETE FROM blobs`)
		if _, err := read(t.Context(), i.service(), contents[0], 0, -1); err == nil {
			t.Error("it is read without its rows")
		}
		for n, want := range []int64{int64(len(contents[0].Extents)) + 1, 0} {
			if made, err := i.service().Reindex(t.Context(), pack); err != nil || made != want {
				t.Errorf("%d: %d, %v", n, made, err)
			}
		}
		for n, c := range contents {
			i.reads(i.service(), c, files[n])
		}
		clean(i)
		if _, err := i.service().Reindex(t.Context(), "none"); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
		i.exec(`UPDATE packs SET state = $1`, catalog.Condemned)
		if _, err := i.service().Reindex(t.Context(), pack); !fault.Is(err, fault.Unavailable) {
			t.Errorf("of a pack that is being swept: %v", err)
		}
	})
}
