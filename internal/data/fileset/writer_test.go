package fileset

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

// step is one change, as a writer makes it and as a plain map does.
type step struct {
	do    func(writes) error
	model func(map[string]string)
}

// source is a commit to copy from, with what it has.
type source struct {
	view *file.View
	has  map[string]string
}

// under are the files in a directory, by their paths there.
func under(all map[string]string, dir string) map[string]string {
	out := map[string]string{}
	for k, v := range all {
		if rest, ok := strings.CutPrefix(k, dir); ok {
			out[rest] = v
		}
	}
	return out
}

func random(rng *rand.Rand, from source) step {
	folder, name := fmt.Sprintf("/%c/", 'a'+rng.IntN(3)), fmt.Sprintf("%c", 'a'+rng.IntN(4))
	path, data := folder+name, fmt.Sprint(rng.IntN(1000))
	datum := []string{"", "", "d", "*", "/", "=x"}[rng.IntN(6)]
	switch more := rng.IntN(2) == 0; rng.IntN(7) {
	case 0, 1, 2:
		return step{
			func(w writes) error { return w.Add(path, datum, []byte(data)) },
			func(m map[string]string) { m[key(path, datum)] += data },
		}
	case 3:
		return step{
			func(w writes) error { return w.Delete(path, datum) },
			func(m map[string]string) {
				maps.DeleteFunc(m, func(k, _ string) bool {
					return k == key(path, datum) || datum == "" && (k == path || strings.HasPrefix(k, path+" "))
				})
			},
		}
	case 4:
		if rng.IntN(4) == 0 {
			folder = "/"
		}
		return step{
			func(w writes) error { return w.Delete(folder, "") },
			func(m map[string]string) {
				maps.DeleteFunc(m, func(k, _ string) bool { return strings.HasPrefix(k, folder) })
			},
		}
	case 5:
		return step{
			func(w writes) error { return w.Copy(path, datum, file.Source{View: from.view, Path: "/x/one"}, more) },
			func(m map[string]string) {
				if !more {
					m[key(path, datum)] = ""
				}
				m[key(path, datum)] += from.has["/x/one"]
			},
		}
	default:
		return step{
			func(w writes) error { return w.Copy(folder, "", file.Source{View: from.view, Path: "/x"}, more) },
			func(m map[string]string) {
				if !more {
					maps.DeleteFunc(m, func(k, _ string) bool { return strings.HasPrefix(k, folder) })
				}
				for k, v := range under(from.has, "/x/") {
					m[folder+k] += v
				}
			},
		}
	}
}

// Whatever a set is made by, in whichever order: adding it to a commit does to what is
// there what a plain map does, and it holds itself what the map would with nothing
// there. Several that are composed do what they would one after another.
func TestWriter_AgainstMap(t *testing.T) {
	r := start(t, dbtest.SQLite(t))
	from := source{has: map[string]string{"/x/one": "1x", "/x/b": "2x", "/x/c": "3x"}}
	r.change(func(w writes) error {
		for k, v := range from.has {
			if err := w.Add(k, "", []byte(v)); err != nil {
				return err
			}
		}
		return nil
	})
	from.view = r.head()
	// An open commit takes files of several datums, of which a finished one is bad.
	r.must(graph.Update(t.Context(), r.db, r.by(), func(c *graph.Change) error {
		_, err := c.StartCommit(t.Context(), graph.Start{Branch: graph.Branch(master)})
		return err
	}))
	model := maps.Clone(from.has)
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 7))
		var ids []string
		for range 1 + rng.IntN(3) {
			alone := map[string]string{}
			ids = append(ids, r.set(func(w writes) error {
				for range rng.IntN(12) {
					s := random(rng, from)
					if err := s.do(w); err != nil {
						return err
					}
					s.model(alone)
					s.model(model)
				}
				return nil
			}))
			r.has(r.view(ids[len(ids)-1]), alone)
		}
		id, err := r.Compose(t.Context(), ada, ids, 0)
		r.must(err)
		r.add(id)
		r.has(r.head(), model)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// What a commit changes, added to what it was made from, or to anything else, makes
// the files that it changed what they are in it.
func TestDifference(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.change(func(w writes) error {
			return errors.Join(w.Add("/same", "", []byte("s")), w.Add("/d/changed", "", []byte("1")), w.Add("/d/gone", "", []byte("2")),
				w.Add("/e/gone", "", []byte("3")))
		})
		before := r.head()
		r.change(func(w writes) error {
			return errors.Join(w.Delete("/d/gone", ""), w.Delete("/e/", ""), w.Add("/d/changed", "", []byte("+")), w.Add("/new/f", "", []byte("4")))
		})
		after := r.head()
		id, err := r.Difference(ctx, ada, after)
		r.must(err)
		r.has(r.view(id), map[string]string{"/d/changed": "1+", "/new/f": "4"})
		whole, err := r.Of(ctx, ada, after)
		r.must(err)
		r.has(r.view(whole), r.read(after))

		r.change(func(w writes) error {
			return errors.Join(w.Delete("/", ""), w.Copy("/", "", file.Source{View: before, Path: "/"}, false))
		})
		r.has(r.head(), r.read(before))
		r.add(id)
		r.has(r.head(), r.read(after))
		r.add(id)
		r.has(r.head(), r.read(after))
		r.change(func(w writes) error {
			return errors.Join(w.Delete("/", ""), w.Add("/e/gone", "", []byte("5")), w.Add("/same", "", []byte("6")))
		})
		r.add(id)
		r.has(r.head(), map[string]string{"/d/changed": "1+", "/new/f": "4", "/same": "6"})
	})
}

// A set is added to what its commit is by then, whoever has written meanwhile, also into
// a directory that was not there when it began.
func TestAddTo_BesideOthers(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.change(text("/old/a", "1"))
		id := r.set(func(w writes) error {
			return errors.Join(w.Add("/new/a", "", []byte("2")), w.Add("/old/b", "", []byte("3")), w.Delete("/old/a", ""))
		})
		w := r.session()
		defer w.Close()
		r.must(r.AddTo(t.Context(), ada, id, w))
		r.change(func(other writes) error {
			return errors.Join(other.Add("/new/c", "", []byte("4")), other.Add("/old/c", "", []byte("5")))
		})
		_, err := w.Commit()
		r.must(err)
		r.has(r.head(), map[string]string{"/new/a": "2", "/new/c": "4", "/old/b": "3", "/old/c": "5"})
	})
}

func TestWriter_Refused(t *testing.T) {
	r := start(t, dbtest.SQLite(t))
	r.change(text("/a", "1"))
	w, err := r.Begin(t.Context(), ada)
	r.must(err)
	defer w.Close()
	r.want(w.Add("/dir/", "", nil), fault.Invalid, "cannot end with /")
	r.want(w.Add("/../a", "", nil), fault.Invalid, "relative file paths are not allowed")
	r.want(w.Delete("/a*", ""), fault.Invalid, "globbing character")
	r.want(w.Copy("/a*", "", file.Source{View: r.head(), Path: "/a"}, false), fault.Invalid, "globbing character")
	r.want(w.Copy("/b", "", file.Source{View: r.head(), Path: "/c"}, false), fault.NotFound, "file /c not found in repo default/images")
	_, err = r.Compose(t.Context(), ada, make([]string, MaxSets+1), 0)
	r.want(err, fault.Invalid, "at most 10000 at a time")
	_, err = r.Compose(t.Context(), ada, nil, -1)
	r.want(err, fault.Invalid, "at least one second")
}

// Shards are what going through all files one by one makes of them.
func TestShard_AgainstAPlainList(t *testing.T) {
	r := start(t, dbtest.SQLite(t))
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 3))
		sizes := map[string]int64{}
		counts := map[string]int64{}
		id := r.set(func(w writes) error {
			for range 60 {
				path := fmt.Sprintf("/%c/%c/%c", 'a'+rng.IntN(2), "-0"[rng.IntN(2)], 'a'+rng.IntN(8))
				if rng.IntN(3) == 0 {
					path = path[:2] + path[3:4] + path[5:] // beside the directory, before and behind it
				}
				data := strings.Repeat("x", rng.IntN(30))
				if err := errors.Join(w.Delete(path, ""), w.Add(path, "", []byte(data)), w.Add(path, "other", []byte(data))); err != nil {
					return err
				}
				sizes[path], counts[path] = int64(2*len(data)), 2
			}
			return nil
		})
		for _, most := range []struct{ files, bytes int64 }{{1, 0}, {7, 0}, {0, 100}, {20, 150}, {0, 0}} {
			got, err := r.Shard(t.Context(), ada, id, most.files, most.bytes)
			r.must(err)
			files, bytes := most.files, most.bytes
			if files == 0 {
				files = 1_000_000
			}
			if bytes == 0 {
				bytes = 1_000_000_000
			}
			want := []file.Range{{}}
			var n, size int64
			for _, path := range slices.Sorted(maps.Keys(sizes)) {
				if n > 0 && (n+counts[path] > files || size+sizes[path] > bytes) {
					want[len(want)-1].Upper = path
					want = append(want, file.Range{Lower: path})
					n, size = 0, 0
				}
				n, size = n+counts[path], size+sizes[path]
			}
			if !slices.Equal(got, want) {
				t.Errorf("seed %d, %v: got %v, wanted %v", seed, most, got, want)
			}
		}
	}
	_, err := r.Shard(t.Context(), ada, r.set(text("/a", "")), -1, 0)
	r.want(err, fault.Invalid, "-1 files")
	got, err := r.Shard(t.Context(), ada, r.set(func(writes) error { return nil }), 1, 1)
	r.must(err)
	if !slices.Equal(got, []file.Range{{}}) {
		t.Errorf("of nothing: %v", got)
	}
}
