package check_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/blob/blobtest"
	"pachyderm/internal/data/blob/dir"
	"pachyderm/internal/data/check"
	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
	"pachyderm/internal/secret/secrettest"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// rig is an installation with some commits, which tests damage.
type rig struct {
	t     *testing.T
	db    *db.DB
	root  string // of the objects
	store *blobtest.Faulty
	seal  *secret.Sealer
	files *file.Service
	n     int
}

func each(t *testing.T, f func(*testing.T, *rig)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r := &rig{t: t, db: d, root: filepath.Join(t.TempDir(), "objects")}
		objects, err := dir.Open(r.root, now)
		r.must(err)
		r.store = &blobtest.Faulty{Store: objects}
		r.seal = secrettest.Sealer(t, d)
		r.files = file.New(d, r.packs())
		r.must(graph.Prepare(t.Context(), d))
		for _, name := range []string{"images", "edges", "both", "other"} {
			r.change(func(ctx context.Context, c *graph.Change) error { return c.CreateRepo(ctx, repo(name), "") })
		}
		r.branch("edges", "images")
		r.branch("both", "edges", "images")
		r.put("images", "/a.png", "first")
		r.put("images", "/dir/b.png", strings.Repeat("second", 1000))
		r.put("other", "/c.png", "third")
		f(t, r)
	})
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// packs remember nothing, as after a start.
func (r *rig) packs() *pack.Service {
	r.t.Helper()
	s, err := pack.New(r.t.Context(), pack.Options{
		DB: r.db, Store: r.store, Sealer: r.seal, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	r.must(err)
	return s
}

func repo(name string) graph.Repo {
	return graph.Repo{Project: graph.DefaultProject, Name: name, Type: graph.UserRepo}
}

func (r *rig) by() audit.By {
	r.n++
	return audit.By{Actor: "user:ada@example.com", At: now.Add(time.Duration(r.n) * time.Second)}
}

func (r *rig) change(f func(context.Context, *graph.Change) error) {
	r.t.Helper()
	r.must(graph.Update(r.t.Context(), r.db, r.by(), func(c *graph.Change) error { return f(r.t.Context(), c) }))
}

// branch makes a master branch that is made from others.
func (r *rig) branch(of string, from ...string) {
	r.t.Helper()
	n := graph.NewBranch{Branch: graph.Branch{Repo: repo(of), Name: "master"}}
	for _, name := range from {
		n.Direct = append(n.Direct, graph.Source{Branch: graph.Branch{Repo: repo(name), Name: "master"}})
	}
	r.change(func(ctx context.Context, c *graph.Change) error { return c.CreateBranch(ctx, n) })
}

func (r *rig) put(repoName, path, text string) {
	r.t.Helper()
	s, err := r.files.Begin(r.t.Context(), r.by(), graph.Ref{Repo: repo(repoName), Name: "master"})
	r.must(err)
	defer s.Close()
	r.must(s.Add(path, "", []byte(text)))
	_, err = s.Commit()
	r.must(err)
}

// commit is the id of a commit, such as of master^.
func (r *rig) commit(repoName, name string) (one graph.CommitInfo) {
	r.t.Helper()
	r.must(r.db.View(r.t.Context(), func(tx *db.Tx) (err error) {
		one, err = graph.Resolve(r.t.Context(), tx, graph.Ref{Repo: repo(repoName), Name: name})
		return err
	}))
	return one
}

func (r *rig) sql(statement string, args ...any) {
	r.t.Helper()
	r.must(r.db.Update(r.t.Context(), func(tx *db.Tx) error {
		n, err := tx.Exec(r.t.Context(), statement, args...)
		if err == nil && n == 0 {
			return fmt.Errorf("%s changes nothing", statement)
		}
		return err
	}))
}

// objects are the files of the store, oldest first.
func (r *rig) objects() (all []string) {
	r.t.Helper()
	r.must(filepath.WalkDir(r.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	}))
	return all
}

// check is what a service that remembers nothing finds.
func (r *rig) check(deep bool) (all []string, err error) {
	for p, err := range check.New(r.db, r.packs()).Problems(r.t.Context(), deep) {
		if err != nil {
			return all, err
		}
		all = append(all, p.String())
	}
	return all, nil
}

// finds holds what is found to texts, of which each is in a line of its own or more.
func (r *rig) finds(deep bool, want ...string) {
	r.t.Helper()
	all, err := r.check(deep)
	r.must(err)
	for _, line := range all {
		if !slices.ContainsFunc(want, func(text string) bool { return strings.Contains(line, text) }) {
			r.t.Errorf("found %q", line)
		}
	}
	for _, text := range want {
		if !slices.ContainsFunc(all, func(line string) bool { return strings.Contains(line, text) }) {
			r.t.Errorf("%q is not among %q", text, all)
		}
	}
}

func TestProblems_NoneWhereNoneIs(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.finds(true)
		blobs, err := check.New(r.db, r.packs()).Storage(t.Context(), true)
		var want int64
		r.must(r.db.View(t.Context(), func(tx *db.Tx) error { return tx.Row(t.Context(), []any{&want}, `SELECT COUNT(*) FROM blobs`) }))
		if err != nil || blobs != want || want == 0 {
			t.Errorf("%d blobs of %d, %v", blobs, want, err)
		}
		// What is under way is no problem.
		s, err := r.files.Begin(t.Context(), r.by(), graph.Ref{Repo: repo("other"), Name: "master"})
		r.must(err)
		defer s.Close()
		r.must(s.Add("/d.png", "", []byte("fourth")))
		r.change(func(ctx context.Context, c *graph.Change) error {
			_, err := c.StartCommit(ctx, graph.Start{Branch: graph.Branch{Repo: repo("other"), Name: "master"}})
			return err
		})
		r.finds(true)
	})
}

func TestProblems_ObjectIsLost(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for _, path := range r.objects() {
			r.must(os.Remove(path))
		}
		first, second := r.commit("images", "master^"), r.commit("images", "master")
		r.finds(false, "the store has no such object", first.Ref().String()+": ", second.Ref().String()+": ", r.commit("other", "master").Ref().String()+": ")
		_, err := check.New(r.db, r.packs()).Storage(t.Context(), false)
		if !fault.Is(err, fault.Damaged) || !strings.Contains(fault.Message(err), "the store has no such object") {
			t.Errorf("the storage: %v", err)
		}
	})
}

// A byte that is not as it was is found in each place of each object, and so are the
// commits that need it.
func TestProblems_ByteIsAnother(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for _, path := range r.objects() {
			data, err := os.ReadFile(path)
			r.must(err)
			for at := 0; at < len(data); at += 1 + len(data)/7 {
				other := slices.Clone(data)
				other[at] ^= 1
				r.must(os.WriteFile(path, other, 0o600))
				all, err := r.check(true)
				r.must(err)
				name := "pack " + strings.ReplaceAll(filepath.Base(path), ".", "/")
				if len(all) == 0 || !strings.HasPrefix(all[0], name) {
					t.Errorf("byte %d of %d: found %q", at, len(data), all)
				}
				if strings.Contains(strings.Join(all, " "), ": blob ") && !strings.Contains(strings.Join(all, " "), "commit default/") {
					t.Errorf("byte %d: no commit is named: %q", at, all)
				}
			}
			r.must(os.WriteFile(path, data[:len(data)-1], 0o600))
			all, err := r.check(false)
			if err != nil || len(all) == 0 || !strings.Contains(all[0], fmt.Sprintf("has %d bytes, not %d", len(data)-1, len(data))) {
				t.Errorf("a byte less: found %q, %v", all, err)
			}
			r.must(os.WriteFile(path, data, 0o600))
		}
		r.finds(true)
	})
}

func TestProblems_RowsAreWrong(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(*rig)
		want   func(*rig) []string
	}{
		"a blob has no row": {
			func(r *rig) { r.sql(`DELETE FROM blobs WHERE raw = 5 AND len > 0`) }, // of "first" and of "third"
			func(r *rig) []string {
				return []string{r.commit("images", "master^").Ref().String(), r.commit("images", "master").Ref().String(), r.commit("other", "master").Ref().String(), "is in no pack"}
			},
		},
		"a blob lies elsewhere": {
			func(r *rig) { r.sql(`UPDATE blobs SET off = 1000000000`) },
			func(*rig) []string { return []string{"it is not within the pack", "is damaged with the pack"} },
		},
		"a pack is not kept": {
			func(r *rig) { r.sql(`UPDATE packs SET state = 'writing'`) },
			func(*rig) []string { return []string{"which is not kept"} },
		},
		"a commit has no root": {
			func(r *rig) {
				r.sql(`UPDATE commits SET root = $2 WHERE id = $1`, r.commit("other", "master").Key, []byte("?"))
			},
			func(r *rig) []string {
				return []string{r.commit("other", "master").Ref().String() + ": the file tree is damaged: a root of"}
			},
		},
		"a commit has another root": {
			func(r *rig) {
				root := slices.Clone(r.commit("other", "master").Root)
				root[0] ^= 1
				r.sql(`UPDATE commits SET root = $2 WHERE id = $1`, r.commit("other", "master").Key, root)
			},
			func(r *rig) []string {
				return []string{r.commit("other", "master").Ref().String() + ": in /: the blob"}
			},
		},
		"a commit has another size": {
			func(r *rig) { r.sql(`UPDATE commits SET size = 3 WHERE id = $1`, r.commit("other", "master").Key) },
			func(r *rig) []string {
				return []string{r.commit("other", "master").Ref().String() + ": its files have 5 bytes, not 3"}
			},
		},
		"a head is another repository's": {
			func(r *rig) {
				r.sql(`UPDATE branches SET head = $1 WHERE head = $2`, r.commit("images", "master").Key, r.commit("other", "master").Key)
			},
			func(*rig) []string {
				return []string{"branch default/other@master: its head is not a commit of its repository"}
			},
		},
		"a parent is another repository's": {
			func(r *rig) {
				r.sql(`UPDATE commits SET parent = $1 WHERE id = $2`, r.commit("other", "master").Key, r.commit("images", "master").Key)
			},
			func(*rig) []string { return []string{": its parent is not an older commit"} },
		},
		"parents go in a circle": {
			func(r *rig) {
				r.sql(`UPDATE commits SET parent = $1 WHERE id = $2`, r.commit("images", "master").Key, r.commit("images", "master^").Key)
			},
			func(*rig) []string { return []string{": its parent is not an older commit"} },
		},
		"a parent is open": {
			func(r *rig) {
				r.sql(`UPDATE commits SET finished = 0 WHERE id = $1`, r.commit("images", "master^").Key)
			},
			func(r *rig) []string {
				return []string{r.commit("images", "master").Ref().String() + ": it was begun before its parent was finished"}
			},
		},
		"commits come from themselves": {
			func(r *rig) {
				r.sql(`INSERT INTO commit_provenance (made, source) VALUES ($1, $2)`, r.commit("images", "master").Key, r.commit("edges", "master").Key)
				// A circle that something else leads into.
				r.sql(`INSERT INTO commit_provenance (made, source) VALUES ($1, $2)`, r.commit("images", "master").Key, r.commit("other", "master").Key)
			},
			func(r *rig) []string {
				return []string{r.commit("edges", "master").Ref().String() + ": its provenance goes in a circle", r.commit("images", "master").Ref().String() + ": its provenance goes in a circle", r.commit("both", "master").Ref().String() + ": its provenance"}
			},
		},
		"branches come from themselves": {
			func(r *rig) {
				r.sql(`INSERT INTO branch_provenance (made, source, never) SELECT p.source, p.made, FALSE FROM branch_provenance p
					JOIN branches b ON b.id = p.made JOIN repos r ON r.id = b.repo WHERE r.name = 'edges'`)
			},
			func(*rig) []string {
				return []string{"branch default/images@master: its provenance goes in a circle", "branch default/edges@master: its provenance goes in a circle", "branch default/both@master: its provenance"}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(_ *testing.T, r *rig) {
				want := c.want(r) // while commits can still be found
				c.damage(r)
				r.finds(false, want...)
			})
		})
	}
}

// A store that is away is no damage.
func TestProblems_StoreIsAway(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.store.Before = func(blobtest.Op, string) error { return fault.New(fault.Unavailable, "the store cannot be reached") }
		if all, err := r.check(true); !fault.Is(err, fault.Unavailable) || len(all) > 0 {
			t.Errorf("found %q, %v", all, err)
		}
	})
}
