package fileset

import (
	"errors"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/blob/dir"
	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret/secrettest"
)

var (
	images = graph.Repo{Project: graph.DefaultProject, Name: "images", Type: graph.UserRepo}
	master = graph.Ref{Repo: images, Name: "master"}
	ada    = Caller{Owner: "user:ada@example.com"}
	eve    = Caller{Owner: "user:eve@example.com"}
	root   = Caller{Owner: "pach:root", All: true}
)

// rig is an installation with one repository.
type rig struct {
	*Service
	t     *testing.T
	packs *pack.Service
	clock time.Time
}

func each(t *testing.T, f func(*testing.T, *rig)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, start(t, d)) })
}

func start(t *testing.T, d *db.DB) *rig {
	t.Helper()
	r := &rig{t: t, clock: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return r.clock }
	store, err := dir.Open(filepath.Join(t.TempDir(), "objects"), r.clock)
	r.must(err)
	sealer := secrettest.Sealer(t, d)
	r.packs, err = pack.New(t.Context(), pack.Options{DB: d, Store: store, Sealer: sealer, Log: slog.New(slog.DiscardHandler), Now: now})
	r.must(err)
	r.must(graph.Prepare(t.Context(), d))
	r.must(graph.Update(t.Context(), d, r.by(), func(c *graph.Change) error { return c.CreateRepo(t.Context(), images, "") }))
	r.Service = New(d, file.New(d, r.packs), now)
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) by() audit.By { return audit.By{At: r.clock} }

// want is an error of a kind, with a text.
func (r *rig) want(err error, kind fault.Kind, text string) {
	r.t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(fault.Message(err), text) {
		r.t.Errorf("got %v, wanted %s with %q", err, kind, text)
	}
}

// writes is what commits and sets are written by.
type writes interface {
	Add(path, datum string, data []byte) error
	Delete(path, datum string) error
	Copy(dst, datum string, from file.Source, more bool) error
}

// change makes a commit.
func (r *rig) change(f func(writes) error) {
	r.t.Helper()
	w := r.session()
	defer w.Close()
	r.must(f(w))
	_, err := w.Commit()
	r.must(err)
}

func (r *rig) session() *file.Session {
	r.t.Helper()
	r.clock = r.clock.Add(time.Millisecond)
	w, err := r.files.Begin(r.t.Context(), r.by(), master)
	r.must(err)
	return w
}

// set makes a set of ada's.
func (r *rig) set(f func(writes) error) string {
	r.t.Helper()
	w, err := r.Begin(r.t.Context(), ada)
	r.must(err)
	defer w.Close()
	r.must(f(w))
	id, err := w.Create()
	r.must(err)
	return id
}

// add adds a set to the head.
func (r *rig) add(id string) {
	r.t.Helper()
	w := r.session()
	defer w.Close()
	r.must(r.AddTo(r.t.Context(), ada, id, w))
	_, err := w.Commit()
	r.must(err)
}

func text(path, data string) func(writes) error {
	return func(w writes) error { return w.Add(path, "", []byte(data)) }
}

// read is all that a view has: path, a space if it is not the usual datum's, and which.
func (r *rig) read(v *file.View) map[string]string {
	r.t.Helper()
	got := map[string]string{}
	for i, err := range v.Walk(r.t.Context(), "/", tree.Page{}) {
		r.must(err)
		if i.Dir {
			continue
		}
		body, err := v.Open(r.t.Context(), i, 0)
		r.must(err)
		data, err := io.ReadAll(body)
		r.must(errors.Join(err, body.Close()))
		got[key(i.Path, i.Datum)] = string(data)
	}
	return got
}

func key(path, datum string) string {
	if datum == "" || datum == tree.DefaultDatum {
		return path
	}
	return path + " " + datum
}

func (r *rig) head() *file.View {
	r.t.Helper()
	v, err := r.files.View(r.t.Context(), master)
	r.must(err)
	return v
}

func (r *rig) view(id string) *file.View {
	r.t.Helper()
	v, err := r.View(r.t.Context(), ada, id)
	r.must(err)
	return v
}

func (r *rig) has(v *file.View, want map[string]string) {
	r.t.Helper()
	if got := r.read(v); !maps.Equal(got, want) {
		r.t.Errorf("got %v, wanted %v", got, want)
	}
}

func TestSet_EndsAfterItsTime(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		id := r.set(text("/a", "1"))
		begun := r.clock
		r.clock = begun.Add(TTL - time.Microsecond)
		r.has(r.view(id), map[string]string{"/a": "1"})
		r.must(r.Renew(ctx, ada, id, 1800))
		for _, seconds := range []int64{0, -1, -1 << 62} {
			r.want(r.Renew(ctx, ada, id, seconds), fault.Invalid, "must be at least one second")
		}
		for _, seconds := range []int64{1801, 1 << 40, 1<<63 - 1} {
			r.want(r.Renew(ctx, ada, id, seconds), fault.Invalid, "exceeds max ttl")
		}
		r.clock = begun.Add(TTL - time.Microsecond + MaxTTL - time.Microsecond)
		_ = r.view(id)
		r.must(r.Renew(ctx, ada, id, 1))
		r.clock = r.clock.Add(time.Second)
		_, err := r.View(ctx, ada, id)
		r.want(err, fault.NotFound, "no fileset found")
		r.want(r.Renew(ctx, ada, id, 60), fault.NotFound, "no fileset found")
	})
}

// Whose a set is, and whether there is one, nobody finds out but its maker and those
// who may use all.
func TestSet_IsItsMakersAlone(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		id := r.set(text("/a", "1"))
		_, unknown := r.View(ctx, ada, strings.Repeat("0", 32))
		_, foreign := r.View(ctx, eve, id)
		if fault.Message(unknown) != fault.Message(foreign) || !fault.Is(foreign, fault.NotFound) {
			t.Errorf("unknown is %v, foreign %v", unknown, foreign)
		}
		w := r.session()
		defer w.Close()
		calls := map[string]func(Caller) error{
			"view":    func(c Caller) error { _, err := r.View(ctx, c, id); return err },
			"renew":   func(c Caller) error { return r.Renew(ctx, c, id, 60) },
			"compose": func(c Caller) error { _, err := r.Compose(ctx, c, []string{id}, 0); return err },
			"shard":   func(c Caller) error { _, err := r.Shard(ctx, c, id, 0, 0); return err },
			"add":     func(c Caller) error { return r.AddTo(ctx, c, id, w) },
			"cache":   func(c Caller) error { return r.Put(ctx, c, Entry{Key: "k", Sets: []string{id}}) },
		}
		for name, call := range calls {
			r.want(call(eve), fault.NotFound, "no fileset found")
			if err := call(root); err != nil {
				t.Errorf("%s by root: %v", name, err)
			}
		}
	})
}

// What the database has of a set opens none.
func TestSet_IDIsNotStored(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		id := r.set(text("/a", "1"))
		if len(id) != 32 || r.set(text("/a", "1")) == id {
			t.Errorf("the id %s", id)
		}
		var hashes []string
		r.must(r.db.View(t.Context(), func(tx *db.Tx) (err error) {
			hashes, err = db.Column[string](t.Context(), tx, `SELECT hash FROM file_sets`)
			return err
		}))
		for _, h := range hashes {
			if strings.Contains(h, id) {
				t.Errorf("stored: %s", h)
			}
			_, err := r.View(t.Context(), ada, h)
			r.want(err, fault.NotFound, "no fileset found")
		}
	})
}

// Many sets, or many bytes, are refused until others have expired; composing keeps
// count of what it keeps.
func TestSet_Quota(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.limit.sets, r.limit.bytes = 3, 10
		a, b := r.set(text("/a", "1234")), r.set(text("/b", "567"))
		try := func(f func(writes) error) error {
			w, err := r.Begin(ctx, ada)
			if err != nil {
				return err
			}
			defer w.Close()
			if err := f(w); err != nil {
				return err
			}
			_, err = w.Create()
			return err
		}
		r.want(try(text("/c", "8901")), fault.Exhausted, "more than 10 bytes")
		r.want(try(func(w writes) error { return w.Copy("/c", "", file.Source{View: r.view(a), Path: "/a"}, false) }), fault.Exhausted, "more than 10 bytes")
		_, err := r.Compose(ctx, ada, []string{a, b}, 0)
		r.want(err, fault.Exhausted, "more than 10 bytes")
		r.must(try(text("/c", "890")))
		r.want(try(text("/d", "")), fault.Exhausted, "you have 3 file sets")
		_, err = r.Of(ctx, ada, r.view(a))
		r.want(err, fault.Exhausted, "you have 3 file sets")
		r.clock = r.clock.Add(TTL)
		r.must(try(text("/d", "0123456789")))
	})
}

// Two streams that each are small enough are held to the limit together.
func TestSet_QuotaOfWhatIsWrittenAtOnce(t *testing.T) {
	r := start(t, dbtest.SQLite(t))
	r.limit.bytes = 10
	first, err := r.Begin(t.Context(), ada)
	r.must(err)
	defer first.Close()
	second, err := r.Begin(t.Context(), ada)
	r.must(err)
	defer second.Close()
	r.must(first.Add("/a", "", []byte("123456")))
	r.must(second.Add("/a", "", []byte("123456")))
	_, err = first.Create()
	r.must(err)
	_, err = second.Create()
	r.want(err, fault.Exhausted, "more than 10 bytes")
}

// What a set names is there as long as the set is, and what nothing came of is not.
func TestSet_OutlivesTheSweepOfPacks(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		kept := r.set(func(w writes) error {
			return errors.Join(w.Delete("/gone", ""), w.Add("/a", "", []byte(strings.Repeat("kept", 1000))))
		})
		left, err := r.Begin(ctx, ada)
		r.must(err)
		r.must(left.Add("/b", "", []byte(strings.Repeat("left", 1000))))
		_, err = left.added.Root()
		r.must(err)
		left.Close()
		r.must(r.Renew(ctx, ada, kept, 1800))
		r.clock = r.clock.Add(20 * time.Minute)
		swept, err := r.packs.Sweep(ctx)
		r.must(err)
		if swept.Packs == 0 {
			t.Error("what nothing came of was not swept")
		}
		r.change(text("/gone", "x"))
		r.add(kept)
		r.has(r.head(), map[string]string{"/a": strings.Repeat("kept", 1000)})
	})
}

func TestDeleteExpired(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		old, cached := r.set(text("/a", "1")), r.set(text("/b", "2"))
		r.must(r.Put(ctx, ada, Entry{Key: "k", Tag: "job", Sets: []string{cached}}))
		r.clock = r.clock.Add(TTL)
		fresh := r.set(text("/c", "3"))
		n, err := r.DeleteExpired(ctx)
		if n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		_, err = r.View(ctx, ada, old)
		r.want(err, fault.NotFound, "no fileset found")
		r.has(r.view(cached), map[string]string{"/b": "2"})
		r.has(r.view(fresh), map[string]string{"/c": "3"})
		var all []Set
		r.must(r.db.View(ctx, func(tx *db.Tx) (err error) {
			all, err = Roots(ctx, tx, "")
			return err
		}))
		if len(all) != 2 {
			t.Errorf("roots are %v", all)
		}
		r.must(r.Clear(ctx, "job"))
		if n, err := r.DeleteExpired(ctx); n != 1 || err != nil {
			t.Errorf("after the cache forgot it: %d, %v", n, err)
		}
	})
}
