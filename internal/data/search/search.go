package search

import (
	"context"
	"iter"

	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/tree"
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
func Find(ctx context.Context, files *file.Service, from graph.Ref, path string) iter.Seq2[Searched, error] {
	return func(yield func(Searched, error) bool) {
		at, err := files.View(ctx, from)
		if err == nil && at.Commit.Open() {
			// The text is upstream's, which clients look for.
			err = fault.New(fault.Unavailable, "commit %s not finished", at.Commit.Ref()).Next("finish it first")
		}
		for err == nil {
			var parent, base *file.View
			if parent, base, err = files.Parent(ctx, at); err != nil {
				break
			}
			var found bool
			if !at.Commit.Forgotten {
				found, err = differs(ctx, base, at, path)
			}
			if err != nil {
				break
			}
			if !yield(Searched{at.Commit, found}, nil) || parent == nil {
				return
			}
			at = parent
		}
		yield(Searched{}, err)
	}
}

func differs(ctx context.Context, a, b *file.View, path string) (bool, error) {
	var all [2][]tree.Entry
	for i, v := range []*file.View{a, b} {
		entries, err := v.Lookup(ctx, path)
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
