package file

import (
	"context"

	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/tree"
)

// settleAt is how many edits a session gathers in memory before it makes a tree of them.
const settleAt = 50_000

// settleNames is how many bytes their names may have.
const settleNames = 16 << 20

// settled are the edits of a session that are a tree already: what it began with, and
// what that has become.
type settled struct {
	from, to tree.Root
	some     bool
}

// settle makes a tree of the edits so far, so that a session of any number of files
// needs little memory. What comes later is about that tree.
func (s *Session) settle() error {
	s.takeDeleted()
	if err := s.packs.Cut(); err != nil {
		return err
	}
	if !s.settled.some {
		s.settled = settled{from: s.base, some: true}
	}
	_, changes := s.treeEdits()
	root, err := tree.Apply(s.ctx, writing(s.nodes, s.packs), s.base, changes)
	if err != nil {
		return err
	}
	if err := s.packs.Flush(s.ctx); err != nil {
		return err
	}
	s.settled.to = root
	s.startFrom(root)
	return nil
}

// treeEdits are all edits, and those that change what the session began with.
func (s *Session) treeEdits() (all, changes []tree.Edit) {
	all = make([]tree.Edit, len(s.edits))
	same := 0
	for i, e := range s.edits {
		switch {
		case e.other != nil:
			all[i] = *e.other
		case e.alone:
			all[i] = tree.PutAlone(e.path, e.datum, *e.content)
		default:
			all[i] = tree.Put(e.path, e.datum, *e.content)
		}
		if e.same {
			same++
		}
	}
	if same == 0 {
		return all, all
	}
	for i, e := range s.edits {
		if !e.same {
			changes = append(changes, all[i])
		}
	}
	return all, changes
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
