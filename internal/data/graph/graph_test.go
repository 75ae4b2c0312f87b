package graph_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// rig is a graph that tests change by short names: a repository is one of the
// default project, and "images@master" its branch.
type rig struct {
	t  *testing.T
	db *db.DB
	n  int
}

func each(t *testing.T, f func(*testing.T, *rig)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if err := graph.Prepare(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		f(t, &rig{t: t, db: d})
	})
}

func repo(name string) graph.Repo {
	return graph.Repo{Project: graph.DefaultProject, Name: name, Type: graph.UserRepo}
}

func branch(name string) graph.Branch {
	r, b, _ := strings.Cut(name, "@")
	return graph.Branch{Repo: repo(r), Name: b}
}

func ref(name string) graph.Ref {
	r, b, _ := strings.Cut(name, "@")
	return graph.Ref{Repo: repo(r), Name: b}
}

// try makes one change, at a time of its own, and returns its global id.
func (r *rig) try(f func(context.Context, *graph.Change) error) (id string, err error) {
	r.n++
	by := audit.By{Actor: "user:ada@example.com", At: now.Add(time.Duration(r.n) * time.Second)}
	ctx := r.t.Context()
	err = graph.Update(ctx, r.db, by, func(c *graph.Change) error {
		id = c.ID
		return f(ctx, c)
	})
	return id, err
}

func (r *rig) do(f func(context.Context, *graph.Change) error) string {
	r.t.Helper()
	id, err := r.try(f)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *rig) repos(names ...string) {
	r.t.Helper()
	for _, n := range names {
		r.do(func(ctx context.Context, c *graph.Change) error { return c.CreateRepo(ctx, repo(n), "") })
	}
}

func (r *rig) branch(name string, sources ...string) {
	r.t.Helper()
	var direct []graph.Source
	for _, s := range sources {
		direct = append(direct, graph.Source{Branch: branch(s)})
	}
	r.do(func(ctx context.Context, c *graph.Change) error {
		return c.CreateBranch(ctx, graph.NewBranch{Branch: branch(name), Direct: direct})
	})
}

// put makes a commit with files, which are a text here.
func (r *rig) put(name, files string) string {
	r.t.Helper()
	return r.do(func(ctx context.Context, c *graph.Change) error { return put(ctx, c, name, files) })
}

func put(ctx context.Context, c *graph.Change, name, files string) error {
	one, err := c.StartCommit(ctx, graph.Start{Branch: branch(name)})
	if err != nil {
		return err
	}
	if err := c.SetFiles(ctx, one.Ref(), one.Root, []byte(files), int64(len(files))); err != nil {
		return err
	}
	return c.FinishCommit(ctx, one.Ref(), graph.Finish{Root: []byte(files), Size: int64(len(files))})
}

func (r *rig) inspect(name string) (one graph.CommitInfo, err error) {
	err = r.db.View(r.t.Context(), func(tx *db.Tx) (err error) {
		one, err = graph.InspectCommit(r.t.Context(), tx, ref(name))
		return err
	})
	return one, err
}

// open is a commit as a change sees it.
func (r *rig) open(ctx context.Context, c *graph.Change, name string) graph.CommitInfo {
	r.t.Helper()
	one, err := graph.Resolve(ctx, c.Tx(), ref(name))
	if err != nil {
		r.t.Error(err)
	}
	return one
}

func (r *rig) commit(name string) graph.CommitInfo {
	r.t.Helper()
	one, err := r.inspect(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return one
}

func wantFault(t *testing.T, err error, kind fault.Kind, text string) {
	t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, wanted %s with %q", err, kind, text)
	}
}

func TestCommit_InheritsFilesOfItsParent(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("images")
		first := r.put("images@master", "one")
		second := r.do(func(ctx context.Context, c *graph.Change) error {
			_, err := c.StartCommit(ctx, graph.Start{Branch: branch("images@master"), Description: "more"})
			return err
		})
		got := r.commit("images@master")
		if got.ID != second || got.Parent != first || string(got.Root) != "one" || got.Description != "more" || !got.Open() || got.Size != 3 {
			t.Errorf("got %+v", got)
		}
		if parent := r.commit("images@" + first); !slices.Equal(parent.Children, []string{second}) || parent.Open() || parent.Branch != "master" {
			t.Errorf("its parent is %+v", parent)
		}
		_, err := r.try(func(ctx context.Context, c *graph.Change) error {
			_, err := c.StartCommit(ctx, graph.Start{Branch: branch("images@master")})
			return err
		})
		wantFault(t, err, fault.Precondition, "has not been finished")
	})
}

// What is bad is not inherited.
func TestCommit_InheritsNothingOfABadParent(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("images")
		r.put("images@master", "good")
		r.do(func(ctx context.Context, c *graph.Change) error {
			one, err := c.StartCommit(ctx, graph.Start{Branch: branch("images@master")})
			if err != nil {
				return err
			}
			if err := c.SetFiles(ctx, one.Ref(), one.Root, []byte("bad"), 3); err != nil {
				return err
			}
			return c.FinishCommit(ctx, one.Ref(), graph.Finish{Root: []byte("bad"), Size: 3, Error: "broken"})
		})
		id := r.do(func(ctx context.Context, c *graph.Change) error {
			_, err := c.StartCommit(ctx, graph.Start{Branch: branch("images@master")})
			return err
		})
		if got := r.commit("images@" + id); string(got.Root) != "good" {
			t.Errorf("it begins with %q", got.Root)
		}
		if got := r.commit("images@" + id + "^"); got.Error != "broken" || string(got.Root) != "bad" {
			t.Errorf("its parent is %+v", got)
		}
	})
}

func TestCommit_ClosedTakesNoMoreFiles(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("images")
		id := r.put("images@master", "one")
		for name, f := range map[string]func(context.Context, *graph.Change) error{
			"files": func(ctx context.Context, c *graph.Change) error {
				return c.SetFiles(ctx, ref("images@"+id), []byte("one"), []byte("two"), 3)
			},
			"finish": func(ctx context.Context, c *graph.Change) error {
				return c.FinishCommit(ctx, ref("images@"+id), graph.Finish{Root: []byte("one"), Size: 3})
			},
			"clear": func(ctx context.Context, c *graph.Change) error { return c.ClearCommit(ctx, ref("images@"+id)) },
		} {
			_, err := r.try(f)
			if !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "has already finished") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := r.commit("images@master"); string(got.Root) != "one" {
			t.Errorf("its files are %q", got.Root)
		}
	})
}

// Two who write at once: neither's files are lost unseen.
func TestSetFiles_RefusesWhatWasMadeFromOthers(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("images")
		r.do(func(ctx context.Context, c *graph.Change) error {
			_, err := c.StartCommit(ctx, graph.Start{Branch: branch("images@master")})
			return err
		})
		set := func(from, to string) error {
			_, err := r.try(func(ctx context.Context, c *graph.Change) error {
				return c.SetFiles(ctx, ref("images@master"), []byte(from), []byte(to), 1)
			})
			return err
		}
		if err := set("", "a"); err != nil {
			t.Fatal(err)
		}
		wantFault(t, set("", "b"), fault.Conflict, "written to meanwhile")
		if err := set("a", "ab"); err != nil {
			t.Error(err)
		}
	})
}

func TestResolve_Ancestry(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("images")
		var ids []string
		for range 5 {
			ids = append(ids, r.put("images@master", "x"))
		}
		for name, want := range map[string]int{
			"master": 4, "master^": 3, "master^^": 2, "master~~~": 1, "master^3": 1, "master~4": 0, "master.1": 0, "master.5": 4, "master.3^1": 1,
			"master.3^^": 0,
		} {
			if got := r.commit("images@" + name); got.ID != ids[want] {
				t.Errorf("%s is not the commit %d", name, want)
			}
		}
		if got := r.commit("images@" + ids[3] + "^2"); got.ID != ids[1] {
			t.Error("an id's ancestor is another")
		}
		for name, kind := range map[string]fault.Kind{
			"master^5": fault.NotFound, "master.6": fault.NotFound, "master.0": fault.Invalid, "master^1001": fault.Invalid,
			"master.2^2": fault.Invalid,
			"other":      fault.NotFound, "master^x": fault.Invalid, "": fault.NotFound, graph.NewID(): fault.NotFound, "master/../x": fault.Invalid,
		} {
			if _, err := r.inspect("images@" + name); !fault.Is(err, kind) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}

// A commit makes one commit on each branch that comes from it, with the same id, after
// those that it comes from itself.
func TestPropagation_OneCommitPerBranch(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a", "b", "c", "d")
		r.branch("b@master", "a@master")
		r.branch("c@master", "a@master")
		r.branch("d@master", "b@master", "c@master")
		id := r.put("a@master", "x")
		for _, name := range []string{"b", "c", "d"} {
			got := r.commit(name + "@master")
			if got.ID != id || got.Origin != graph.ByRule || !got.Open() {
				t.Errorf("%s has %+v", name, got)
			}
			for _, p := range got.Provenance {
				if p.ID != id {
					t.Errorf("%s is made from %v", name, p)
				}
			}
		}
		d := r.commit("d@master")
		if len(d.Provenance) != 2 || d.Provenance[0].Repo.Name != "b" || d.Provenance[1].Repo.Name != "c" {
			t.Errorf("d is made from %v", d.Provenance)
		}
		if a := r.commit("a@master"); len(a.Subvenance) != 2 {
			t.Errorf("of a is made %v", a.Subvenance)
		}
		_, err := r.try(func(ctx context.Context, c *graph.Change) error { return put(ctx, c, "b@master", "y") })
		wantFault(t, err, fault.Precondition, "cannot start a commit on an output branch")
	})
}

// A repository without a commit of the id is asked for the one that the others come from.
func TestResolve_CommitOfASetByProvenance(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a", "b", "c")
		r.branch("c@master", "a@master", "b@master")
		before := r.put("a@master", "x")
		id := r.put("b@master", "y")
		if got := r.commit("a@" + id); got.ID != before {
			t.Errorf("of a it is %s", got.ID)
		}
		if got := r.commit("c@" + id); got.ID != id || len(got.Provenance) != 2 {
			t.Errorf("of c it is %+v", got)
		}
	})
}

func TestCreateBranch_Refuses(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a", "b", "c")
		r.branch("b@master", "a@master")
		from := func(name string, sources ...string) error {
			var direct []graph.Source
			for _, s := range sources {
				direct = append(direct, graph.Source{Branch: branch(s)})
			}
			_, err := r.try(func(ctx context.Context, c *graph.Change) error {
				return c.CreateBranch(ctx, graph.NewBranch{Branch: branch(name), Direct: direct})
			})
			return err
		}
		wantFault(t, from("a@master", "b@master"), fault.Invalid, "cycle detected")
		wantFault(t, from("a@other", "a@master"), fault.Invalid, "provenance of its own branch")
		wantFault(t, from("c@master", "b@master", "a@other"), fault.Invalid, "cannot participate in a DAG")
		wantFault(t, from("c@"+graph.NewID()), fault.Invalid, "form of a commit's id")
		wantFault(t, from("nope@master"), fault.NotFound, "repo default/nope not found")
		wantFault(t, from("a@x.y"), fault.Invalid, "only alphanumeric characters, underscores, and dashes are allowed")
		if err := from("c@master", "b@master"); err != nil {
			t.Error(err)
		}
	})
}

func TestTrigger_OnSoManyBranchesOfARepository(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a", "b")
		follow := func(name string) error {
			_, err := r.try(func(ctx context.Context, c *graph.Change) error {
				return c.CreateBranch(ctx, graph.NewBranch{Branch: branch(name), Trigger: graph.Trigger{Branch: "master", Commits: 3}})
			})
			return err
		}
		for i := range 100 {
			if err := follow(fmt.Sprintf("a@b%d", i)); err != nil {
				t.Fatal(i, err)
			}
		}
		if err := follow("a@more"); !fault.Is(err, fault.Exhausted) || !strings.Contains(err.Error(), "delete one") {
			t.Errorf("one more is %v", err)
		}
		for _, name := range []string{"a@b7", "b@other"} { // one that has its trigger already, and another repository
			if err := follow(name); err != nil {
				t.Error(name, err)
			}
		}
	})
}

func TestTrigger_BySizeAndCommits(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a", "b")
		r.put("a@master", "")
		trigger := func(name string, on graph.Trigger) {
			r.do(func(ctx context.Context, c *graph.Change) error {
				return c.CreateBranch(ctx, graph.NewBranch{Branch: branch(name), Trigger: on})
			})
		}
		trigger("a@big", graph.Trigger{Branch: "master", Size: "0.01K"})
		trigger("a@many", graph.Trigger{Branch: "master", Commits: 3})
		trigger("a@both", graph.Trigger{Branch: "master", Commits: 2, Size: "12", All: true})
		trigger("a@chain", graph.Trigger{Branch: "big"})
		r.branch("b@master", "a@chain")
		for step, want := range []struct {
			files string
			moved []string
		}{
			{"123456789", nil},
			{"1234567890", []string{"big", "chain", "many"}}, // many's first head is none of its ancestors
			{"123456789012", []string{"both"}},
		} {
			id := r.put("a@master", want.files)
			for _, name := range []string{"big", "many", "both", "chain"} {
				if moved := r.commit("a@"+name).ID == id; moved != slices.Contains(want.moved, name) {
					t.Errorf("step %d: that %s moved is %v", step, name, moved)
				}
			}
			if made := r.commit("b@master").ID == id; made != slices.Contains(want.moved, "chain") {
				t.Errorf("step %d: that b got a commit is %v", step, made)
			}
		}
		_, err := r.try(func(ctx context.Context, c *graph.Change) error {
			return c.CreateBranch(ctx, graph.NewBranch{Branch: branch("a@big"), Trigger: graph.Trigger{Branch: "chain"}})
		})
		wantFault(t, err, fault.Invalid, "triggers cannot form a loop")
	})
}

func TestDeleteRepo_TakesAllThatItHas(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a", "b")
		r.branch("b@master", "a@master")
		r.put("a@master", "x")
		_, err := r.try(func(ctx context.Context, c *graph.Change) error { return c.DeleteRepo(ctx, repo("a"), false) })
		wantFault(t, err, fault.Precondition, "default/b@master is made from it")
		r.do(func(ctx context.Context, c *graph.Change) error { return c.DeleteRepo(ctx, repo("a"), true) })
		if _, err := r.inspect("a@master"); !fault.Is(err, fault.NotFound) {
			t.Errorf("a: %v", err)
		}
		if b := r.commit("b@master"); len(b.Provenance) != 0 {
			t.Errorf("b is made from %v", b.Provenance)
		}
		r.repos("a")
	})
}
