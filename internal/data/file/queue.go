package file

import (
	"context"
	"sync"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
)

// maxTogether is how many sessions become commits in one transaction.
const maxTogether = 64

// queues has sessions that write to one target become commits one after another, many
// in one transaction: each would lose against the others otherwise, and try again.
// Replicas do lose against one another.
type queues struct {
	mu      sync.Mutex
	waiting map[graph.Ref][]*request // of targets that somebody works on
}

// request is a session that is to become part of a commit.
type request struct {
	session *Session
	settled settled
	edits   []tree.Edit
	// On from, which the session has seen, changes are enough, and to is what they make of
	// it, if that is stored already.
	from    tree.Root
	changes []tree.Edit
	to      *tree.Root
	id      string // the global id, if it becomes a commit of its own

	made graph.Written
	err  error
	done chan struct{}
}

// busy says whether somebody works on a target.
func (q *queues) busy(target graph.Ref) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, working := q.waiting[target]
	return working
}

// submit has a session become part of its target, and waits until it has. If ctx ends
// first, it may become so nevertheless.
func (s *Service) submit(ctx context.Context, r *request) (graph.Written, error) {
	s.queues.mu.Lock()
	queue, working := s.queues.waiting[r.session.target]
	s.queues.waiting[r.session.target] = append(queue, r)
	s.queues.mu.Unlock()
	if !working {
		go s.work(context.WithoutCancel(ctx), r.session.target)
	}
	select {
	case <-r.done:
		return r.made, r.err
	case <-ctx.Done():
		return graph.Written{}, ctx.Err()
	}
}

// work goes on until nobody waits for a target.
func (s *Service) work(ctx context.Context, target graph.Ref) {
	for {
		s.queues.mu.Lock()
		queue := s.queues.waiting[target]
		batch := queue[:min(len(queue), maxTogether)]
		s.queues.waiting[target] = queue[len(batch):]
		if len(batch) == 0 {
			delete(s.queues.waiting, target)
		}
		s.queues.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		s.together(ctx, target, batch)
	}
}

// together has sessions become commits, in one transaction if nothing is wrong with any
// of them, and one by one otherwise.
func (s *Service) together(ctx context.Context, target graph.Ref, batch []*request) {
	var live []*request
	for _, r := range batch {
		if r.err = r.session.ctx.Err(); r.err != nil {
			close(r.done)
			continue
		}
		live = append(live, r)
	}
	if len(live) > 1 {
		if err := s.again(ctx, func() error { return s.attempt(ctx, target, live) }); err == nil {
			for _, r := range live {
				close(r.done)
			}
			return
		}
	}
	for _, r := range live {
		r.err = s.again(ctx, func() error { return s.attempt(ctx, target, []*request{r}) })
		close(r.done)
	}
}

// attempt makes the edits on what the target is now, and then changes it, unless
// something has come before.
func (s *Service) attempt(ctx context.Context, target graph.Ref, batch []*request) error {
	base, err := s.baseOf(ctx, target)
	if err != nil {
		return err
	}
	packs := s.packs.Writer(ctx)
	defer packs.Close()
	nodes := writing(stored{s.packs, target}, packs)
	files := make([]graph.Files, len(batch))
	for i, r := range batch {
		if base, files[i], err = s.apply(ctx, nodes, base, r); err != nil {
			return err
		}
	}
	if err := packs.Flush(ctx); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		if err := packs.Keep(ctx, tx); err != nil {
			return err
		}
		for i, r := range batch {
			if err := r.session.packs.Keep(ctx, tx); err != nil {
				return err
			}
			err := graph.In(ctx, tx, r.session.by, r.id, func(c *graph.Change) (err error) {
				r.made, err = c.Write(ctx, target, files[i])
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// apply makes edits, and says what a commit then is to hold.
func (s *Service) apply(ctx context.Context, nodes tree.Nodes, base tree.Root, r *request) (tree.Root, graph.Files, error) {
	root, err := r.settled.onto(ctx, nodes, base)
	if err != nil {
		return root, graph.Files{}, err
	}
	switch {
	case root != r.from:
		root, err = tree.Apply(ctx, nodes, root, r.edits)
	case r.to != nil:
		root = *r.to
	default:
		root, err = tree.Apply(ctx, nodes, root, r.changes)
	}
	if err != nil {
		return root, graph.Files{}, err
	}
	f := graph.Files{Size: root.Size, From: tree.Stored(base), To: tree.Stored(root)}
	f.Problem, err = s.problem(ctx, nodes, root)
	return root, f, err
}

// written are nodes, which are there before they are stored.
type written struct {
	stored
	packs *pack.Writer
	fresh map[tree.ID][]byte
}

func writing(s stored, packs *pack.Writer) *written { return &written{s, packs, map[tree.ID][]byte{}} }

// Get finds a node that was put, or one that is stored.
func (w *written) Get(ctx context.Context, id tree.ID) ([]byte, error) {
	if data, ok := w.fresh[id]; ok {
		return data, nil
	}
	return w.stored.Get(ctx, id)
}

// Put writes a node.
func (w *written) Put(ctx context.Context, data []byte) (tree.ID, error) {
	id, err := w.packs.Put(ctx, data)
	if err == nil {
		w.fresh[id] = append([]byte{}, data...)
	}
	return id, err
}
