package removal

import (
	"context"
	"slices"
	"strings"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// Removal is commits that are to be removed together. To squash them leaves what they
// hold to the commits after them; to drop them does not, so that nothing may come
// after them.
type Removal struct {
	Commits []graph.CommitInfo
	drop    bool
}

// One finds what goes with a commit: itself and, which has to be asked for by
// recursive, all that was made from it. Faults: NotFound, Precondition.
func One(ctx context.Context, tx *db.Tx, ref graph.Ref, recursive, drop bool) (Removal, error) {
	one, err := graph.Resolve(ctx, tx, ref)
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

// Set finds the commits of a global id. What is wrong names only what is in repositories
// that sees says; nil is all. Faults: NotFound, Precondition.
func Set(ctx context.Context, tx *db.Tx, id string, drop bool, sees func(graph.Repo) bool) (Removal, error) {
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
			other := m.ID
			if sees != nil && !sees(m.Repo) {
				other = "one that you may not see"
			}
			if m.ID != id && !slices.Contains(others, other) {
				others = append(others, other)
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

// verb is what the removal does, as commands and the audit call it.
func (r Removal) verb() string {
	if r.drop {
		return "drop"
	}
	return "squash"
}

func names(all []graph.CommitInfo) string {
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
		if one.Repo.Type == graph.SpecRepo && one.Origin == graph.ByUser {
			return fault.New(fault.Precondition, "cannot %s commit %s because it updated a pipeline", r.verb(), one.Ref())
		}
		children, err := row.Children(ctx, tx, one.Key)
		if err != nil {
			return err
		}
		children = slices.DeleteFunc(children, func(c graph.CommitInfo) bool { return going[c.Key] })
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

// Do makes the removal part of a change.
func (r Removal) Do(ctx context.Context, c *graph.Change) error {
	return c.Remove(ctx, r.Commits, r.verb())
}

// Move is a branch that gets another head; To is "" for a new, empty commit.
type Move struct {
	Branch   graph.Branch
	From, To string
}

// Try does the removal within a change that is not to be kept, and says which heads move.
func (r Removal) Try(ctx context.Context, c *graph.Change) (moves []Move, err error) {
	var before []graph.BranchInfo
	for _, one := range r.Commits {
		at, err := row.BranchesAt(ctx, c.Tx(), one.Key)
		if err != nil {
			return nil, err
		}
		for _, b := range at {
			before = append(before, b)
			moves = append(moves, Move{Branch: b.Branch, From: one.ID})
		}
	}
	if err := r.Do(ctx, c); err != nil {
		return nil, err
	}
	for i, b := range before {
		now, err := graph.InspectBranch(ctx, c.Tx(), b.Branch)
		if err != nil {
			return nil, err
		}
		if now.Head.Name != c.ID { // that would be one that the removal makes
			moves[i].To = now.Head.Name
		}
	}
	return moves, nil
}
