package btree

import (
	"pachyderm/internal/fault"
)

// Level writes one level of a directory anew where it changes. Where a node ends
// depends on nothing but its own items, so it reads from the beginning of the node with
// the first change, and after the last one until a node ends where an old one did.
type Level struct {
	r  *Reader
	at int
	// old is what was there; nil if nothing was.
	old *Cursor
	// rest is what is left of the old node, which is taken apart; active says that
	// there is one.
	rest   []Item
	active bool
	// made is the node that grows.
	made   Node
	ending ending
	// For the level above: the keys of nodes taken apart, and the items of new ones.
	gone, new []Item
}

// Edit begins to change a directory.
func (r *Reader) Edit(base Root) (*Level, error) { return newLevel(r, base, 0) }

func newLevel(r *Reader, base Root, at int) (*Level, error) {
	l := &Level{r: r, at: at, made: Node{Level: at}, ending: ending{nodes: r.nodes, level: at}}
	if base.Empty() {
		return l, nil
	}
	var err error
	if l.old, err = r.open(base, at); err != nil {
		return nil, err
	}
	if l.old.path[0].n.Level < at {
		l.old = nil
	}
	return l, nil
}

// Push sets an item, or removes it. Keys must come in ascending order.
func (l *Level) Push(i *Item, remove bool) error {
	for l.old != nil {
		if !l.active {
			if err := l.old.Seek(i.Name, i.Datum); err != nil {
				return err
			}
			l.takeApart()
		}
		if err := l.copyUpTo(i); err != nil {
			return err
		}
		if len(l.rest) > 0 || l.old.inLast() {
			break
		}
		// The old node is used up, and the item belongs to a later one.
		if err := l.leave(); err != nil {
			return err
		}
	}
	if len(l.rest) > 0 && l.rest[0].Compare(i.Name, i.Datum) == 0 {
		l.rest = l.rest[1:]
	}
	if remove {
		return nil
	}
	return l.add(i)
}

// takeApart begins with the old node under the cursor.
func (l *Level) takeApart() {
	n := l.old.here().n
	l.rest, l.active = n.Items, true
	last := &n.Items[len(n.Items)-1]
	l.gone = append(l.gone, Item{Name: last.Name, Datum: last.Datum})
}

// copyUpTo keeps the old items before the given one; all of them if it is nil.
func (l *Level) copyUpTo(i *Item) error {
	for len(l.rest) > 0 && (i == nil || l.rest[0].Compare(i.Name, i.Datum) < 0) {
		if err := l.add(&l.rest[0]); err != nil {
			return err
		}
		l.rest = l.rest[1:]
	}
	return nil
}

// leave goes on from an old node that is used up: to the next one if a new node is
// unfinished, to nowhere else.
func (l *Level) leave() error {
	l.active = false
	if len(l.made.Items) == 0 {
		return nil
	}
	more, err := l.old.nextNode()
	if err != nil || !more {
		return err
	}
	l.takeApart()
	return nil
}

// add appends an item to the growing node and ends it where it must end.
func (l *Level) add(i *Item) error {
	l.made.Items = append(l.made.Items, *i)
	if l.ending.after(i) {
		return l.close()
	}
	return nil
}

// close stores the node.
func (l *Level) close() error {
	if !l.made.count() {
		return fault.New(fault.Invalid, "a directory holds more than can be counted").Next("put less into it")
	}
	id, err := l.r.nodes.Put(l.r.ctx, l.made.encode())
	if err != nil {
		return err
	}
	last := &l.made.Items[len(l.made.Items)-1]
	l.new = append(l.new, Item{
		Name: last.Name, Datum: last.Datum, Hash: l.made.content(l.r.nodes), Node: id,
		Size: l.made.Size, Files: l.made.Files, Conflicts: l.made.Conflicts, Longest: l.made.Longest,
	})
	clear(l.made.Items)
	l.made.Items = l.made.Items[:0]
	return nil
}

// Finish writes what is left of this level, then those above, and gives the root.
func (l *Level) Finish(base Root) (Root, error) {
	for {
		if err := l.drain(); err != nil {
			return Root{}, err
		}
		if len(l.gone) == 0 && len(l.new) == 0 {
			return base, nil
		}
		top := l.old == nil || len(l.old.path) == 1
		if top && len(l.new) == 0 {
			return Root{}, nil
		}
		if top && len(l.new) == 1 {
			return l.r.lowest(l.new[0].Root())
		}
		above := base
		if top {
			above = Root{}
		}
		up, err := newLevel(l.r, above, l.at+1)
		if err != nil {
			return Root{}, err
		}
		if err := l.lift(up); err != nil {
			return Root{}, err
		}
		l, base = up, above
	}
}

// drain ends the level.
func (l *Level) drain() error {
	for l.active {
		if err := l.copyUpTo(nil); err != nil {
			return err
		}
		if err := l.leave(); err != nil {
			return err
		}
	}
	if len(l.made.Items) > 0 {
		return l.close()
	}
	return nil
}

// lift makes the changes of this level in the one above: what is gone, and what is new
// in its place.
func (l *Level) lift(up *Level) error {
	gone, made := l.gone, l.new
	for len(gone) > 0 || len(made) > 0 {
		c := 1
		switch {
		case len(made) == 0:
			c = -1
		case len(gone) > 0:
			c = gone[0].Compare(made[0].Name, made[0].Datum)
		}
		var err error
		switch {
		case c < 0:
			err = up.Push(&gone[0], true)
			gone = gone[1:]
		case c > 0:
			err = up.Push(&made[0], false)
			made = made[1:]
		default:
			err = up.Push(&made[0], false)
			gone, made = gone[1:], made[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lowest is the root of a directory's lowest level that has one node only.
func (r *Reader) lowest(of Root) (Root, error) {
	for {
		n, err := r.Top(of)
		if err != nil {
			return Root{}, err
		}
		if n.Level == 0 || len(n.Items) > 1 {
			return of, nil
		}
		of = n.Items[0].Root()
	}
}
