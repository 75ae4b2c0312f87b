package graph

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// Removal is commits that are to be removed together. To squash them leaves what they
// hold to the commits after them; to drop them does not, so that nothing may come
// after them.
type Removal struct {
	Commits []CommitInfo
	drop    bool
}

// Removing finds what goes with a commit: itself and, which has to be asked for by
// recursive, all that was made from it. Faults: NotFound, Precondition.
func Removing(ctx context.Context, tx *db.Tx, ref Ref, recursive, drop bool) (Removal, error) {
	one, err := resolve(ctx, tx, ref)
	if err != nil {
		return Removal{}, err
	}
	made, err := row.CommitsMade(ctx, tx, one.Key)
	if err != nil {
		return Removal{}, err
	}
	r := Removal{Commits: append(made, one), drop: drop}
	if len(made) > 0 && !recursive {
		// The text is upstream's, which clients look for.
		return r, fault.New(fault.Precondition, "cannot %s commit (%s) with subvenance without recursive", r.verb(), one.Ref()).
			Next("use --recursive to remove with it what was made from it: %s", names(made))
	}
	return r, r.check(ctx, tx)
}

// RemovingSet finds the commits of a global id. Faults: NotFound, Precondition.
func RemovingSet(ctx context.Context, tx *db.Tx, id string, drop bool) (Removal, error) {
	all, err := row.CommitsWith(ctx, tx, id)
	if err != nil {
		return Removal{}, err
	}
	if len(all) == 0 {
		return Removal{}, fault.New(fault.NotFound, "no commits found for commitset %s", fault.Clean(id, 100)).Next("see pachctl list commit")
	}
	r := Removal{Commits: all, drop: drop}
	var others []string
	for _, one := range all {
		made, err := row.CommitsMade(ctx, tx, one.Key)
		if err != nil {
			return r, err
		}
		for _, m := range made {
			if m.ID != id && !slices.Contains(others, m.ID) {
				others = append(others, m.ID)
			}
		}
	}
	if len(others) > 0 {
		// The text is upstream's, which clients look for.
		return r, fault.New(fault.Precondition,
			"commit set %q cannot be dropped because it has subvenant commit sets: %s", id, strings.Join(others, ", ")).
			Next("remove these first")
	}
	return r, r.check(ctx, tx)
}

func (r Removal) verb() string {
	if r.drop {
		return "drop"
	}
	return "squash"
}

func names(all []CommitInfo) string {
	out := make([]string, len(all))
	for i, c := range all {
		out[i] = c.Ref().String()
	}
	return strings.Join(out, ", ")
}

// check refuses to lose what somebody has written, and what is still being written from.
func (r Removal) check(ctx context.Context, tx *db.Tx) error {
	going := map[int64]bool{}
	for _, one := range r.Commits {
		going[one.Key] = true
	}
	for _, one := range r.Commits {
		if one.Repo.Type == SpecRepo && one.Origin == ByUser {
			return fault.New(fault.Precondition, "cannot %s commit %s because it updated a pipeline", r.verb(), one.Ref())
		}
		children, err := row.Children(ctx, tx, one.Key)
		if err != nil {
			return err
		}
		children = slices.DeleteFunc(children, func(c CommitInfo) bool { return going[c.Key] })
		// The texts are upstream's, which clients look for.
		switch {
		case r.drop && len(children) > 0:
			return fault.New(fault.Precondition, "cannot drop a commit that has children: %s", one.Ref()).
				Next("drop these first (%s), or squash it, which leaves them what it holds", names(children))
		case !r.drop && len(children) == 0:
			return fault.New(fault.Precondition, "cannot squash a commit that has no children as that would cause data loss: %s", one.Ref()).
				Next("to lose what it holds, drop it: pachctl delete commit")
		}
		for _, child := range children {
			if child.Open() {
				return fault.New(fault.Precondition, "cannot squash until child commit %s is finished, consider using WaitCommit", child.Ref()).
					Next("finish it first")
			}
		}
	}
	return nil
}

// Remove removes commits: children get the parent as theirs, heads move back to it, and
// a branch that would have none gets an empty one.
func (c *Change) Remove(ctx context.Context, r Removal) error {
	going := map[int64]CommitInfo{}
	for _, one := range r.Commits {
		going[one.Key] = one
	}
	for _, one := range r.Commits {
		left := one.ParentKey
		for above, also := going[left]; also; above, also = going[left] {
			left = above.ParentKey
		}
		if err := c.leave(ctx, one, left); err != nil {
			return err
		}
	}
	for _, one := range r.Commits {
		if err := row.DeleteCommit(ctx, c.tx, one.Key); err != nil {
			return err
		}
		if err := c.changed(ctx, one.Repo); err != nil {
			return err
		}
		if err := c.by.Record(ctx, c.tx, "commit."+r.verb(), "commit/"+one.Ref().String(), fmt.Sprintf("%d bytes", one.Size)); err != nil {
			return err
		}
	}
	return nil
}

// leave gives children and branches of a commit that goes another commit, if there is one.
func (c *Change) leave(ctx context.Context, one CommitInfo, left int64) error {
	if err := row.MoveChildren(ctx, c.tx, one.Key, left); err != nil {
		return err
	}
	heads, err := row.BranchesAt(ctx, c.tx, one.Key)
	if err != nil {
		return err
	}
	for _, b := range heads {
		if left != 0 {
			b.HeadKey = left
			if err := row.UpdateBranch(ctx, c.tx, b, c.now()); err != nil {
				return err
			}
			continue
		}
		if err := c.emptyHead(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// emptyHead gives a branch that has lost its only commit an empty one.
func (c *Change) emptyHead(ctx context.Context, b BranchInfo) error {
	r, err := row.FindRepo(ctx, c.tx, b.Repo)
	if err != nil {
		return err
	}
	sources, err := row.SourcesOf(ctx, c.tx, b.Key)
	if err != nil {
		return err
	}
	made, err := c.newCommit(ctx, r, b.Name, CommitInfo{}, ByRule, "")
	if err != nil {
		return err
	}
	if len(sources) == 0 { // nothing will come to finish it
		made.Finished = c.now()
		if err := row.UpdateCommit(ctx, c.tx, made); err != nil {
			return err
		}
	}
	return c.moveHead(ctx, b, made.Key)
}
