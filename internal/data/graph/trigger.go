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
		r, err := row.FindRepo(ctx, c.tx, one.Repo)
		if err != nil {
			return err
		}
		all, err := row.BranchesOf(ctx, c.tx, r)
		if err != nil {
			return err
		}
		for _, b := range all {
			if b.HeadKey == key {
				if err := c.fireFrom(ctx, all, b, one); err != nil {
					return err
				}
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
		b.HeadKey = at.Key
		if err := c.moveHead(ctx, *b, at.Key); err != nil {
			return err
		}
		if err := c.fireFrom(ctx, all, *b, at); err != nil {
			return err
		}
	}
	return nil
}

// holds says whether the conditions of a trigger do, between the head that the branch
// has and the commit that it would have.
func (c *Change) holds(ctx context.Context, b BranchInfo, at CommitInfo) (bool, error) {
	head, err := row.CommitByKey(ctx, c.tx, b.HeadKey)
	if err != nil {
		return false, err
	}
	t := b.Trigger
	var conditions []bool
	if t.Size != "" {
		more, err := row.ParseSize(t.Size)
		if err != nil {
			return false, err
		}
		conditions = append(conditions, at.Size-head.Size >= more)
	}
	if t.Commits > 0 {
		between, err := row.Ancestors(ctx, c.tx, at.Key, head.Key, int(min(t.Commits, math.MaxInt32)))
		if err != nil {
			return false, err
		}
		conditions = append(conditions, int64(len(between)) >= t.Commits)
	}
	all, some := true, false
	for _, holds := range conditions {
		all, some = all && holds, some || holds
	}
	if t.All {
		return all, nil
	}
	return some || len(conditions) == 0, nil
}
