package tree

import (
	"bytes"
	"context"
	"strings"
)

// Conflict is a path that two entries share.
type Conflict struct {
	Path string
	// First and Second are the datums of the two files; empty if one entry is a file and
	// the other a directory.
	First, Second string
}

// FirstConflict finds the first conflict in the order of paths; nil if there is none.
func FirstConflict(ctx context.Context, nodes Nodes, root Root) (*Conflict, error) {
	r, path := newReader(ctx, nodes), "/"
	for root.Conflicts > 0 {
		n, err := r.top(root)
		for err == nil && n.level > 0 {
			k := 0
			for n.items[k].conflicts == 0 {
				k++
			}
			n, err = r.child(n, k)
		}
		if err != nil {
			return nil, err
		}
		k := 0
		for n.items[k].allConflicts() == 0 {
			k++
		}
		i := &n.items[k]
		switch {
		case i.conflict && isDir(i.name):
			return &Conflict{Path: path + strings.TrimSuffix(i.name, "/")}, nil
		case i.conflict:
			files, err := r.group(root, i.name)
			if err != nil {
				return nil, err
			}
			if len(files) == 0 {
				return nil, damaged("file %s%s is not where it belongs", path, i.name)
			}
			return &Conflict{Path: path + i.name, First: files[0].datum, Second: i.datum}, nil
		}
		path += i.name
		if len(path) > MaxPath {
			return nil, damaged("a path of %d bytes", len(path))
		}
		root = i.root()
	}
	return nil, nil //nolint:nilnil // there is none
}

// Check reads a whole tree and is an error if anything in it is not as Apply writes it:
// bytes, order, counts, hashes, conflicts, and where nodes end.
func Check(ctx context.Context, nodes Nodes, root Root) error {
	if root.Empty() {
		if root != (Root{}) {
			return damaged("an empty root that counts something")
		}
		return nil
	}
	c := &check{ctx: ctx, nodes: nodes, path: "/"}
	return c.node(root, nil, -1, true)
}

// check is the check of one directory.
type check struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the call does
	nodes Nodes
	path  string
	buf   []byte
	// before is the entry before the next, and open are the names of files whose
	// directories of the same name would be yet to come.
	before *item
	open   []string
}

// node checks one that is named by a root or an item; its level is -1 if it is the top
// of a directory. The last one of a level may end anywhere.
func (c *check) node(of Root, key *item, level int, last bool) error {
	data, err := c.nodes.Get(c.ctx, of.Node)
	if err != nil {
		return err
	}
	n, err := decode(data)
	if err != nil {
		return err
	}
	if level >= 0 && n.level != level {
		return damaged("a node of level %d in %s is on level %d", level, c.path, n.level)
	}
	if n.size != of.Size || n.files != of.Files || n.conflicts != of.Conflicts || n.longest != of.Longest {
		return damaged("a node in %s counts wrongly", c.path)
	}
	if !bytes.Equal(n.encode(), data) {
		return damaged("a node in %s is not written as we do", c.path)
	}
	if n.content(c.nodes) != of.Hash {
		return damaged("a node in %s has another content than its hash", c.path)
	}
	if end := &n.items[len(n.items)-1]; key != nil && end.compare(key.name, key.datum) != 0 {
		return damaged("a node in %s has another last key", c.path)
	}
	if level < 0 && n.level > 0 && len(n.items) == 1 {
		return damaged("the first node in %s is not needed", c.path)
	}
	if err := c.ends(n, last); err != nil {
		return err
	}
	for k := range n.items {
		i := &n.items[k]
		if n.level > 0 {
			err = c.node(i.root(), i, n.level-1, last && k == len(n.items)-1)
		} else {
			err = c.entry(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ends checks that a node ends at the first place where it may.
func (c *check) ends(n *node, last bool) error {
	weight := 0
	for k := range n.items {
		i := &n.items[k]
		weight += i.weigh()
		may := n.level == 0 || k > 0
		end := weight >= most || may && ends(c.nodes, &c.buf, n.level, i)
		if end != (k == len(n.items)-1) && (end || !last) {
			return damaged("a node in %s does not end where it should", c.path)
		}
	}
	return nil
}

// entry checks the next one.
func (c *check) entry(i *item) error {
	if c.before != nil && c.before.compare(i.name, i.datum) >= 0 {
		return damaged("the entries of %s are out of order", c.path)
	}
	for len(c.open) > 0 {
		name := c.open[len(c.open)-1]
		if strings.HasPrefix(i.name, name) && (len(i.name) == len(name) || i.name[len(name)] <= '/') {
			break
		}
		c.open = c.open[:len(c.open)-1]
	}
	first := ""
	if len(c.open) > 0 {
		first = c.open[len(c.open)-1]
	}
	if (first == strings.TrimSuffix(i.name, "/")) != i.conflict {
		return damaged("a conflict at %s%s is not as counted", c.path, i.name)
	}
	c.before = i
	if !isDir(i.name) {
		if first != i.name {
			c.open = append(c.open, i.name)
		}
		return c.parts(i)
	}
	below := &check{ctx: c.ctx, nodes: c.nodes, path: c.path + i.name}
	if len(below.path) > MaxPath {
		return damaged("a path of %d bytes", len(below.path))
	}
	return below.node(i.root(), nil, -1, true)
}

// parts checks the nodes that have a file's extents.
func (c *check) parts(i *item) error {
	if i.node == (ID{}) {
		return nil
	}
	count := 0
	p := &partsReader{r: newReader(c.ctx, c.nodes), yield: func(Extent, error) bool {
		count++
		return true
	}}
	if _, err := p.read(i.node, -1, i.size); err != nil {
		return err
	}
	if count <= inline {
		return damaged("%s%s has its few parts aside", c.path, i.name)
	}
	return nil
}
