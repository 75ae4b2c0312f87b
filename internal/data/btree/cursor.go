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
	// ahead is how many nodes are read ahead at a time by whoever goes on and on.
	ahead int
}

type frame struct {
	n  *Node
	at int
	// read is up to which item nodes have been read ahead.
	read int
}

// mostAhead is how many nodes are read ahead at most.
const mostAhead = 64

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

// Seek goes to the first item that is not before the key. It costs little if that is in
// the node where the cursor stands.
func (c *Cursor) Seek(name, datum string) error {
	if f := c.here(); f.n.Level <= c.floor && f.n.spans(name, datum) {
		f.at = f.n.find(name, datum)
		return nil
	}
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
func (c *Cursor) Step(by int) (bool, error) {
	if parent := len(c.path) - 2; by > 0 && parent >= 0 && c.here().at == len(c.here().n.Items)-1 {
		c.readAhead(&c.path[parent])
	}
	return c.advance(len(c.path)-1, by)
}

// readAhead reads some of the nodes that come next, the more the longer this goes on.
func (c *Cursor) readAhead(parent *frame) {
	next := parent.at + 1
	nodes, can := c.r.nodes.(Ahead)
	if !can || next < parent.read {
		return
	}
	c.ahead = min(max(2*c.ahead, 2), mostAhead)
	some := parent.n.Items[next:min(next+c.ahead, len(parent.n.Items))]
	parent.read = next + len(some)
	if len(some) < 2 {
		return
	}
	ids := make([]ID, len(some))
	for k := range some {
		ids[k] = some[k].Node
	}
	nodes.Ahead(c.r.ctx, ids)
}

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
func (r *Reader) Directory(of Root, name string) (*Item, error) { return r.Finder(of).Directory(name) }

// Files finds the files of a name, one for each datum.
func (r *Reader) Files(of Root, name string) ([]Item, error) { return r.Finder(of).Files(name) }

// Finder finds entries of one directory; those that are near one another cost little.
type Finder struct {
	r  *Reader
	of Root
	c  *Cursor
}

// Finder makes one.
func (r *Reader) Finder(of Root) *Finder { return &Finder{r: r, of: of} }

// seek is false if there is nothing.
func (f *Finder) seek(name string) (bool, error) {
	if f.of.Empty() {
		return false, nil
	}
	if f.c == nil {
		var err error
		if f.c, err = f.r.Open(f.of); err != nil {
			return false, err
		}
	}
	return true, f.c.Seek(name, "")
}

// Directory finds the directory of a name, which ends with "/"; or nil.
func (f *Finder) Directory(name string) (*Item, error) {
	if some, err := f.seek(name); err != nil || !some {
		return nil, err
	}
	if i := f.c.Item(); i != nil && i.Name == name {
		return i, nil
	}
	return nil, nil //nolint:nilnil // there is none
}

// Files finds the files of a name, one for each datum. Nobody may change them.
func (f *Finder) Files(name string) ([]Item, error) {
	if some, err := f.seek(name); err != nil || !some {
		return nil, err
	}
	here := f.c.here()
	from, to := here.at, here.at
	for to < len(here.n.Items) && here.n.Items[to].Name == name {
		to++
	}
	if from == to || to < len(here.n.Items) {
		return here.n.Items[from:to:to], nil
	}
	var all []Item // they may go on in the next node
	for i := f.c.Item(); i != nil && i.Name == name; i = f.c.Item() {
		all = append(all, *i)
		if more, err := f.c.Step(1); err != nil || !more {
			return all, err
		}
	}
	return all, nil
}
