package history

import (
	"context"
	"iter"
	"math"
	"slices"
	"time"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
)

// List says which commits of a repository are wanted, newest first.
type List struct {
	Repo    graph.Repo
	From    *graph.Ref // where to stop, exclusive
	To      *graph.Ref // where to begin to go back by parents; nil for all in the order in which they were made
	Reverse bool       // oldest first
	Origin  graph.Origin
	Before  time.Time // only commits that were started earlier; zero for all
}

// Commits are the commits that are wanted, with what is around them. They are read
// by pages: what begins or ends meanwhile may be among them or not. Faults: Invalid,
// NotFound.
func Commits(ctx context.Context, d *db.DB, l List) iter.Seq2[graph.CommitInfo, error] {
	return func(yield func(graph.CommitInfo, error) bool) {
		from, to, err := l.ends(ctx, d)
		if err != nil {
			yield(graph.CommitInfo{}, err)
			return
		}
		pages := l.bySeq(ctx, d, from)
		if l.To != nil {
			pages = l.back(ctx, d, to, from)
		}
		for page, err := range pages {
			if err != nil {
				yield(graph.CommitInfo{}, err)
				return
			}
			for _, one := range page {
				if l.wants(one) && !yield(one, nil) {
					return
				}
			}
		}
	}
}

func (l List) wants(one graph.CommitInfo) bool {
	return (l.Origin == 0 || one.Origin == l.Origin) && (l.Before.IsZero() || one.Started.Before(l.Before))
}

// ends resolves From and To.
func (l List) ends(ctx context.Context, d *db.DB) (from, to graph.CommitInfo, err error) {
	err = d.View(ctx, func(tx *db.Tx) (err error) {
		if _, err = row.FindRepo(ctx, tx, l.Repo); err != nil {
			return err
		}
		if l.From != nil {
			if from, err = graph.Resolve(ctx, tx, *l.From); err != nil {
				return err
			}
		}
		if l.To != nil {
			to, err = graph.Resolve(ctx, tx, *l.To)
		}
		return err
	})
	return from, to, err
}

// back goes from a commit to its parents. Oldest first it has to be at the end first,
// and keeps the keys only.
func (l List) back(ctx context.Context, d *db.DB, at, end graph.CommitInfo) iter.Seq2[[]graph.CommitInfo, error] {
	return func(yield func([]graph.CommitInfo, error) bool) {
		most := row.PageSize
		if l.Reverse {
			most = math.MaxInt32
		}
		for from, seen := at.Key, 0; ; seen = 1 {
			var keys []int64
			err := d.View(ctx, func(tx *db.Tx) (err error) {
				keys, err = row.Ancestors(ctx, tx, from, end.Key, most)
				return err
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if len(keys) <= seen {
				return
			}
			from = keys[len(keys)-1]
			keys = keys[seen:]
			if l.Reverse {
				slices.Reverse(keys)
			}
			for some := range slices.Chunk(keys, row.PageSize) {
				page, err := l.read(ctx, d, func(tx *db.Tx) ([]graph.CommitInfo, error) { return row.CommitsByKey(ctx, tx, some) })
				if !yield(page, err) || err != nil {
					return
				}
			}
			if l.Reverse {
				return
			}
		}
	}
}

// bySeq goes through all commits of a repository.
func (l List) bySeq(ctx context.Context, d *db.DB, from graph.CommitInfo) iter.Seq2[[]graph.CommitInfo, error] {
	return func(yield func([]graph.CommitInfo, error) bool) {
		for after := int64(0); ; {
			page, err := l.read(ctx, d, func(tx *db.Tx) ([]graph.CommitInfo, error) {
				r, err := row.FindRepo(ctx, tx, l.Repo)
				if err != nil {
					return nil, err
				}
				return row.CommitsPage(ctx, tx, r.Key, from.Seq, after, l.Reverse)
			})
			if err != nil || len(page) == 0 || !yield(page, nil) {
				if err != nil {
					yield(nil, err)
				}
				return
			}
			after = page[len(page)-1].Seq
		}
	}
}

// read reads a page, with what is around each commit.
func (l List) read(ctx context.Context, d *db.DB, f func(*db.Tx) ([]graph.CommitInfo, error)) (page []graph.CommitInfo, err error) {
	err = d.View(ctx, func(tx *db.Tx) (err error) {
		if page, err = f(tx); err != nil {
			return err
		}
		for i := range page {
			page[i].Repo = l.Repo
		}
		return row.FillCommits(ctx, tx, page)
	})
	return page, err
}
