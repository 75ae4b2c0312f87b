package tree

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pachyderm/internal/data/btree"
	"pachyderm/internal/fault"
)

// Conflict is a path that two entries share.
type Conflict struct {
	Path string
	// First and Second are the datums of the two files; empty if one entry is a file and
	// the other a directory.
	First, Second string
}

// String says it in upstream's words, which clients look for.
func (c Conflict) String() string {
	if c.First == "" {
		return fmt.Sprintf("file / directory path collision (%s)", c.Path)
	}
	return fmt.Sprintf("duplicate path output by different datums (%s from %s and %s from %s)", c.Path, c.First, c.Path, c.Second)
}

// FirstConflict finds the first conflict in the order of paths; nil if there is none.
func FirstConflict(ctx context.Context, nodes Nodes, root Root) (*Conflict, error) {
	r, path := btree.NewReader(ctx, nodes), "/"
	for root.Conflicts > 0 {
		n, err := r.Top(root)
		for err == nil && n.Level > 0 {
			k := 0
			for n.Items[k].Conflicts == 0 {
				k++
			}
			n, err = r.Child(n, k)
		}
		if err != nil {
			return nil, err
		}
		k := 0
		for n.Items[k].AllConflicts() == 0 {
			k++
		}
		i := &n.Items[k]
		switch {
		case i.Conflict && btree.IsDir(i.Name):
			return &Conflict{Path: path + strings.TrimSuffix(i.Name, "/")}, nil
		case i.Conflict:
			files, err := r.Files(root, i.Name)
			if err != nil {
				return nil, err
			}
			if len(files) == 0 {
				return nil, btree.Damaged("file %s%s is not where it belongs", path, i.Name)
			}
			return &Conflict{Path: path + i.Name, First: files[0].Datum, Second: i.Datum}, nil
		}
		path += i.Name
		if len(path) > MaxPath {
			return nil, btree.Damaged("a path of %d bytes", len(path))
		}
		root = i.Root()
	}
	return nil, nil //nolint:nilnil // there is none
}

// Check reads a whole tree and is an error if anything in it is not as Apply writes it:
// bytes, order, counts, hashes, conflicts, and where nodes end.
func Check(ctx context.Context, nodes Nodes, root Root) error {
	return NewChecker(nodes).Check(ctx, root)
}

// Checker checks trees that have much in common: what it has found to be right it does
// not read again. It is for one goroutine.
type Checker struct {
	nodes Nodes
	right map[checked]crossed
}

// checked is a node with all that its check depends on.
type checked struct {
	of          Root
	name, datum string // of its last entry, as its parent says
	level       int
	last        bool
	open        string
}

// crossed is what a node that is right leaves to the next one.
type crossed struct {
	first *btree.Item
	open  []string
}

// NewChecker makes a checker.
func NewChecker(nodes Nodes) *Checker { return &Checker{nodes, map[checked]crossed{}} }

// Check is the function Check, of which it leaves out what it has seen.
func (k *Checker) Check(ctx context.Context, root Root) error {
	if root.Empty() {
		if root != (Root{}) {
			return btree.Damaged("an empty root that counts something")
		}
		return nil
	}
	c := &check{k: k, r: btree.NewReader(ctx, k.nodes), path: "/"}
	_, err := c.node(root, nil, -1, true)
	return err
}

// check is the check of one directory.
type check struct {
	k    *Checker
	r    *btree.Reader
	path string
	// before is the entry before the next, and open are the names of files whose
	// directories of the same name would be yet to come.
	before *btree.Item
	open   []string
}

// node checks one that is named by a root or an item, and gives the first entry below;
// its level is -1 if it is the top of a directory, and last if it is the last of its level.
func (c *check) node(of Root, key *btree.Item, level int, last bool) (first *btree.Item, err error) {
	at := checked{of: of, level: level, last: last, open: strings.Join(c.open, "\x00")}
	if key != nil {
		at.name, at.datum = key.Name, key.Datum
	}
	if known, is := c.k.right[at]; is {
		if c.before != nil && c.before.Compare(known.first.Name, known.first.Datum) >= 0 {
			return nil, c.disorder()
		}
		c.before, c.open = key, slices.Clone(known.open)
		return known.first, nil
	}
	n, err := c.r.Check(of, key, level, last)
	if err != nil {
		return nil, fault.Prefix(err, "in %s", c.path)
	}
	for k := range n.Items {
		i, begins := &n.Items[k], &n.Items[k]
		if n.Level > 0 {
			begins, err = c.node(i.Root(), i, n.Level-1, last && k == len(n.Items)-1)
		} else {
			err = c.entry(i)
		}
		if err != nil {
			return nil, err
		}
		if k == 0 {
			first = begins
		}
	}
	c.k.right[at] = crossed{&btree.Item{Name: first.Name, Datum: first.Datum}, slices.Clone(c.open)}
	return first, nil
}

func (c *check) disorder() error { return btree.Damaged("the entries of %s are out of order", c.path) }

// entry checks the next one.
func (c *check) entry(i *btree.Item) error {
	if c.before != nil && c.before.Compare(i.Name, i.Datum) >= 0 {
		return c.disorder()
	}
	for len(c.open) > 0 {
		name := c.open[len(c.open)-1]
		if strings.HasPrefix(i.Name, name) && (len(i.Name) == len(name) || i.Name[len(name)] <= '/') {
			break
		}
		c.open = c.open[:len(c.open)-1]
	}
	first := ""
	if len(c.open) > 0 {
		first = c.open[len(c.open)-1]
	}
	if (first == strings.TrimSuffix(i.Name, "/")) != i.Conflict {
		return btree.Damaged("a conflict at %s%s is not as counted", c.path, i.Name)
	}
	c.before = i
	if !btree.IsDir(i.Name) {
		if first != i.Name {
			c.open = append(c.open, i.Name)
		}
		return c.r.CheckExtents(i)
	}
	below := &check{k: c.k, r: c.r, path: c.path + i.Name}
	if len(below.path) > MaxPath {
		return btree.Damaged("a path of %d bytes", len(below.path))
	}
	_, err := below.node(i.Root(), nil, -1, true)
	return err
}
