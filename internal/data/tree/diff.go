package tree

import (
	"context"
	"iter"

	"pachyderm/internal/data/btree"
)

// Change is an entry that is in one tree only, or whose content differs.
type Change struct {
	Old, New *Entry // nil where there is none
}

// Diff gives what differs between two trees at a path and below, in the order of paths.
// A directory that differs is given before what is in it. If shallow, directories in
// that at path are not entered. It reads as many nodes as are on the ways to what
// changed. A path that neither tree has is fault.NotFound.
func Diff(ctx context.Context, nodes Nodes, before, after Root, path string, shallow bool) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		d := &diff{r: btree.NewReader(ctx, nodes), yield: yield, depth: -1}
		if shallow {
			d.depth = 1
		}
		if err := d.at(before, after, path); err != nil {
			yield(Change{}, err)
		}
	}
}

type diff struct {
	r     *btree.Reader
	yield func(Change, error) bool
	// depth is how many directories deep it goes; negative for all.
	depth int
}

// at compares all entries of a path.
func (d *diff) at(before, after Root, path string) error {
	p, onlyDir, err := clean(path)
	if err != nil {
		return err
	}
	old, err := at(d.r, before, p, onlyDir)
	if err != nil {
		return err
	}
	now, err := at(d.r, after, p, onlyDir)
	if err != nil {
		return err
	}
	if len(old)+len(now) == 0 {
		return notFound(path)
	}
	for len(old)+len(now) > 0 {
		var a, b *Entry
		if len(old) > 0 {
			a = &old[0]
		}
		if len(now) > 0 {
			b = &now[0]
		}
		c := a.compare(b)
		if c > 0 {
			a = nil
		} else {
			old = old[1:]
		}
		if c < 0 {
			b = nil
		} else {
			now = now[1:]
		}
		if more, err := d.pair(a, b, d.depth); err != nil || !more {
			return err
		}
	}
	return nil
}

// compare orders entries of one directory; none is behind all.
func (e *Entry) compare(f *Entry) int {
	switch {
	case e == nil:
		return 1
	case f == nil:
		return -1
	}
	i := btree.Item{Name: e.Path, Datum: e.Datum}
	return i.Compare(f.Path, f.Datum)
}

// pair gives the change from one entry to another of the same path and datum, if there
// is one, and those below.
func (d *diff) pair(a, b *Entry, depth int) (more bool, err error) {
	if a != nil && b != nil && a.Hash == b.Hash && a.Size == b.Size {
		return true, nil
	}
	if !d.yield(Change{Old: a, New: b}, nil) {
		return false, nil
	}
	var from, to Root
	var path string
	if a != nil {
		from, path = a.Root, a.Path
	}
	if b != nil {
		to, path = b.Root, b.Path
	}
	if depth == 0 || from.Empty() && to.Empty() {
		return true, nil
	}
	if len(path) > MaxPath {
		return false, btree.Damaged("a path of %d bytes", len(path))
	}
	return d.dirs(from, to, path, depth-1)
}

// dirs compares what is in two directories. Both are taken apart no further than they
// differ.
func (d *diff) dirs(from, to Root, path string, depth int) (more bool, err error) {
	a, err := d.side(from)
	if err != nil {
		return false, err
	}
	b, err := d.side(to)
	if err != nil {
		return false, err
	}
	for {
		i, over := a.item()
		j, above := b.item()
		switch {
		case i == nil && j == nil:
			return true, nil
		case over > 0 && over == above && i.Hash == j.Hash:
			a.skip()
			b.skip()
		case over > 0 || above > 0:
			if over >= above {
				err = a.enter()
			}
			if above >= over && err == nil {
				err = b.enter()
			}
			if err != nil {
				return false, err
			}
		default:
			old, now := entries(a, b, path)
			if more, err := d.pair(old, now, depth); err != nil || !more {
				return false, err
			}
		}
	}
}

// entries takes the first entry of both sides, or of one if the other has none of its
// name and datum.
func entries(a, b *side, path string) (old, now *Entry) {
	i, _ := a.item()
	j, _ := b.item()
	c := 1
	if i != nil {
		c = -1
		if j != nil {
			c = i.Compare(j.Name, j.Datum)
		}
	}
	if c <= 0 {
		e := entry(i, path)
		old = &e
		a.skip()
	}
	if c >= 0 {
		e := entry(j, path)
		now = &e
		b.skip()
	}
	return old, now
}

// place is one in a node.
type place struct {
	n  *btree.Node
	at int
}

// side is what is yet to be compared of a directory: in each place the items from its
// place on, the last place first.
type side struct {
	r    *btree.Reader
	path []place
}

func (d *diff) side(of Root) (*side, error) {
	s := &side{r: d.r}
	if of.Empty() {
		return s, nil
	}
	n, err := d.r.Top(of)
	if err != nil {
		return nil, err
	}
	s.path = append(s.path, place{n: n})
	return s, nil
}

// item is the next, and the level of the node that has it; nil at the end.
func (s *side) item() (*btree.Item, int) {
	for len(s.path) > 0 {
		f := &s.path[len(s.path)-1]
		if f.at < len(f.n.Items) {
			return &f.n.Items[f.at], f.n.Level
		}
		s.path = s.path[:len(s.path)-1]
	}
	return nil, 0
}

func (s *side) skip() { s.path[len(s.path)-1].at++ }

// enter replaces the next item, a node, by what is in it.
func (s *side) enter() error {
	f := &s.path[len(s.path)-1]
	n, err := s.r.Child(f.n, f.at)
	if err != nil {
		return err
	}
	f.at++
	s.path = append(s.path, place{n: n})
	return nil
}
