package file

import (
	"context"

	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/tree"
)

// settleAt is how many edits a session gathers in memory before it makes a tree of them.
const settleAt = 50_000

// settled are the edits of a session that are a tree already: what it began with, and
// what that has become.
type settled struct {
	from, to tree.Root
	some     bool
}

// settle makes a tree of the edits so far, so that a session of any number of files
// needs little memory. What comes later is about that tree.
func (s *Session) settle() error {
	if err := s.packs.Flush(s.ctx); err != nil {
		return err
	}
	if !s.settled.some {
		s.settled = settled{from: s.base, some: true}
	}
	nodes := &written{stored{s.s.packs, s.target}, s.packs, map[tree.ID][]byte{}}
	root, err := tree.Apply(s.ctx, nodes, s.base, s.treeEdits())
	if err != nil {
		return err
	}
	if err := s.packs.Flush(s.ctx); err != nil {
		return err
	}
	s.base, s.settled.to = root, root
	s.edits, s.put, s.gone, s.known = nil, map[fileKey]int{}, map[fileKey]int{}, knownDir{}
	s.grafted = false
	return nil
}

func (s *Session) treeEdits() []tree.Edit {
	edits := make([]tree.Edit, len(s.edits))
	for i, e := range s.edits {
		if e.other != nil {
			edits[i] = *e.other
			continue
		}
		edits[i] = tree.Put(e.path, e.datum, *e.content)
	}
	return edits
}

// onto is the tree that the settled edits make of another than they were made on: what
// they changed is changed there.
func (d settled) onto(ctx context.Context, nodes tree.Nodes, base tree.Root) (tree.Root, error) {
	if !d.some {
		return base, nil
	}
	if base == d.from {
		return d.to, nil
	}
	var edits []tree.Edit
	for c, err := range tree.Diff(ctx, nodes, d.from, d.to, "/", false) {
		switch {
		case err != nil:
			return base, err
		case c.New != nil && !c.New.Dir:
			var content pack.Content
			if content, err = tree.ContentOf(ctx, nodes, *c.New); err != nil {
				return base, err
			}
			edits = append(edits, tree.Put(c.New.Path, c.New.Datum, content))
		case c.New == nil && !c.Old.Dir:
			edits = append(edits, tree.Delete(c.Old.Path, c.Old.Datum))
		}
	}
	return tree.Apply(ctx, nodes, base, edits)
}
