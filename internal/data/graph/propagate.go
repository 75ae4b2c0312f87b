package graph

import (
	"context"

	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/fault"
)

// end does what follows from a change: triggers move heads, and every branch that is
// made from one that has changed gets a commit, once.
func (c *Change) end(ctx context.Context) error {
	if err := c.fireTriggers(ctx); err != nil {
		return err
	}
	reached := map[int64]BranchInfo{}
	for id := range c.touched {
		below, err := c.follow(ctx, id)
		if err != nil {
			return err
		}
		for _, b := range below {
			reached[b.Key] = b
		}
		own, err := row.BranchByKey(ctx, c.tx, id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err == nil {
			reached[own.Key] = own
		}
	}
	all := make([]BranchInfo, 0, len(reached))
	for _, b := range reached {
		all = append(all, b)
	}
	sorted, err := inOrder(ctx, c.tx, all)
	if err != nil {
		return err
	}
	for _, b := range sorted {
		if err := c.propagateTo(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// follow are the branches that a new commit on one makes commits on: those below it,
// but for those that said never.
func (c *Change) follow(ctx context.Context, id int64) (all []BranchInfo, err error) {
	seen, next := map[int64]bool{id: true}, []int64{id}
	for len(next) > 0 {
		made, err := row.MadeDirectly(ctx, c.tx, next[0])
		if err != nil {
			return nil, err
		}
		next = next[1:]
		for _, m := range made {
			if m.Never || seen[m.Key] {
				continue
			}
			seen[m.Key] = true
			all, next = append(all, m.BranchInfo), append(next, m.Key)
		}
	}
	return all, nil
}

// propagateTo makes a commit on a branch that others have changed, which comes from
// the heads that these have now.
func (c *Change) propagateTo(ctx context.Context, b BranchInfo) error {
	sources, err := row.Heads(ctx, c.tx, b.Key)
	if err != nil || len(sources) == 0 {
		return err
	}
	only := true // of specifications
	for _, s := range sources {
		only = only && s.Repo.Type == SpecRepo
	}
	r, err := row.FindRepo(ctx, c.tx, b.Repo)
	if err != nil {
		return err
	}
	head, err := row.CommitByKey(ctx, c.tx, b.HeadKey)
	if err != nil {
		return err
	}
	made := head
	if head.ID != c.ID {
		if only { // a spout makes its own
			return nil
		}
		if made, err = c.newCommit(ctx, r, b.Name, head, ByRule, ""); err != nil {
			return err
		}
		if err := c.moveHead(ctx, b, made.Key); err != nil {
			return err
		}
	}
	for _, s := range sources {
		if err := row.InsertProvenance(ctx, c.tx, made.Key, s.Key); err != nil {
			return err
		}
	}
	return nil
}
