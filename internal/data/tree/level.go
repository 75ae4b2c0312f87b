package tree

import (
	"pachyderm/internal/fault"
)

// level writes one level of a directory anew where it changes. Where a node ends
// depends on nothing but its own items, so it reads from the beginning of the node with
// the first change, and after the last one until a node ends where an old one did.
type level struct {
	r  *reader
	at int
	// old is what was there; nil if nothing was.
	old *cursor
	// rest is what is left of the old node, which is taken apart; active says that
	// there is one.
	rest   []item
	active bool
	// made is the node that grows, and weight what its items weigh.
	made   node
	weight int
	buf    []byte
	// gone and new are the items for the level above.
	gone, new []item
}

func newLevel(r *reader, base Root, at int) (*level, error) {
	l := &level{r: r, at: at, made: node{level: at}}
	if base.Empty() {
		return l, nil
	}
	var err error
	if l.old, err = r.open(base, at); err != nil {
		return nil, err
	}
	if l.old.path[0].n.level < at {
		l.old = nil
	}
	return l, nil
}

// push sets an item, or removes it. Keys must come in ascending order.
func (l *level) push(i *item, remove bool) error {
	for l.old != nil {
		if !l.active {
			if err := l.old.seek(i.name, i.datum); err != nil {
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
	if len(l.rest) > 0 && l.rest[0].compare(i.name, i.datum) == 0 {
		l.rest = l.rest[1:]
	}
	if remove {
		return nil
	}
	return l.add(i)
}

// takeApart begins with the old node under the cursor.
func (l *level) takeApart() {
	n := l.old.here().n
	last := &n.items[len(n.items)-1]
	l.rest, l.active = n.items, true
	l.gone = append(l.gone, item{name: last.name, datum: last.datum})
	if k := len(l.old.path) - 2; k >= 0 {
		f := &l.old.path[k]
		l.gone[len(l.gone)-1] = f.n.items[f.at]
	}
}

// copyUpTo keeps the old items before the given one; all of them if it is nil.
func (l *level) copyUpTo(i *item) error {
	for len(l.rest) > 0 && (i == nil || l.rest[0].compare(i.name, i.datum) < 0) {
		if err := l.add(&l.rest[0]); err != nil {
			return err
		}
		l.rest = l.rest[1:]
	}
	return nil
}

// leave goes on from an old node that is used up: to the next one if a new node is
// unfinished, to nowhere else.
func (l *level) leave() error {
	l.active = false
	if len(l.made.items) == 0 {
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
func (l *level) add(i *item) error {
	l.made.items = append(l.made.items, *i)
	l.weight += i.weigh()
	// An inner node has two children, so that each level is shorter than the one below.
	may := l.at == 0 || len(l.made.items) > 1
	if l.weight >= most || may && ends(l.r.nodes, &l.buf, l.at, i) {
		return l.close()
	}
	return nil
}

// close stores the node.
func (l *level) close() error {
	if !l.made.count() {
		return fault.New(fault.Invalid, "a directory holds more than can be counted").Next("put less into it")
	}
	id, err := l.r.nodes.Put(l.r.ctx, l.made.encode())
	if err != nil {
		return err
	}
	last := &l.made.items[len(l.made.items)-1]
	l.new = append(l.new, item{
		name: last.name, datum: last.datum, hash: l.made.content(l.r.nodes), node: id,
		size: l.made.size, files: l.made.files, conflicts: l.made.conflicts, longest: l.made.longest,
	})
	clear(l.made.items)
	l.made.items, l.weight = l.made.items[:0], 0
	return nil
}

// finish writes what is left of this level, then those above, and gives the root.
func (l *level) finish(base Root) (Root, error) {
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
			return l.r.lowest(l.new[0].root())
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
func (l *level) drain() error {
	for l.active {
		if err := l.copyUpTo(nil); err != nil {
			return err
		}
		if err := l.leave(); err != nil {
			return err
		}
	}
	if len(l.made.items) > 0 {
		return l.close()
	}
	return nil
}

// lift makes the changes of this level in the one above: what is gone, and what is new
// in its place.
func (l *level) lift(up *level) error {
	gone, made := l.gone, l.new
	for len(gone) > 0 || len(made) > 0 {
		c := 1
		switch {
		case len(made) == 0:
			c = -1
		case len(gone) > 0:
			c = gone[0].compare(made[0].name, made[0].datum)
		}
		var err error
		switch {
		case c < 0:
			err = up.push(&gone[0], true)
			gone = gone[1:]
		case c > 0:
			err = up.push(&made[0], false)
			made = made[1:]
		default:
			if !gone[0].same(&made[0]) {
				err = up.push(&made[0], false)
			}
			gone, made = gone[1:], made[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lowest is the root of a directory's lowest level that has one node only.
func (r *reader) lowest(of Root) (Root, error) {
	for {
		n, err := r.top(of)
		if err != nil {
			return Root{}, err
		}
		if n.level == 0 || len(n.items) > 1 {
			return of, nil
		}
		of = n.items[0].root()
	}
}

// putAside stores the extents of an entry in nodes of their own if they are many.
func (r *reader) putAside(i *item) error {
	if len(i.extents) <= inline {
		return nil
	}
	id, err := putExtents(r.ctx, r.nodes, i.extents)
	i.node, i.extents = id, nil
	return err
}
