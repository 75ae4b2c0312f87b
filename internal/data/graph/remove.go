package graph

import (
	"context"
	"fmt"

	"pachyderm/internal/data/graph/row"
)

// Remove removes commits, which package removal has found to be no loss: children get the
// parent as theirs, heads move back to it, and a branch that would have none gets an empty
// one.
func (c *Change) Remove(ctx context.Context, all []CommitInfo, verb string) error {
	going := map[int64]CommitInfo{}
	for _, one := range all {
		going[one.Key] = one
	}
	for _, one := range all {
		left := one.ParentKey
		for above, also := going[left]; also; above, also = going[left] {
			left = above.ParentKey
		}
		if err := c.leave(ctx, one, left); err != nil {
			return err
		}
	}
	for _, one := range all {
		if err := row.DeleteCommit(ctx, c.tx, one.Key); err != nil {
			return err
		}
		if err := c.changed(ctx, one.Repo); err != nil {
			return err
		}
		if err := c.by.Record(ctx, c.tx, "commit."+verb, "commit/"+one.Ref().String(), fmt.Sprintf("%d bytes", one.Size)); err != nil {
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
	made, err := c.emptyCommit(ctx, r, b.Name, len(sources) > 0)
	if err != nil {
		return err
	}
	return c.moveHead(ctx, b, made.Key)
}
