package btree

import "bytes"

// Check reads a node that is named by a root or, with its key, by an item, and is an
// error if it is not as we write one for that: bytes, counts, hash, and where it ends.
// The level is -1 for the first node of a directory; the last one of a level may end
// anywhere.
func (r *Reader) Check(of Root, key *Item, level int, last bool) (*Node, error) {
	data, err := r.nodes.Get(r.ctx, of.Node)
	if err != nil {
		return nil, err
	}
	n, err := Decode(data)
	if err != nil {
		return nil, err
	}
	end := &n.Items[len(n.Items)-1]
	switch {
	case level >= 0 && n.Level != level:
		return nil, Damaged("a node of level %d is on level %d", level, n.Level)
	case !n.holds(of):
		return nil, Damaged("a node counts wrongly")
	case !bytes.Equal(n.encode(), data):
		return nil, Damaged("a node is not written as we do")
	case n.content(r.nodes) != of.Hash:
		return nil, Damaged("a node has another content than its hash")
	case key != nil && end.Compare(key.Name, key.Datum) != 0:
		return nil, Damaged("a node has another last key")
	case level < 0 && n.Level > 0 && len(n.Items) == 1:
		return nil, Damaged("the first node is not needed")
	}
	return n, r.checkEnd(n, last)
}

// checkEnd checks that a node ends at the first place where it may.
func (r *Reader) checkEnd(n *Node, last bool) error {
	e := ending{nodes: r.nodes, level: n.Level}
	for k := range n.Items {
		ends, final := e.after(&n.Items[k]), k == len(n.Items)-1
		if ends && !final || !ends && final && !last {
			return Damaged("a node does not end where it should")
		}
	}
	return nil
}

// CheckExtents reads the nodes with the extents of a file, if it has any, and is an
// error if they are not its.
func (r *Reader) CheckExtents(file *Item) error {
	if file.Node == (ID{}) {
		return nil
	}
	count := 0
	for _, err := range r.Extents(file, 0) {
		if err != nil {
			return err
		}
		count++
	}
	if count <= inline {
		return Damaged("%s has its few parts aside", file.Name)
	}
	return nil
}
