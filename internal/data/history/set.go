package history

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// Set is the commits of one global id.
type Set struct {
	ID      string
	Commits []graph.CommitInfo
}

// Set are the commits of a global id and those that they come from, each after what it
// comes from; with wait, once they have finished. Only those in repositories that the
// caller sees are there, and waited for. Fault: NotFound.
func (w *Waiting) Set(ctx context.Context, id string, wait bool, sees func(graph.Repo) bool) (all []graph.CommitInfo, err error) {
	if !graph.IsID(id) {
		return nil, fault.New(fault.Invalid, "invalid id of a commit set %q", fault.Clean(id, 100)).Next("see pachctl list commit")
	}
	err = w.db.View(ctx, func(tx *db.Tx) error {
		found, err := row.CommitsOfSet(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, one := range found {
			if sees(one.Repo) {
				all = append(all, one)
			}
		}
		return fillAll(ctx, tx, all)
	})
	if err == nil && !slices.ContainsFunc(all, func(c graph.CommitInfo) bool { return c.ID == id }) {
		// The text is upstream's, which clients look for.
		err = fault.New(fault.NotFound, "no commits found for commitset %s", id).Next("see pachctl list commit")
	}
	if err != nil || !wait {
		return all, err
	}
	for i := range all {
		if all[i], err = w.Commit(ctx, all[i].Ref(), IsFinished); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fillAll adds what is around commits, and orders them so that each comes after what
// it comes from: these were made before, or in the order of a change.
func fillAll(ctx context.Context, tx *db.Tx, all []graph.CommitInfo) error {
	if err := row.FillCommits(ctx, tx, all); err != nil {
		return err
	}
	above := map[int64]int64{}
	for i := range all {
		n, err := row.CountAbove(ctx, tx, all[i].Key)
		if err != nil {
			return err
		}
		above[all[i].Key] = n
	}
	slices.SortFunc(all, func(a, b graph.CommitInfo) int {
		return cmp.Or(cmp.Compare(above[a.Key], above[b.Key]), cmp.Compare(a.Repo.String(), b.Repo.String()))
	})
	return nil
}

// Sets are the commit sets that have a commit in a project, or with "" in any, newest
// first. They are read by pages.
func Sets(ctx context.Context, d *db.DB, inProject string) iter.Seq2[Set, error] {
	return func(yield func(Set, error) bool) {
		before := row.LatestSet
		for {
			page, next, err := setsPage(ctx, d, inProject, before)
			if err != nil {
				yield(Set{}, err)
				return
			}
			for _, set := range page {
				if !yield(set, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
			before = next
		}
	}
}

func setsPage(ctx context.Context, d *db.DB, inProject string, before row.At) (page []Set, next row.At, err error) {
	err = d.View(ctx, func(tx *db.Tx) error {
		var ids []string
		if ids, next, err = row.SetsPage(ctx, tx, inProject, before); err != nil {
			return err
		}
		page = make([]Set, len(ids))
		for i, id := range ids {
			page[i].ID = id
			if page[i].Commits, err = row.CommitsWith(ctx, tx, id); err != nil {
				return err
			}
			if err := fillAll(ctx, tx, page[i].Commits); err != nil {
				return err
			}
		}
		return nil
	})
	return page, next, err
}
