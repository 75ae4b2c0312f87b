package tree

import (
	"context"
	"iter"
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
		d := &diff{r: newReader(ctx, nodes), yield: yield, depth: -1}
		if shallow {
			d.depth = 1
		}
		if err := d.at(before, after, path); err != nil {
			yield(Change{}, err)
		}
	}
}

type diff struct {
	r     *reader
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
	old, err := d.r.at(before, p, onlyDir)
	if err != nil {
		return err
	}
	now, err := d.r.at(after, p, onlyDir)
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
	i := item{name: e.Path, datum: e.Datum}
	return i.compare(f.Path, f.Datum)
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
		return false, damaged("a path of %d bytes", len(path))
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
		case over > 0 && over == above && i.hash == j.hash:
			a.skip()
			b.skip()
			continue
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
			continue
		}
		var old, now *Entry
		c := 1
		if i != nil {
			c = -1
			if j != nil {
				c = i.compare(j.name, j.datum)
			}
		}
		if c <= 0 {
			e := i.entry(path)
			old = &e
			a.skip()
		}
		if c >= 0 {
			e := j.entry(path)
			now = &e
			b.skip()
		}
		if more, err := d.pair(old, now, depth); err != nil || !more {
			return false, err
		}
	}
}

// side is what is yet to be compared of a directory: in each frame the items from its
// place on, the last frame first.
type side struct {
	r    *reader
	path []frame
}

func (d *diff) side(of Root) (*side, error) {
	s := &side{r: d.r}
	if of.Empty() {
		return s, nil
	}
	n, err := d.r.top(of)
	if err != nil {
		return nil, err
	}
	s.path = append(s.path, frame{n: n})
	return s, nil
}

// item is the next, and the level of the node that has it; nil at the end.
func (s *side) item() (*item, int) {
	for len(s.path) > 0 {
		f := &s.path[len(s.path)-1]
		if f.at < len(f.n.items) {
			return &f.n.items[f.at], f.n.level
		}
		s.path = s.path[:len(s.path)-1]
	}
	return nil, 0
}

func (s *side) skip() { s.path[len(s.path)-1].at++ }

// enter replaces the next item, a node, by what is in it.
func (s *side) enter() error {
	f := &s.path[len(s.path)-1]
	n, err := s.r.child(f.n, f.at)
	if err != nil {
		return err
	}
	f.at++
	s.path = append(s.path, frame{n: n})
	return nil
}
