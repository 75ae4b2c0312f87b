package file

import (
	"context"
	"iter"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/paths"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// Searched is one commit that was looked at: whether a file was added, changed or
// deleted in it.
type Searched struct {
	Commit graph.CommitInfo
	Found  bool
}

// Find looks for the commits in which a file was added, changed or deleted, from one
// back to its parents. Faults: NotFound; Unavailable for one that has not finished.
func (s *Service) Find(ctx context.Context, from graph.Ref, path string) iter.Seq2[Searched, error] {
	return func(yield func(Searched, error) bool) {
		one, root, err := s.resolve(ctx, from)
		if err == nil && one.Open() {
			// The text is upstream's, which clients look for.
			err = fault.New(fault.Unavailable, "commit %s not finished", one.Ref()).Next("finish it first")
		}
		for err == nil {
			var parent graph.CommitInfo
			var before tree.Root
			if parent, before, err = s.before(ctx, one); err != nil {
				break
			}
			var found bool
			if !one.Forgotten {
				found, err = s.differs(ctx, before, root, path)
			}
			if err != nil {
				break
			}
			if !yield(Searched{one, found}, nil) || parent.ID == "" {
				return
			}
			one = parent
			root, err = rootOf(one.Root)
		}
		yield(Searched{}, err)
	}
}

// before is the parent of a commit, and the files that it was made from.
func (s *Service) before(ctx context.Context, one graph.CommitInfo) (parent graph.CommitInfo, root tree.Root, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		var stored []byte
		if parent, stored, err = graph.BaseOf(ctx, tx, one); err != nil {
			return err
		}
		root, err = rootOf(stored)
		return err
	})
	return parent, root, err
}

func (s *Service) differs(ctx context.Context, a, b tree.Root, path string) (bool, error) {
	var all [2][]tree.Entry
	for i, root := range []tree.Root{a, b} {
		entries, err := tree.Lookup(ctx, stored{s.packs, graph.Ref{}}, root, paths.Form(path))
		if err != nil {
			return false, err
		}
		all[i] = entries
	}
	if len(all[0]) != len(all[1]) {
		return true, nil
	}
	for i, e := range all[0] {
		if o := all[1][i]; e.Hash != o.Hash || e.Datum != o.Datum || e.Dir != o.Dir {
			return true, nil
		}
	}
	return false, nil
}
