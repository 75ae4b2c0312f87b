package graph_test

import (
	"context"
	"testing"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/removal"
	"pachyderm/internal/fault"
)

func (r *rig) remove(name string, recursive, drop bool) error {
	_, err := r.try(func(ctx context.Context, c *graph.Change) error {
		gone, err := removal.One(ctx, c.Tx(), ref(name), recursive, drop)
		if err != nil {
			return err
		}
		return gone.Do(ctx, c)
	})
	return err
}

func TestSquash_LeavesWhatItHeldToItsChild(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a")
		first, second, third := r.put("a@master", "1"), r.put("a@master", "12"), r.put("a@master", "123")
		r.do(func(ctx context.Context, c *graph.Change) error {
			at := ref("a@" + second)
			return c.CreateBranch(ctx, graph.NewBranch{Branch: branch("a@side"), Head: &at})
		})
		wantFault(t, r.remove("a@"+third, false, false), fault.Precondition, "cannot squash a commit that has no children")
		if err := r.remove("a@"+second, false, false); err != nil {
			t.Fatal(err)
		}
		if got := r.commit("a@master"); got.ID != third || got.Parent != first || string(got.Root) != "123" {
			t.Errorf("left is %+v", got)
		}
		if got := r.commit("a@side"); got.ID != first {
			t.Errorf("the other branch is at %s", got.ID)
		}
		if _, err := r.inspect("a@" + second); !fault.Is(err, fault.NotFound) {
			t.Errorf("it is there still: %v", err)
		}
	})
}

func TestDrop_OfAHead(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a")
		first, second := r.put("a@master", "1"), r.put("a@master", "12")
		wantFault(t, r.remove("a@"+first, false, true), fault.Precondition, "cannot drop a commit that has children")
		if err := r.remove("a@"+second, false, true); err != nil {
			t.Fatal(err)
		}
		if got := r.commit("a@master"); got.ID != first {
			t.Errorf("the head is %s", got.ID)
		}
		if err := r.remove("a@"+first, false, true); err != nil {
			t.Fatal(err)
		}
		if got := r.commit("a@master"); got.ID == first || len(got.Root) != 0 || got.Open() || got.Parent != "" {
			t.Errorf("the head is %+v", got)
		}
	})
}

func TestDrop_WithWhatWasMadeFromIt(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a", "b")
		r.branch("b@master", "a@master")
		id := r.put("a@master", "1")
		wantFault(t, r.remove("a@"+id, false, true), fault.Precondition, "with subvenance without recursive")
		if err := r.remove("a@"+id, true, true); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a@" + id, "b@" + id} {
			if _, err := r.inspect(name); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s is there still: %v", name, err)
			}
		}
	})
}

func TestRemovingSet_NotWhatOthersComeFrom(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a", "b", "c")
		r.branch("c@master", "a@master", "b@master")
		first := r.put("a@master", "1")
		r.do(func(ctx context.Context, c *graph.Change) error {
			return c.FinishCommit(ctx, ref("c@master"), graph.Finish{})
		})
		second := r.put("b@master", "2")
		set := func(id string) error {
			_, err := r.try(func(ctx context.Context, c *graph.Change) error {
				gone, err := removal.Set(ctx, c.Tx(), id, true, nil)
				if err != nil {
					return err
				}
				return gone.Do(ctx, c)
			})
			return err
		}
		wantFault(t, set(first), fault.Precondition, "has subvenant commit sets: "+second)
		wantFault(t, set(graph.NewID()), fault.NotFound, "no commits found for commitset")
		if err := set(second); err != nil {
			t.Fatal(err)
		}
		if err := set(first); err != nil {
			t.Error(err)
		}
	})
}

// What was made from other commits can be forgotten: the commit stays, and nothing that
// follows begins with what it held.
func TestForget_DropsFilesAndKeepsTheCommit(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.repos("a", "b")
		r.branch("b@master", "a@master")
		forget := func(name string) error {
			_, err := r.try(func(ctx context.Context, c *graph.Change) error { return c.Forget(ctx, ref(name)) })
			return err
		}
		finish := func(files string) {
			r.do(func(ctx context.Context, c *graph.Change) error {
				open := r.open(ctx, c, "b@master")
				if err := c.SetFiles(ctx, open.Ref(), open.Root, []byte(files), int64(len(files))); err != nil {
					return err
				}
				return c.FinishCommit(ctx, open.Ref(), graph.Finish{Root: []byte(files), Size: int64(len(files))})
			})
		}
		finish("0")
		id := r.put("a@master", "1")
		wantFault(t, forget("a@"+id), fault.Precondition, "it was made from no other")
		wantFault(t, forget("b@"+id), fault.Precondition, "it has not finished")
		finish("12")
		if err := forget("b@" + id); err != nil {
			t.Fatal(err)
		}
		if got := r.commit("b@" + id); !got.Forgotten || len(got.Root) != 0 || got.Size != 0 || got.Open() {
			t.Errorf("left is %+v", got)
		}
		next := r.put("a@master", "2")
		if got := r.commit("b@" + next); string(got.Root) != "0" { // that of the nearest that is there
			t.Errorf("the next begins with %q", got.Root)
		}
		wantFault(t, forget("b@"+id), fault.Precondition, "has not finished") // its child
	})
}
