package history

import (
	"context"
	"iter"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// State is how far a commit is.
type State int

// The states, each after the one before. A commit is ready when those that it was
// made from have finished.
const (
	IsStarted State = iota
	IsReady
	IsFinished
)

// Waiting lets callers wait for commits. Make one of a database.
type Waiting struct {
	db      *db.DB
	changed *db.Signals
}

// NewWaiting makes a Waiting; call it before commits are made.
func NewWaiting(d *db.DB) *Waiting { return &Waiting{d, d.Signals(graph.Topic)} }

// Commit is a commit once it is in a state. Faults: NotFound, also of one that is
// deleted meanwhile.
func (w *Waiting) Commit(ctx context.Context, ref graph.Ref, state State) (one graph.CommitInfo, err error) {
	changed, stop := w.changed.On(graph.TopicKey(ref.Repo))
	defer stop()
	for {
		err = w.db.View(ctx, func(tx *db.Tx) (err error) {
			if one, err = graph.InspectCommit(ctx, tx, ref); err != nil {
				return err
			}
			ref = one.Ref() // a branch's head may be another soon
			return nil
		})
		if err != nil || (state == IsStarted || !one.Open()) {
			return one, err
		}
		if state == IsReady {
			// What it comes from is in other repositories: each is waited for there.
			for _, m := range one.Provenance {
				if _, err := w.Commit(ctx, graph.Ref{Repo: m.Repo, Name: m.ID}, IsFinished); err != nil && !fault.Is(err, fault.NotFound) {
					return one, err
				}
			}
			return one, nil
		}
		select {
		case <-ctx.Done():
			return one, ctx.Err()
		case <-changed:
		}
	}
}

// Subscribe are the commits of a branch, or with "" of a repository, after one if
// from is given, oldest first: those that are there, and then each that comes, once it
// is in a state. It ends with ctx.
func (w *Waiting) Subscribe(ctx context.Context, r graph.Repo, branch string, from *graph.Ref, state State) iter.Seq2[graph.CommitInfo,
	error] {
	return func(yield func(graph.CommitInfo, error) bool) {
		changed, stop := w.changed.On(graph.TopicKey(r))
		defer stop()
		after, err := w.seqOf(ctx, from)
		for err == nil {
			var page []graph.CommitInfo
			if page, err = w.page(ctx, r, after); err != nil {
				break
			}
			for _, one := range page {
				after = one.Seq
				if (branch == "" || one.Branch == branch) && !w.pass(ctx, one, state, yield) {
					return
				}
			}
			if len(page) > 0 {
				continue
			}
			select {
			case <-ctx.Done():
				err = ctx.Err()
			case <-changed:
			}
		}
		yield(graph.CommitInfo{}, err)
	}
}

// pass yields a commit once it is in a state; it is false at the end.
func (w *Waiting) pass(ctx context.Context, one graph.CommitInfo, state State, yield func(graph.CommitInfo, error) bool) bool {
	one, err := w.Commit(ctx, one.Ref(), state)
	if fault.Is(err, fault.NotFound) {
		return true // it was dropped meanwhile
	}
	return yield(one, err) && err == nil
}

// seqOf is where a commit is among those of its repository; 0 for none.
func (w *Waiting) seqOf(ctx context.Context, ref *graph.Ref) (seq int64, err error) {
	if ref == nil {
		return 0, nil
	}
	err = w.db.View(ctx, func(tx *db.Tx) error {
		one, err := graph.Resolve(ctx, tx, *ref)
		seq = one.Seq
		return err
	})
	return seq, err
}

// page are the next commits of a repository. Fault: NotFound once it is deleted.
func (w *Waiting) page(ctx context.Context, r graph.Repo, after int64) (page []graph.CommitInfo, err error) {
	err = w.db.View(ctx, func(tx *db.Tx) error {
		info, err := row.FindRepo(ctx, tx, r)
		if err != nil {
			return err
		}
		page, err = row.CommitsPage(ctx, tx, info.Key, 0, after, true)
		return err
	})
	return page, err
}
