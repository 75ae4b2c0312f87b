package graph

import (
	"context"
	"math"

	"pachyderm/internal/data/graph/row"
)

// fireTriggers moves the heads of branches whose trigger holds for a commit that has
// finished, and of those that these trigger.
func (c *Change) fireTriggers(ctx context.Context) error {
	for key := range c.finished {
		one, err := row.CommitByKey(ctx, c.tx, key)
		if err != nil {
			return err
		}
		if one.Error != "" {
			continue
		}
		all, err := row.Followers(ctx, c.tx, one.RepoKey)
		if err != nil {
			return err
		}
		heads, err := row.BranchesAt(ctx, c.tx, key)
		if err != nil {
			return err
		}
		for _, b := range heads {
			if err := c.fireFrom(ctx, all, b, one); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Change) fireFrom(ctx context.Context, all []BranchInfo, from BranchInfo, at CommitInfo) error {
	for i := range all {
		b := &all[i]
		if b.Trigger.Branch != from.Name || b.HeadKey == at.Key {
			continue
		}
		holds, err := c.holds(ctx, *b, at)
		if err != nil {
			return err
		}
		if !holds {
			continue
		}
		if err := c.fire(ctx, all, b, at); err != nil {
			return err
		}
	}
	return nil
}

// fire moves the head of a branch by its trigger. Nobody is asked for a right: whoever
// made the trigger was, and the audit says who that is.
func (c *Change) fire(ctx context.Context, all []BranchInfo, b *BranchInfo, at CommitInfo) error {
	b.HeadKey = at.Key
	if err := c.moveHead(ctx, *b, at.Key); err != nil {
		return err
	}
	if err := c.changed(ctx, b.Repo); err != nil {
		return err
	}
	if err := c.by.Record(ctx, c.tx, "branch.trigger", "branch/"+b.String(), at.Ref().String()+", branch made by "+b.CreatedBy); err != nil {
		return err
	}
	return c.fireFrom(ctx, all, *b, at)
}

// Follow moves the head of a branch that follows another at set times to a commit of it,
// and the heads of those that follow this one.
func (c *Change) Follow(ctx context.Context, branch int64, at CommitInfo) error {
	all, err := row.Followers(ctx, c.tx, at.RepoKey)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].Key == branch {
			return c.fire(ctx, all, &all[i], at)
		}
	}
	return nil
}

// holds asks a trigger about a commit that its branch would have as head.
func (c *Change) holds(ctx context.Context, b BranchInfo, at CommitInfo) (bool, error) {
	head, err := row.CommitByKey(ctx, c.tx, b.HeadKey)
	if err != nil || b.Trigger.Cron != "" { // at its times, and not when a commit ends
		return false, err
	}
	var between []int64
	if b.Trigger.Commits > 0 {
		if between, err = row.Ancestors(ctx, c.tx, at.Key, head.Key, int(min(b.Trigger.Commits, math.MaxInt32))); err != nil {
			return false, err
		}
	}
	return b.Trigger.Holds(head, at, int64(len(between)))
}
