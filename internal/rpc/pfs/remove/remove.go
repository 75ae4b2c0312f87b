package remove

import (
	"context"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/removal"
	"pachyderm/internal/fault"
	"pachyderm/internal/rpc/pfs/guard"
)

// What says what is to be removed: the commits of a global id, or one.
type What struct {
	Set             *pb.CommitSet // nil for one
	Commit          graph.Ref
	Recursive, Drop bool
}

// Do asks for the right in each repository that loses a commit. What is wrong with
// the removal is said only to whoever may make it.
func Do(ctx context.Context, c *graph.Change, what What) error {
	r, wrong, err := what.find(ctx, c)
	if err != nil {
		return err
	}
	if wrong != nil {
		return wrong
	}
	return r.Do(ctx, c)
}

// Plan is what would be removed, and which heads would move; or, as wrong, why nothing would.
type Plan struct {
	Commits []graph.CommitInfo
	Moves   []removal.Move
	Wrong   error
}

// Try is Do within a change that is not to be kept.
func Try(ctx context.Context, c *graph.Change, what What) (p Plan, err error) {
	r, wrong, err := what.find(ctx, c)
	if err != nil {
		return p, err
	}
	p.Commits, p.Wrong = r.Commits, wrong
	if wrong == nil {
		p.Moves, err = r.Try(ctx, c)
	}
	return p, err
}

// find asks for the right; wrong is what is wrong with the removal.
func (w What) find(ctx context.Context, c *graph.Change) (r removal.Removal, wrong, err error) {
	if w.Set != nil {
		r, wrong = removal.Set(ctx, c.Tx(), w.Set.GetId(), w.Drop, c.Sees)
	} else {
		if err := guard.Allow(ctx, w.Commit.Repo, access.RepoDeleteCommit); err != nil {
			return r, nil, err
		}
		r, wrong = removal.One(ctx, c.Tx(), w.Commit, w.Recursive, w.Drop)
	}
	if err := mayRemove(ctx, r.Commits); err != nil {
		return r, nil, err
	}
	if len(r.Commits) == 0 { // there is nothing to plan
		return r, nil, wrong
	}
	return r, wrong, nil
}

// mayRemove names no repository that the caller may not see.
func mayRemove(ctx context.Context, all []graph.CommitInfo) error {
	hidden := 0
	for _, one := range all {
		err := guard.Allow(ctx, one.Repo, access.RepoDeleteCommit)
		switch {
		case fault.Is(err, fault.NotFound):
			hidden++
		case err != nil:
			return err
		}
	}
	switch {
	case hidden > 0 && hidden == len(all):
		return fault.New(fault.NotFound, "no commits found for commitset %s", all[0].ID).Next("see pachctl list commit")
	case hidden > 0:
		return fault.New(fault.Denied, "not authorized: %d commits in repositories that you may not see would go as well", hidden).
			Next("ask somebody who may delete commits in all of them")
	}
	return nil
}
