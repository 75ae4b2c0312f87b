package tree

import (
	"context"
	"maps"
	"slices"
	"strings"

	"pachyderm/internal/data/btree"
	"pachyderm/internal/fault"
)

type editKind uint8

const (
	putFile editKind = iota + 1
	putAlone
	deleteFile
	replaceTree
)

// Edit is a change to a tree; make it by Put, PutAlone, Delete, DeleteTree or Graft.
type Edit struct {
	kind    editKind
	path    string
	datum   string
	content Content
	root    *Root
}

// Put makes a file of a datum (empty: DefaultDatum) hold the content and nothing else.
func Put(path, datum string, c Content) Edit {
	if datum == "" {
		datum = DefaultDatum
	}
	return Edit{kind: putFile, path: path, datum: datum, content: c}
}

// PutAlone is Put after a Delete of the files of all datums.
func PutAlone(path, datum string, c Content) Edit {
	e := Put(path, datum, c)
	e.kind = putAlone
	return e
}

// Delete removes a file of a datum; an empty one stands for all. A directory of that
// name stays. What is not there is no error.
func Delete(path, datum string) Edit { return Edit{kind: deleteFile, path: path, datum: datum} }

// DeleteTree removes a directory and all below. A file of that name stays. What is not
// there is no error.
func DeleteTree(path string) Edit { return Edit{kind: replaceTree, path: path} }

// Graft makes a directory be the given one, in place of what it held: nothing below is
// read or written. An empty one removes it.
func Graft(path string, root Root) Edit { return Edit{kind: replaceTree, path: path, root: &root} }

// staged is an edit in its place: its path is clean, and ends with "/" if the edit is
// of a directory. So an order by path is the order of entries in each directory.
type staged struct {
	path string
	at   int // in the order given
}

type application struct {
	r     *btree.Reader
	edits []Edit
}

// Apply makes the edits in the order given, so later ones win, and gives the new root:
// the old one stays. It reads and writes as many nodes as are on the ways to what
// changes. Directories without anything in them vanish. Malformed edits are
// fault.Invalid, and nothing is stored for them.
func Apply(ctx context.Context, nodes Nodes, root Root, edits []Edit) (Root, error) {
	list := make([]staged, len(edits))
	for at := range edits {
		s, err := stage(&edits[at], at)
		if err != nil {
			return Root{}, err
		}
		list[at] = s
	}
	slices.SortFunc(list, func(a, b staged) int {
		if c := strings.Compare(a.path, b.path); c != 0 {
			return c
		}
		return a.at - b.at
	})
	a := &application{r: btree.NewReader(ctx, nodes), edits: edits}
	return a.tree(root, list, 0, 0)
}

// stage checks an edit by itself.
func stage(e *Edit, at int) (staged, error) {
	path, dir, err := clean(e.path)
	if err != nil {
		return staged{}, err
	}
	switch e.kind {
	case replaceTree:
		if path != "" {
			path += "/"
		}
		return staged{path: path, at: at}, nil
	case putFile, putAlone, deleteFile:
	default:
		return staged{}, fault.New(fault.Invalid, "an edit that does nothing").Next("make it by Put, PutAlone, Delete, DeleteTree or Graft")
	}
	if dir {
		return staged{}, fault.New(fault.Invalid, "path (%s) invalid: a file's name is missing", e.path).Next("leave out the last slash")
	}
	if len(e.datum) > MaxDatum {
		return staged{}, fault.New(fault.Invalid, "datum of %d bytes", len(e.datum)).Next("use at most %d", MaxDatum)
	}
	if e.kind != deleteFile && btree.Total(e.content.Extents) != e.content.Size {
		return staged{}, fault.New(fault.Invalid, "the parts of file %s are not as long as the file", e.path).Next("put it again")
	}
	return staged{path: path, at: at}, nil
}

// tree applies edits to the directory whose path is the first bytes of all of theirs,
// but for those that come before one that replaced a directory above.
func (a *application) tree(base Root, list []staged, prefix, since int) (Root, error) {
	for len(list) > 0 && len(list[0].path) == prefix {
		if at := list[0].at; at >= since {
			since, base = at, Root{}
			if r := a.edits[at].root; r != nil {
				base = *r
			}
			if long := int64(prefix) + 1 + base.Longest; long > MaxPath {
				return Root{}, fault.New(fault.Invalid, "path of %d bytes in a copied directory", long).Next("use at most %d", MaxPath)
			}
		}
		list = list[1:]
	}
	if len(list) == 0 {
		return base, nil
	}
	d, err := newDirectory(a.r, base)
	if err != nil {
		return Root{}, err
	}
	for len(list) > 0 {
		n, err := a.first(d, list, prefix, since)
		if err != nil {
			return Root{}, err
		}
		list = list[n:]
	}
	return d.finish()
}

// first applies the edits of the first entry in a list, and says how many those are.
func (a *application) first(d *directory, list []staged, prefix, since int) (n int, err error) {
	path, n := list[0].path, 1
	slash := strings.IndexByte(path[prefix:], '/')
	if slash < 0 {
		for n < len(list) && list[n].path == path {
			n++
		}
		return n, a.file(d, path[prefix:], list[:n], since)
	}
	below := path[:prefix+slash+1]
	for n < len(list) && strings.HasPrefix(list[n].path, below) {
		n++
	}
	return n, a.child(d, below[prefix:], list[:n], len(below), since)
}

// file applies the edits of one file.
func (a *application) file(d *directory, name string, list []staged, since int) error {
	for len(list) > 0 && list[0].at < since {
		list = list[1:]
	}
	if len(list) == 0 {
		return nil
	}
	if err := d.settle(name); err != nil {
		return err
	}
	before, err := d.find.Files(name)
	if err != nil {
		return err
	}
	e := &a.edits[list[0].at]
	if one := len(before) == 0 || len(before) == 1 && before[0].Datum == e.datum; one && len(list) == 1 && e.kind != deleteFile {
		return d.put(before, fileItem(name, e))
	}
	after := make(map[string]*btree.Item, len(before)+1)
	for k := range before {
		after[before[k].Datum] = &before[k]
	}
	for _, s := range list {
		switch e := &a.edits[s.at]; {
		case e.kind != deleteFile:
			if e.kind == putAlone {
				clear(after)
			}
			i := fileItem(name, e)
			after[e.datum] = &i
		case e.datum == "":
			clear(after)
		default:
			delete(after, e.datum)
		}
	}
	d.pending = append(d.pending, presence{name: name, was: len(before) > 0, is: len(after) > 0})
	return d.replace(before, after)
}

func fileItem(name string, e *Edit) btree.Item {
	c := &e.content
	return btree.Item{Name: name, Datum: e.datum, Hash: c.Hash, Size: c.Size, Files: 1, Extents: c.Extents}
}

// child applies edits to a directory in another.
func (a *application) child(d *directory, name string, list []staged, prefix, since int) error {
	if err := d.settle(name); err != nil {
		return err
	}
	before, err := d.find.Directory(name)
	if err != nil {
		return err
	}
	var base Root
	if before != nil {
		base = before.Root()
	}
	root, err := a.tree(base, list, prefix, since)
	if err != nil {
		return err
	}
	conflict, err := d.fileBeside(name, before)
	if err != nil {
		return err
	}
	if root.Empty() {
		if before == nil {
			return nil
		}
		return d.level.Push(before, true)
	}
	after := btree.Item{Name: name, Conflict: conflict}
	after.SetRoot(root)
	if before != nil && before.Same(&after) {
		return nil
	}
	return d.level.Push(&after, false)
}

// directory is one that is being changed, from its first entry to its last.
type directory struct {
	r     *btree.Reader
	base  Root
	find  *btree.Finder // what was there
	level *btree.Level
	// pending are files that changed and whose directories of the same name are yet to
	// come: each one's is before that of the one in front of it.
	pending []presence
}

// presence says whether there are files with a name.
type presence struct {
	name    string
	was, is bool
}

func newDirectory(r *btree.Reader, base Root) (*directory, error) {
	l, err := r.Edit(base)
	if err != nil {
		return nil, err
	}
	return &directory{r: r, base: base, find: r.Finder(base), level: l}, nil
}

// settle marks the directories before name that now share their names with files, or no
// longer do.
func (d *directory) settle(name string) error {
	for len(d.pending) > 0 {
		last := d.pending[len(d.pending)-1]
		if strings.HasPrefix(name, last.name) && len(name) > len(last.name) && name[len(last.name)] <= '/' {
			return nil
		}
		d.pending = d.pending[:len(d.pending)-1]
		if last.was == last.is {
			continue
		}
		before, err := d.find.Directory(last.name + "/")
		if err != nil {
			return err
		}
		if before == nil {
			continue
		}
		after := *before
		after.Conflict = last.is
		if err := d.level.Push(&after, false); err != nil {
			return err
		}
	}
	return nil
}

// fileBeside says whether there will be a file with a directory's name.
func (d *directory) fileBeside(name string, before *btree.Item) (bool, error) {
	file := name[:len(name)-1]
	if n := len(d.pending) - 1; n >= 0 && d.pending[n].name == file {
		is := d.pending[n].is
		d.pending = d.pending[:n]
		return is, nil
	}
	if before != nil {
		return before.Conflict, nil
	}
	files, err := d.find.Files(file)
	return len(files) > 0, err
}

// replace puts files in the place of those that had their name.
func (d *directory) replace(before []btree.Item, after map[string]*btree.Item) error {
	datums := slices.AppendSeq(make([]string, 0, len(before)+len(after)), maps.Keys(after))
	old := make(map[string]*btree.Item, len(before))
	for k := range before {
		old[before[k].Datum] = &before[k]
		if after[before[k].Datum] == nil {
			datums = append(datums, before[k].Datum)
		}
	}
	slices.Sort(datums)
	first := true
	for _, datum := range datums {
		was, is := old[datum], after[datum]
		if is == nil {
			if err := d.level.Push(was, true); err != nil {
				return err
			}
			continue
		}
		now := *is
		now.Conflict, first = !first, false
		if err := d.r.PutAside(&now); err != nil {
			return err
		}
		if was != nil && was.Same(&now) {
			continue
		}
		if err := d.level.Push(&now, false); err != nil {
			return err
		}
	}
	return nil
}

// put adds a file in the place of the one that there was at most.
func (d *directory) put(before []btree.Item, i btree.Item) error {
	if len(before) == 0 {
		d.pending = append(d.pending, presence{name: i.Name, is: true})
	}
	if err := d.r.PutAside(&i); err != nil {
		return err
	}
	if len(before) > 0 && before[0].Same(&i) {
		return nil
	}
	return d.level.Push(&i, false)
}

// finish writes what is left and gives the directory as it is now.
func (d *directory) finish() (Root, error) {
	if err := d.settle(""); err != nil {
		return Root{}, err
	}
	return d.level.Finish(d.base)
}
