package file

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/blob/dir"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/secret"
)

var (
	images = graph.Repo{Project: graph.DefaultProject, Name: "images", Type: graph.UserRepo}
	master = graph.Ref{Repo: images, Name: "master"}
	by     = audit.By{At: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
)

func service(t *testing.T) *Service {
	t.Helper()
	return services(t, 0)[0]
}

// services are some of one installation, with so many bytes of memory for all writers.
func services(t *testing.T, memory ...int64) (all []*Service) {
	t.Helper()
	d := dbtest.SQLite(t)
	folder := t.TempDir()
	store, err := dir.Open(filepath.Join(folder, "objects"), by.At)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.OpenFor(t.Context(), d, secret.File(filepath.Join(folder, "sealing-key")))
	if err != nil {
		t.Fatal(err)
	}
	if err := graph.Prepare(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	err = graph.Update(t.Context(), d, by, func(c *graph.Change) error { return c.CreateRepo(t.Context(), images, "") })
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range memory {
		packs, err := pack.New(t.Context(), pack.Options{DB: d, Store: store, Sealer: sealer, Log: slog.New(slog.DiscardHandler), Now: time.Now, Memory: m})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, New(d, packs))
	}
	return all
}

// script is what a session does, and what then is there by a plain map.
type script struct {
	random *rand.Rand
	model  map[string]string
}

func (s *script) path() string {
	return fmt.Sprintf("/%c/%c", 'a'+s.random.IntN(3), 'a'+s.random.IntN(6))
}

// key is where the model has a file of a datum.
func key(path, datum string) string {
	if datum == "" || datum == tree.DefaultDatum {
		return path
	}
	return path + "?" + datum
}

// remove takes what begins with a text, and then a "/" or "?", out of the model.
func (s *script) remove(path string) {
	maps.DeleteFunc(s.model, func(p, _ string) bool {
		rest, is := strings.CutPrefix(p, path)
		return is && (rest == "" || rest[0] == '?' || strings.HasSuffix(path, "/"))
	})
}

func (s *script) step(t *testing.T, w *Session) {
	t.Helper()
	path, text := s.path(), strings.Repeat("x", s.random.IntN(2))+fmt.Sprint(s.random.IntN(2))
	datum := []string{"", "", "", "d1"}[s.random.IntN(4)]
	add := func(text string) {
		t.Helper()
		data := []byte(text)
		if err := w.Add(path, datum, data); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	switch s.random.IntN(9) {
	case 0, 1:
		s.model[key(path, datum)] += text
		add(text)
	case 2, 3:
		s.remove(path)
		s.model[key(path, datum)] = text
		err = w.Delete(path, "")
		add(text)
	case 4: // as it was, in two pieces
		text, is := s.model[key(path, datum)]
		if !is {
			return
		}
		s.remove(path)
		s.model[key(path, datum)] = text
		err = w.Delete(path, "")
		add(text[:len(text)/2])
		add(text[len(text)/2:])
	case 5: // as it was, at once
		text, is := s.model[key(path, datum)]
		if !is {
			return
		}
		s.remove(path)
		s.model[key(path, datum)] = text
		err = w.Delete(path, "")
		add(text)
	case 6:
		if datum == "" {
			datum = tree.DefaultDatum
		}
		delete(s.model, key(path, datum))
		err = w.Delete(path, datum)
	case 7:
		s.remove(path)
		err = w.Delete(path, "")
	case 8:
		folder := path[:3]
		s.remove(folder)
		err = w.Delete(folder, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// resolve leaves one datum of each path: what a commit holds that has two is not what
// the next one begins with.
func (s *script) resolve(t *testing.T, w *Session) {
	t.Helper()
	for k := range maps.Clone(s.model) {
		path, datum, other := strings.Cut(k, "?")
		if _, both := s.model[path]; !both || !other {
			continue
		}
		delete(s.model, k)
		if err := w.Delete(path, datum); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *Service) all(t *testing.T) map[string]string {
	t.Helper()
	v, err := s.View(t.Context(), master)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i, err := range v.Walk(t.Context(), "/", tree.Page{}) {
		if err != nil {
			t.Fatal(err)
		}
		if i.Dir {
			continue
		}
		r, err := v.Open(t.Context(), i, 0)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got[key(i.Path, i.Datum)] = string(text)
	}
	return got
}

// Whatever a session does, in whichever order, and wherever its edits become a tree in
// between, a commit then has what a plain map has.
func TestSession_AgainstMap(t *testing.T) {
	s := service(t)
	for seed := range uint64(60) {
		do := &script{rand.New(rand.NewPCG(seed, 1)), map[string]string{}}
		if seed > 0 {
			do.model = s.all(t)
		}
		w, err := s.Begin(t.Context(), by, master)
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			do.step(t, w)
			if do.random.IntN(10) == 0 {
				if err := w.closeFile(); err != nil {
					t.Fatal(err)
				}
				if err := w.settle(); err != nil {
					t.Fatal(err)
				}
			}
		}
		do.resolve(t, w)
		if _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if got := s.all(t); !maps.Equal(got, do.model) {
			t.Fatalf("seed %d: got %v, wanted %v", seed, got, do.model)
		}
	}
}

// A session whose edits were made into a tree keeps what others have written meanwhile.
func TestSession_SettledOntoAnother(t *testing.T) {
	s := service(t)
	put := func(w *Session, path, text string) {
		t.Helper()
		if err := w.Delete(path, ""); err != nil {
			t.Fatal(err)
		}
		if err := w.Add(path, "", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	begin := func() *Session {
		t.Helper()
		w, err := s.Begin(t.Context(), by, master)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		return w
	}
	commit := func(w *Session) {
		t.Helper()
		if _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	first := begin()
	for _, path := range []string{"/a", "/b", "/c"} {
		put(first, path, "old")
	}
	commit(first)
	long := begin()
	put(long, "/a", "long")
	if err := long.Delete("/b", ""); err != nil {
		t.Fatal(err)
	}
	if err := long.settle(); err != nil {
		t.Fatal(err)
	}
	put(long, "/d", "long")
	other := begin()
	put(other, "/c", "other")
	put(other, "/e", "other")
	commit(other)
	commit(long)
	if got, want := s.all(t), map[string]string{"/a": "long", "/c": "other", "/d": "long", "/e": "other"}; !maps.Equal(got, want) {
		t.Errorf("got %v, wanted %v", got, want)
	}
}

// What is put as it was makes a commit of the same files and nothing new in the store;
// but it is put, whatever others have written, or the session itself, in between.
func TestSession_PutAsItWas(t *testing.T) {
	s := service(t)
	session := func(f func(w *Session)) {
		t.Helper()
		w, err := s.Begin(t.Context(), by, master)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		f(w)
		if _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	put := func(w *Session, path, datum, text string) {
		t.Helper()
		err := w.Delete(path, "")
		if err == nil {
			err = w.Add(path, datum, []byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	state := func() (root tree.Root, blobs int) {
		t.Helper()
		_, root, err := s.resolve(t.Context(), master)
		if err != nil {
			t.Fatal(err)
		}
		err = s.db.View(t.Context(), func(tx *db.Tx) error {
			return tx.Row(t.Context(), []any{&blobs}, `SELECT COUNT(*) FROM blobs`)
		})
		if err != nil {
			t.Fatal(err)
		}
		return root, blobs
	}
	all := func(w *Session) {
		put(w, "/a", "", "one")
		put(w, "/b/c", "", "two")
		put(w, "/empty", "", "")
	}
	session(all)
	before, blobs := state()
	session(all)
	if after, now := state(); after != before || now != blobs {
		t.Errorf("%d blobs became %d, and %+v became %+v", blobs, now, before, after)
	}
	session(func(w *Session) {
		all(w)
		session(func(other *Session) { put(other, "/a", "", "other") })
	})
	if got := s.all(t)["/a"]; got != "one" {
		t.Errorf("what was put last is not there, but %q", got)
	}
	session(func(w *Session) {
		if err := w.Add("/a", "d1", []byte("of a datum")); err != nil {
			t.Fatal(err)
		}
		put(w, "/a", "", "one")
	})
	session(func(w *Session) {
		put(w, "/b/c", "", "three")
		put(w, "/b/c", "", "two")
	})
	if got, want := s.all(t), map[string]string{"/a": "one", "/b/c": "two", "/empty": ""}; !maps.Equal(got, want) {
		t.Errorf("got %v, wanted %v", got, want)
	}
}

// Many who write to one branch at once have a commit each, and all of it is there.
func TestSession_ManyAtOnce(t *testing.T) {
	s := service(t)
	const people = 50
	made := make(chan string, people)
	for p := range people {
		go func() {
			w, err := s.Begin(t.Context(), by, master)
			if err != nil {
				t.Error(err)
				made <- ""
				return
			}
			defer w.Close()
			if err := w.Add(fmt.Sprintf("/%d", p), "", []byte("x")); err != nil {
				t.Error(err)
			}
			one, err := w.Commit()
			if err != nil {
				t.Error(err)
			}
			made <- one.Commit.Name
		}()
	}
	var ids []string
	for range people {
		ids = append(ids, <-made)
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) != people {
		t.Errorf("%d commits", len(ids))
	}
	if got := s.all(t); len(got) != people {
		t.Errorf("%d files", len(got))
	}
	count := 0
	err := s.db.View(t.Context(), func(tx *db.Tx) error {
		for name := "master"; ; name += "^" {
			if _, err := graph.Resolve(t.Context(), tx, graph.Ref{Repo: images, Name: name}); err != nil {
				return nil //nolint:nilerr // there are no more
			}
			count++
		}
	})
	if err != nil || count != people {
		t.Errorf("%d commits are parents of one another, %v", count, err)
	}
}

// What is appended within a copied directory, in the same session, is appended to what
// was copied.
func TestSession_AppendToACopy(t *testing.T) {
	s := service(t)
	w, err := s.Begin(t.Context(), by, master)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(w.Add("/a/x", "", []byte("1")))
	do(w.Add("/a/y", "", []byte("2")))
	_, err = w.Commit()
	do(err)
	view, err := s.View(t.Context(), master)
	do(err)
	second, err := s.Begin(t.Context(), by, master)
	do(err)
	defer second.Close()
	do(second.Add("/b/gone", "", []byte("0")))
	do(second.Copy("/b", "", Source{View: view, Path: "/a"}, false))
	do(second.Add("/b/x", "", []byte("3")))
	do(second.Copy("/c", "", Source{View: view, Path: "/a/x"}, false))
	do(second.Copy("/c", "", Source{View: view, Path: "/a/y"}, true))
	_, err = second.Commit()
	do(err)
	want := map[string]string{"/a/x": "1", "/a/y": "2", "/b/x": "13", "/b/y": "2", "/c": "12"}
	if got := s.all(t); !maps.Equal(got, want) {
		t.Errorf("got %v, wanted %v", got, want)
	}
}
