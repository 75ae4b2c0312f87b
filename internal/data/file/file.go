package file

import (
	"context"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// maxShown is how many characters of a path or a pattern stand in an error.
const maxShown = 200

// Service writes and reads files. It is safe for concurrent use.
type Service struct {
	db     *db.DB
	packs  *pack.Service
	queues queues
}

// New makes a service.
func New(d *db.DB, packs *pack.Service) *Service {
	return &Service{db: d, packs: packs, queues: queues{waiting: map[graph.Ref][]*request{}}}
}

// stored are the nodes that trees are read from.
type stored struct {
	packs *pack.Service
	of    graph.Ref // whose files they are, for people; zero if that is not known
}

// Get ends with the call, also where nodes are at hand and nothing that is found is sent.
func (s stored) Get(ctx context.Context, id tree.ID) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := s.packs.Get(ctx, id)
	if s.of == (graph.Ref{}) {
		return data, spoiled(err, "a part of a list of files")
	}
	return data, spoiled(err, "a part of the list of files of "+s.of.String())
}

func (s stored) Ahead(ctx context.Context, ids []tree.ID) { s.packs.Ahead(ctx, ids) }

func (s stored) Sum(data []byte) [32]byte { return s.packs.Sum(data) }

func (stored) Put(context.Context, []byte) (tree.ID, error) {
	return tree.ID{}, fault.New(fault.Internal, "a node was written while reading")
}

// Finish ends a commit. Files that cannot be as they are, such as one of two datums,
// end it with an error that says so. Faults: Invalid, NotFound, Precondition.
func (s *Service) Finish(ctx context.Context, by audit.By, ref graph.Ref, description, failed string) error {
	if err := graph.CheckText("error", failed); err != nil {
		return err
	}
	return s.again(ctx, func() error {
		one, root, err := s.resolve(ctx, ref)
		if err != nil {
			return err
		}
		f := graph.Finish{Description: description, Error: failed, Root: one.Root, Size: root.Size}
		if f.Error == "" {
			if f.Error, err = s.problem(ctx, stored{s.packs, one.Ref()}, root); err != nil {
				return err
			}
		}
		return graph.Update(ctx, s.db, by, func(c *graph.Change) error { return c.FinishCommit(ctx, one.Ref(), f) })
	})
}

// Finishing is the size in bytes of what a commit holds, for a change that ends it
// together with others. If the files cannot be as they are, problem says so, unless it
// says something already.
func Finishing(stored []byte, problem *string) (size int64, err error) {
	root, err := tree.ReadRoot(stored)
	if root.Conflicts > 0 && *problem == "" {
		*problem = "duplicate path output by different datums, or file / directory path collision"
	}
	return root.Size, err
}

// problem says why files cannot be as they are, or "". The texts are upstream's.
func (s *Service) problem(ctx context.Context, nodes tree.Nodes, root tree.Root) (string, error) {
	if root.Conflicts == 0 {
		return "", nil
	}
	c, err := tree.FirstConflict(ctx, nodes, root)
	if err != nil || c == nil {
		return "", err
	}
	return c.String(), nil
}

// attempts is how often something is tried that another change can come before.
const attempts = 50

// again repeats what lost against another change.
func (s *Service) again(ctx context.Context, f func() error) (err error) {
	for n := range attempts {
		if err = f(); !fault.Is(err, fault.Conflict) {
			return err
		}
		if err := db.Pause(ctx, n); err != nil {
			return err
		}
	}
	return err
}

// resolve finds a commit and what its files are. Faults: NotFound, Precondition.
func (s *Service) resolve(ctx context.Context, ref graph.Ref) (one graph.CommitInfo, root tree.Root, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		one, err = graph.Resolve(ctx, tx, ref)
		return err
	})
	switch {
	case err == nil && one.Forgotten:
		err = fault.New(fault.Precondition, "the commit is forgotten: what %s held was dropped", one.Ref()).
			Next("read another commit: pachctl list commit %s", one.Repo.Name)
	case err == nil:
		root, err = tree.ReadRoot(one.Root)
	}
	return one, root, err
}
