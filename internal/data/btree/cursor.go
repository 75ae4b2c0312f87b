package btree

import (
	"context"
)

// Reader reads nodes for one call, and keeps some of the last ones.
type Reader struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the call does
	nodes Nodes
	// Nodes lately read, and those before.
	young, old map[ID]*Node
}

// kept is how many nodes each of the reader's maps has at most.
const kept = 64

// NewReader makes one for a call.
func NewReader(ctx context.Context, nodes Nodes) *Reader {
	return &Reader{ctx: ctx, nodes: nodes, young: map[ID]*Node{}}
}

func (r *Reader) get(id ID) (*Node, error) {
	if n := r.young[id]; n != nil {
		return n, nil
	}
	n := r.old[id]
	if n == nil {
		data, err := r.nodes.Get(r.ctx, id)
		if err != nil {
			return nil, err
		}
		if n, err = Decode(data); err != nil {
			return nil, err
		}
	}
	if len(r.young) >= kept {
		r.old, r.young = r.young, map[ID]*Node{}
	}
	r.young[id] = n
	return n, nil
}

// Top reads the first node of a directory, which must hold what the directory says:
// so a node cannot contain itself beside anything else, and a walk ends.
func (r *Reader) Top(of Root) (*Node, error) {
	n, err := r.get(of.Node)
	if err != nil {
		return nil, err
	}
	if !n.holds(of) {
		return nil, Damaged("a directory's node holds something else than the directory")
	}
	return n, nil
}

// Child reads the node that an item of an inner node names.
func (r *Reader) Child(parent *Node, at int) (*Node, error) {
	i := &parent.Items[at]
	n, err := r.Top(i.Root())
	if err != nil {
		return nil, err
	}
	last := &n.Items[len(n.Items)-1]
	if n.Level != parent.Level-1 || last.Compare(i.Name, i.Datum) != 0 {
		return nil, Damaged("a node is in the place of another")
	}
	return n, nil
}

// Cursor is a place in one directory: one node of each level down to the one named
// floor, and in each the item that leads on.
type Cursor struct {
	r     *Reader
	floor int
	path  []frame
}

type frame struct {
	n  *Node
	at int
}

// Open makes a Cursor; seek, first or last must follow. The directory is not empty.
// Open makes a cursor over the entries of a directory that is not empty; Seek or End
// must follow.
func (r *Reader) Open(of Root) (*Cursor, error) { return r.open(of, 0) }

func (r *Reader) open(of Root, floor int) (*Cursor, error) {
	n, err := r.Top(of)
	if err != nil {
		return nil, err
	}
	return &Cursor{r: r, floor: floor, path: []frame{{n: n}}}, nil
}

// here is the frame of the floor.
func (c *Cursor) here() *frame { return &c.path[len(c.path)-1] }

// Item is where the cursor stands, or nil behind the end.
func (c *Cursor) Item() *Item {
	f := c.here()
	if f.at < 0 || f.at >= len(f.n.Items) {
		return nil
	}
	return &f.n.Items[f.at]
}

// Seek goes to the first item that is not before the key.
func (c *Cursor) Seek(name, datum string) error {
	c.path = c.path[:1]
	for {
		f := c.here()
		f.at = f.n.find(name, datum)
		if f.n.Level <= c.floor {
			return nil
		}
		f.at = min(f.at, len(f.n.Items)-1)
		n, err := c.r.Child(f.n, f.at)
		if err != nil {
			return err
		}
		c.path = append(c.path, frame{n: n})
	}
}

// End goes to the first item (by 1) or to the last (by -1).
func (c *Cursor) End(by int) error {
	c.path = c.path[:1]
	c.path[0].at = 0
	if by < 0 {
		c.path[0].at = len(c.path[0].n.Items) - 1
	}
	return c.descend(by)
}

func (c *Cursor) descend(by int) error {
	for f := c.here(); f.n.Level > c.floor; f = c.here() {
		n, err := c.r.Child(f.n, f.at)
		if err != nil {
			return err
		}
		at := 0
		if by < 0 {
			at = len(n.Items) - 1
		}
		c.path = append(c.path, frame{n: n, at: at})
	}
	return nil
}

// Step goes one item on (1) or back (-1); it is false at the end, where it stays.
func (c *Cursor) Step(by int) (bool, error) { return c.advance(len(c.path)-1, by) }

// Before goes one item back, to nothing if there is none.
func (c *Cursor) Before() error {
	back, err := c.Step(-1)
	if !back {
		c.here().at = -1
	}
	return err
}

// nextNode goes to the next node of the floor; it is false in the last.
func (c *Cursor) nextNode() (bool, error) { return c.advance(len(c.path)-2, 1) }

func (c *Cursor) advance(from, by int) (bool, error) {
	for k := from; k >= 0; k-- {
		f := &c.path[k]
		if at := f.at + by; at >= 0 && at < len(f.n.Items) {
			f.at = at
			c.path = c.path[:k+1]
			return true, c.descend(by)
		}
	}
	return false, nil
}

// inLast says whether the node of the floor is the last of its level.
func (c *Cursor) inLast() bool {
	for _, f := range c.path[:len(c.path)-1] {
		if f.at < len(f.n.Items)-1 {
			return false
		}
	}
	return true
}

// Directory finds the directory of a name, which ends with "/", in another; or nil.
func (r *Reader) Directory(of Root, name string) (*Item, error) {
	if of.Empty() {
		return nil, nil //nolint:nilnil // there is none
	}
	c, err := r.Open(of)
	if err != nil {
		return nil, err
	}
	if err := c.Seek(name, ""); err != nil {
		return nil, err
	}
	if i := c.Item(); i != nil && i.Name == name {
		return i, nil
	}
	return nil, nil //nolint:nilnil // there is none
}

// Files finds the files of a name, one for each datum.
func (r *Reader) Files(of Root, name string) ([]Item, error) {
	if of.Empty() {
		return nil, nil
	}
	c, err := r.Open(of)
	if err != nil {
		return nil, err
	}
	if err := c.Seek(name, ""); err != nil {
		return nil, err
	}
	var all []Item
	for i := c.Item(); i != nil && i.Name == name; i = c.Item() {
		all = append(all, *i)
		if more, err := c.Step(1); err != nil || !more {
			return all, err
		}
	}
	return all, nil
}
