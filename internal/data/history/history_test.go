package history_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/data/history"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

// rig is a graph with one repository, a, of the default project.
type rig struct {
	t    *testing.T
	db   *db.DB
	wait *history.Waiting
	n    int
}

func each(t *testing.T, f func(*testing.T, *rig)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if err := graph.Prepare(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		r := &rig{t: t, db: d, wait: history.NewWaiting(d)}
		r.do(func(ctx context.Context, c *graph.Change) error { return c.CreateRepo(ctx, repo("a"), "") })
		f(t, r)
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

func (r *rig) do(f func(context.Context, *graph.Change) error) (id string) {
	r.t.Helper()
	r.n++
	at := time.Date(2026, 11, 30, 12, 0, r.n, 0, time.UTC)
	err := graph.Update(r.t.Context(), r.db, audit.By{At: at}, func(c *graph.Change) error {
		id = c.ID
		return f(r.t.Context(), c)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *rig) start(name string) string {
	r.t.Helper()
	return r.do(func(ctx context.Context, c *graph.Change) error {
		_, err := c.StartCommit(ctx, graph.Start{Branch: branch(name)})
		return err
	})
}

func (r *rig) finish(name string) {
	r.t.Helper()
	r.do(func(ctx context.Context, c *graph.Change) error {
		return c.FinishCommit(ctx, ref(name), graph.Finish{})
	})
}

func (r *rig) put(name string) string {
	r.t.Helper()
	id := r.start(name)
	r.finish(name)
	return id
}

func (r *rig) commit(name string) (one graph.CommitInfo) {
	r.t.Helper()
	err := r.db.View(r.t.Context(), func(tx *db.Tx) (err error) {
		one, err = graph.Resolve(r.t.Context(), tx, ref(name))
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return one
}

func TestCommits_Order(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		var ids []string
		for range 4 {
			ids = append(ids, r.put("a@master"))
		}
		side := r.do(func(ctx context.Context, c *graph.Change) error {
			at := ref("a@" + ids[1])
			_, err := c.StartCommit(ctx, graph.Start{Branch: branch("a@side"), Parent: &at})
			return err
		})
		at := func(name string) *graph.Ref {
			r := ref("a@" + name)
			return &r
		}
		for name, c := range map[string]struct {
			list history.List
			want []string
		}{
			"all":           {history.List{}, []string{side, ids[3], ids[2], ids[1], ids[0]}},
			"all, reverse":  {history.List{Reverse: true}, []string{ids[0], ids[1], ids[2], ids[3], side}},
			"of a branch":   {history.List{To: at("side")}, []string{side, ids[1], ids[0]}},
			"from":          {history.List{To: at("master"), From: at(ids[1])}, []string{ids[3], ids[2]}},
			"from, reverse": {history.List{To: at("master"), From: at(ids[0]), Reverse: true}, []string{ids[1], ids[2], ids[3]}},
			"no origin":     {history.List{Origin: graph.ByRule}, nil},
			"before":        {history.List{Before: r.commit("a@" + ids[1]).Started}, []string{ids[0]}},
		} {
			c.list.Repo = repo("a")
			var got []string
			for one, err := range history.Commits(t.Context(), r.db, c.list) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, one.ID)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: got %v, wanted %v", name, got, c.want)
			}
		}
	})
}

// A branch is read by pages, and none is left out where one begins.
func TestCommits_ManyPages(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		var all []string
		for range 2*row.PageSize + 1 {
			all = append(all, r.put("a@master"))
		}
		around := func(at int) string {
			if at < 0 || at >= len(all) {
				return ""
			}
			return all[at]
		}
		to, second := ref("a@master"), ref("a@"+all[0])
		for name, l := range map[string]history.List{
			"newest first": {}, "oldest first": {Reverse: true},
			"newest first up to the second": {From: &second}, "oldest first from the second": {From: &second, Reverse: true},
		} {
			l.Repo, l.To = repo("a"), &to
			var got []string
			for one, err := range history.Commits(t.Context(), r.db, l) {
				if err != nil {
					t.Fatal(err)
				}
				at := slices.Index(all, one.ID)
				if one.Parent != around(at-1) || strings.Join(one.Children, " ") != around(at+1) {
					t.Errorf("%s: %s is between %q and %v", name, one.ID, one.Parent, one.Children)
				}
				got = append(got, one.ID)
			}
			if !l.Reverse {
				slices.Reverse(got)
			}
			want := all
			if l.From != nil {
				want = all[1:]
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d commits, not %d", name, len(got), len(want))
			}
		}
	})
}

// Who waits is woken by the commit, or by its end, and not before.
func TestCommit_WaitsUntilItHasFinished(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		id := r.start("a@master")
		got := make(chan graph.CommitInfo, 1)
		go func() {
			one, err := r.wait.Commit(r.t.Context(), ref("a@master"), history.IsFinished)
			if err != nil {
				t.Error(err)
			}
			got <- one
		}()
		if one, err := r.wait.Commit(t.Context(), ref("a@master"), history.IsStarted); err != nil || one.ID != id {
			t.Errorf("a started one: %v", err)
		}
		select {
		case <-got:
			t.Fatal("it did not wait")
		default:
		}
		r.finish("a@master")
		if one := <-got; one.ID != id || one.Open() {
			t.Errorf("got %+v", one)
		}
	})
}

func TestCommit_WaitEndsWithTheRepository(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.start("a@master")
		ended := make(chan error, 1)
		go func() {
			_, err := r.wait.Commit(r.t.Context(), ref("a@master"), history.IsFinished)
			ended <- err
		}()
		r.do(func(ctx context.Context, c *graph.Change) error { return c.DeleteRepo(ctx, repo("a"), false) })
		if err := <-ended; !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v", err)
		}
	})
}

// Each commit comes once and in order: those that were there, and those that come.
func TestSubscribe_EachCommitOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		want := []string{r.put("a@master"), r.put("a@master")}
		r.put("a@other")
		got := make(chan string)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			defer close(got)
			for one, err := range r.wait.Subscribe(ctx, repo("a"), "master", nil, history.IsFinished) {
				if err != nil {
					return
				}
				got <- one.ID
			}
		}()
		for _, id := range want {
			if next := <-got; next != id {
				t.Errorf("got %s, wanted %s", next, id)
			}
		}
		id := r.start("a@master")
		r.put("a@third")
		r.finish("a@master")
		if next := <-got; next != id {
			t.Errorf("got %s, wanted %s", next, id)
		}
		cancel()
		if next, more := <-got; more {
			t.Errorf("and %s", next)
		}
	})
}

func TestSets_NewestFirst(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.do(func(ctx context.Context, c *graph.Change) error { return c.CreateRepo(ctx, repo("b"), "") })
		r.do(func(ctx context.Context, c *graph.Change) error {
			return c.CreateBranch(ctx, graph.NewBranch{Branch: branch("b@master"), Direct: []graph.Source{{Branch: branch("a@master")}}})
		})
		var want []string
		for range 3 {
			r.finish("b@master")
			want = append([]string{r.put("a@master")}, want...)
		}
		var got []string
		for set, err := range history.Sets(t.Context(), r.db, "default") {
			if err != nil {
				t.Fatal(err)
			}
			if len(set.Commits) == 2 && set.Commits[0].Repo.Name == "a" {
				got = append(got, set.ID)
			}
		}
		if len(got) < 3 || !slices.Equal(got[:3], want) {
			t.Errorf("got %v, wanted %v", got, want)
		}
		for set, err := range history.Sets(t.Context(), r.db, "another") {
			t.Errorf("another project has %v, %v", set, err)
		}
	})
}

// left reads until the caller goes, which is when the first has come: how many come in
// all, with the error at the end.
func left[T any](ctx context.Context, read func(context.Context) iter.Seq2[T, error]) (n int, last error) {
	ctx, goes := context.WithCancel(ctx)
	defer goes()
	for _, last = range read(ctx) {
		goes()
		n++
	}
	return n, last
}

// The commits behind the first, which is where the caller goes, are more than a page,
// and none of them is wanted.
func TestCommits_EndWithTheirCaller(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for range row.PageSize + 1 {
			r.do(func(ctx context.Context, c *graph.Change) error {
				if _, err := c.StartCommit(ctx, graph.Start{Branch: branch("a@master")}); err != nil {
					return err
				}
				return c.FinishCommit(ctx, ref("a@master"), graph.Finish{})
			})
		}
		to := ref("a@master")
		second := r.commit("a@master.2").Started
		for name, l := range map[string]history.List{
			"by number": {Repo: repo("a"), Reverse: true, Before: second}, "by parents": {Repo: repo("a"), To: &to, Reverse: true, Before: second},
		} {
			n, err := left(t.Context(), func(ctx context.Context) iter.Seq2[graph.CommitInfo, error] { return history.Commits(ctx, r.db, l) })
			if n != 2 || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %d commits and errors, and at last %v", name, n, err)
			}
		}
		n, err := left(t.Context(), func(ctx context.Context) iter.Seq2[history.Set, error] { return history.Sets(ctx, r.db, "") })
		if n > row.PageSize+1 || !errors.Is(err, context.Canceled) {
			t.Errorf("%d sets and errors, and at last %v", n, err)
		}
	})
}
