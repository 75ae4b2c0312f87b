package tree

import (
	"context"
)

// reader reads nodes for one call, and keeps some of the last ones.
type reader struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the call does
	nodes Nodes
	// Nodes lately read, and those before.
	young, old map[ID]*node
}

// kept is how many nodes each of the reader's maps has at most.
const kept = 64

func newReader(ctx context.Context, nodes Nodes) *reader {
	return &reader{ctx: ctx, nodes: nodes, young: map[ID]*node{}}
}

func (r *reader) get(id ID) (*node, error) {
	if n := r.young[id]; n != nil {
		return n, nil
	}
	n := r.old[id]
	if n == nil {
		data, err := r.nodes.Get(r.ctx, id)
		if err != nil {
			return nil, err
		}
		if n, err = decode(data); err != nil {
			return nil, err
		}
	}
	if len(r.young) >= kept {
		r.old, r.young = r.young, map[ID]*node{}
	}
	r.young[id] = n
	return n, nil
}

// top reads the first node of a directory, which must hold what the directory says:
// so a node cannot contain itself beside anything else, and a walk ends.
func (r *reader) top(of Root) (*node, error) {
	n, err := r.get(of.Node)
	if err != nil {
		return nil, err
	}
	if n.size != of.Size || n.files != of.Files || n.conflicts != of.Conflicts || n.longest != of.Longest {
		return nil, damaged("a directory's node holds something else than the directory")
	}
	return n, nil
}

// child reads the node that an item of an inner node names.
func (r *reader) child(parent *node, at int) (*node, error) {
	i := &parent.items[at]
	n, err := r.top(i.root())
	if err != nil {
		return nil, err
	}
	last := &n.items[len(n.items)-1]
	if n.level != parent.level-1 || last.compare(i.name, i.datum) != 0 {
		return nil, damaged("a node is in the place of another")
	}
	return n, nil
}

// cursor is a place in one directory: one node of each level down to the one named
// floor, and in each the item that leads on.
type cursor struct {
	r     *reader
	floor int
	path  []frame
}

type frame struct {
	n  *node
	at int
}

// open makes a cursor; seek, first or last must follow. The directory is not empty.
func (r *reader) open(of Root, floor int) (*cursor, error) {
	n, err := r.top(of)
	if err != nil {
		return nil, err
	}
	return &cursor{r: r, floor: floor, path: []frame{{n: n}}}, nil
}

// here is the frame of the floor.
func (c *cursor) here() *frame { return &c.path[len(c.path)-1] }

// item is where the cursor stands, or nil behind the end.
func (c *cursor) item() *item {
	f := c.here()
	if f.at < 0 || f.at >= len(f.n.items) {
		return nil
	}
	return &f.n.items[f.at]
}

// seek goes to the first item that is not before the key.
func (c *cursor) seek(name, datum string) error {
	c.path = c.path[:1]
	for {
		f := c.here()
		f.at = f.n.find(name, datum)
		if f.n.level <= c.floor {
			return nil
		}
		f.at = min(f.at, len(f.n.items)-1)
		n, err := c.r.child(f.n, f.at)
		if err != nil {
			return err
		}
		c.path = append(c.path, frame{n: n})
	}
}

// end goes to the first item (by 1) or to the last (by -1).
func (c *cursor) end(by int) error {
	c.path = c.path[:1]
	c.path[0].at = 0
	if by < 0 {
		c.path[0].at = len(c.path[0].n.items) - 1
	}
	return c.descend(by)
}

func (c *cursor) descend(by int) error {
	for f := c.here(); f.n.level > c.floor; f = c.here() {
		n, err := c.r.child(f.n, f.at)
		if err != nil {
			return err
		}
		at := 0
		if by < 0 {
			at = len(n.items) - 1
		}
		c.path = append(c.path, frame{n: n, at: at})
	}
	return nil
}

// step goes one item on (1) or back (-1); it is false at the end, where it stays.
func (c *cursor) step(by int) (bool, error) { return c.advance(len(c.path)-1, by) }

// nextNode goes to the next node of the floor; it is false in the last.
func (c *cursor) nextNode() (bool, error) { return c.advance(len(c.path)-2, 1) }

func (c *cursor) advance(from, by int) (bool, error) {
	for k := from; k >= 0; k-- {
		f := &c.path[k]
		if at := f.at + by; at >= 0 && at < len(f.n.items) {
			f.at = at
			c.path = c.path[:k+1]
			return true, c.descend(by)
		}
	}
	return false, nil
}

// inLast says whether the node of the floor is the last of its level.
func (c *cursor) inLast() bool {
	for _, f := range c.path[:len(c.path)-1] {
		if f.at < len(f.n.items)-1 {
			return false
		}
	}
	return true
}

// lookup finds the item with the key in a directory, or nil.
func (r *reader) lookup(of Root, name, datum string) (*item, error) {
	if of.Empty() {
		return nil, nil //nolint:nilnil // there is none
	}
	c, err := r.open(of, 0)
	if err != nil {
		return nil, err
	}
	if err := c.seek(name, datum); err != nil {
		return nil, err
	}
	if i := c.item(); i != nil && i.compare(name, datum) == 0 {
		return i, nil
	}
	return nil, nil //nolint:nilnil // there is none
}

// group finds the files with a name, one for each datum.
func (r *reader) group(of Root, name string) ([]item, error) {
	if of.Empty() {
		return nil, nil
	}
	c, err := r.open(of, 0)
	if err != nil {
		return nil, err
	}
	if err := c.seek(name, ""); err != nil {
		return nil, err
	}
	var all []item
	for i := c.item(); i != nil && i.name == name; i = c.item() {
		all = append(all, *i)
		if more, err := c.step(1); err != nil || !more {
			return all, err
		}
	}
	return all, nil
}

// dir finds the directory at a clean path.
func (r *reader) dir(root Root, path string) (of Root, found bool, err error) {
	of = root
	for e := range elements(path) {
		i, err := r.lookup(of, e+"/", "")
		if err != nil || i == nil {
			return Root{}, false, err
		}
		of = i.root()
	}
	return of, true, nil
}
