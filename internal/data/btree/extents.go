package btree

import (
	"context"
	"iter"
)

// fanOut is how many extents, or nodes with extents, are in a node at most.
const fanOut = 512

// parts is a node with extents of one file. In an inner one the items are nodes, with
// how many bytes they have and no offsets.
type parts struct {
	level int
	items []Extent
}

func (p parts) encode() []byte {
	b := make([]byte, 0, len(p.items)*48)
	kind := byte(kindParts)
	if p.level > 0 {
		kind = kindPartsOf
	}
	b = append(b, version, kind, byte(p.level)) //nolint:gosec // at most a few
	return appendExtents(appendCounts(b, int64(len(p.items))), p.items)
}

func decodeParts(data []byte) (parts, error) {
	d := &decoder{b: data}
	kind, level, count := d.head()
	if d.bad || kind != kindParts && kind != kindPartsOf || (kind == kindParts) != (level == 0) || count > fanOut {
		return parts{}, Damaged("a node of parts does not begin as one does")
	}
	p := parts{level: level, items: d.extents(count)}
	if d.bad || len(d.b) != 0 || Total(p.items) < 0 {
		return parts{}, Damaged("a node of parts")
	}
	return p, nil
}

// putExtents stores extents in as many nodes as it takes, and gives the top one.
// Appending to a file leaves all nodes but the last of each level.
func putExtents(ctx context.Context, nodes Nodes, extents []Extent) (ID, error) {
	for level := 0; ; level++ {
		var above []Extent
		for at := 0; at < len(extents); at += fanOut {
			some := extents[at:min(at+fanOut, len(extents))]
			id, err := nodes.Put(ctx, parts{level: level, items: some}.encode())
			if err != nil {
				return ID{}, err
			}
			above = append(above, Extent{Blob: id, Length: Total(some)})
		}
		if len(above) == 1 {
			return above[0].Blob, nil
		}
		extents = above
	}
}

// PutAside stores the extents of an entry in nodes of their own if they are many.
func (r *Reader) PutAside(i *Item) error {
	if len(i.Extents) <= inline {
		return nil
	}
	id, err := putExtents(r.ctx, r.nodes, i.Extents)
	i.Node, i.Extents = id, nil
	return err
}

// partsReader gives extents from an offset on.
type partsReader struct {
	r     *Reader
	skip  int64
	yield func(Extent, error) bool
}

// read reads the node of so many bytes, and is false when no more is wanted. The level
// is -1 for the top, which says itself.
func (p *partsReader) read(id ID, level int, size int64) (bool, error) {
	data, err := p.r.nodes.Get(p.r.ctx, id)
	if err != nil {
		return false, err
	}
	n, err := decodeParts(data)
	if err != nil {
		return false, err
	}
	if level >= 0 && n.level != level || Total(n.items) != size {
		return false, Damaged("a node of parts is in the place of another")
	}
	for _, e := range n.items {
		more := true
		switch {
		case p.skip >= e.Length:
			p.skip -= e.Length
		case n.level > 0:
			more, err = p.read(e.Blob, n.level-1, e.Length)
		default:
			more = p.give(e)
		}
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

func (p *partsReader) give(e Extent) bool {
	e.Offset += p.skip
	e.Length -= p.skip
	p.skip = 0
	return p.yield(e, nil)
}

// Extents are the parts of a file from the given byte on: the first one begins with
// it. Nodes are read when they are needed. The file is an entry of a directory.
func (r *Reader) Extents(file *Item, offset int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		p := &partsReader{r: r, skip: offset, yield: yield}
		if file.Node != (ID{}) {
			if _, err := p.read(file.Node, -1, file.Size); err != nil {
				yield(Extent{}, err)
			}
			return
		}
		for _, part := range file.Extents {
			if p.skip >= part.Length {
				p.skip -= part.Length
			} else if !p.give(part) {
				return
			}
		}
	}
}

// References are the nodes and the blobs that a stored node names, as often as it does.
func References(data []byte) (nodes, blobs []ID, err error) {
	if len(data) > 1 && (data[1] == kindParts || data[1] == kindPartsOf) {
		p, err := decodeParts(data)
		if err != nil {
			return nil, nil, err
		}
		ids := make([]ID, len(p.items))
		for k, e := range p.items {
			ids[k] = e.Blob
		}
		if p.level > 0 {
			return ids, nil, nil
		}
		return nil, ids, nil
	}
	n, err := Decode(data)
	if err != nil {
		return nil, nil, err
	}
	for k := range n.Items {
		i := &n.Items[k]
		if i.Node != (ID{}) {
			nodes = append(nodes, i.Node)
		}
		for _, e := range i.Extents {
			blobs = append(blobs, e.Blob)
		}
	}
	return nodes, blobs, nil
}
