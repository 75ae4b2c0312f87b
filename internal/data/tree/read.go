package tree

import (
	"context"
	"iter"
	"slices"
	"strings"

	"pachyderm/internal/data/btree"
	"pachyderm/internal/fault"
)

// Page says which part of a list is wanted. Paths are as those of entries: from "/",
// and ending with "/" for directories.
type Page struct {
	// After leaves out what comes up to this path in the order asked for, and of the
	// path itself what comes up to AfterDatum, or all if that is empty.
	After      string
	AfterDatum string
	// Reverse asks for the opposite order: what is in a directory before it.
	Reverse bool
	// Lower is the first path wanted, and Upper the first behind that is not; empty for
	// no limit.
	Lower, Upper string
}

// span is a part of the order of entries.
type span struct {
	lower, upper string // upper is empty for none
	// Entries of lower itself: after the datum, or all if there is none; past leaves out
	// the datum itself, or all.
	lowerDatum string
	past       bool
	// Entries of upper itself: those before the datum.
	upperDatum string
}

func (p Page) span() span {
	s := span{lower: p.Lower, upper: p.Upper}
	switch {
	case p.After == "":
	case p.Reverse:
		if s.upper == "" || p.After < s.upper {
			s.upper, s.upperDatum = p.After, p.AfterDatum
		}
	case p.After >= s.lower:
		s.lower, s.lowerDatum, s.past = p.After, p.AfterDatum, true
	}
	return s
}

// reached says whether an entry is not before the span.
func (s *span) reached(path, datum string) bool {
	if path != s.lower {
		return path > s.lower
	}
	if s.lowerDatum == "" || datum == s.lowerDatum {
		return !s.past
	}
	return datum > s.lowerDatum
}

// left says whether an entry is behind the span.
func (s *span) left(path, datum string) bool {
	if s.upper == "" || path < s.upper {
		return false
	}
	return path > s.upper || datum >= s.upperDatum
}

// meets says whether something in the directory can be in the span.
func (s *span) meets(dir string) bool {
	if s.upper != "" && s.upper <= dir {
		return false
	}
	return s.lower < dir || strings.HasPrefix(s.lower, dir)
}

// element is the key of the entry in a directory that is, or leads to, a path.
func element(dir, path string) (name string, found bool) {
	rest, found := strings.CutPrefix(path, dir)
	if !found || rest == "" {
		return "", false
	}
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		rest = rest[:slash+1]
	}
	return rest, true
}

// elements are those of a clean path.
func elements(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for path != "" {
			e, rest, _ := strings.Cut(path, "/")
			if !yield(e) {
				return
			}
			path = rest
		}
	}
}

// entry is an item as it is shown; dir is the path of its directory.
func entry(i *btree.Item, dir string) Entry {
	e := Entry{Path: dir + i.Name, Datum: i.Datum, Dir: btree.IsDir(i.Name), Size: i.Size, Files: i.Files, Hash: i.Hash}
	if e.Dir {
		e.Root = i.Root()
	} else {
		e.Extents, e.aside = i.Extents, i.Node
	}
	return e
}

func entryOf(root Root) Entry {
	return Entry{Path: "/", Dir: true, Size: root.Size, Files: root.Files, Hash: root.Hash, Root: root}
}

// at finds all entries of a clean path.
func at(r *btree.Reader, root Root, path string, onlyDir bool) ([]Entry, error) {
	if path == "" {
		return []Entry{entryOf(root)}, nil
	}
	parent, name := "", path
	if slash := strings.LastIndexByte(path, '/'); slash >= 0 {
		parent, name = path[:slash], path[slash+1:]
	}
	of, found, err := findDir(r, root, parent)
	if err != nil || !found {
		return nil, err
	}
	before := "/" + parent
	if parent != "" {
		before += "/"
	}
	var all []Entry
	if !onlyDir {
		files, err := r.Files(of, name)
		if err != nil {
			return nil, err
		}
		for k := range files {
			all = append(all, entry(&files[k], before))
		}
	}
	i, err := r.Directory(of, name+"/")
	if err != nil {
		return nil, err
	}
	if i != nil {
		all = append(all, entry(i, before))
	}
	return all, nil
}

// Lookup finds all entries of exactly that path: a file of each datum, in order, then
// the directory. A path that ends with "/" is a directory's only; "" and "/" are the
// root, which is always there. What is not there is an empty answer.
func Lookup(ctx context.Context, nodes Nodes, root Root, path string) ([]Entry, error) {
	p, onlyDir, err := clean(path)
	if err != nil {
		return nil, err
	}
	return at(btree.NewReader(ctx, nodes), root, p, onlyDir)
}

// Finder finds files of one tree; those that are near one another cost little. It is for
// one goroutine.
type Finder struct {
	r    *btree.Reader
	root Root
	dir  string        // the path of the last directory, with "/" at its end
	in   *btree.Finder // nil if that was not there
}

// NewFinder makes one.
func NewFinder(ctx context.Context, nodes Nodes, root Root) *Finder {
	return &Finder{r: btree.NewReader(ctx, nodes), root: root}
}

// File is what a file of a datum holds, nil if there is none, and whether the path has
// no other. The path is one of an entry's.
func (f *Finder) File(path, datum string) (c *Content, alone bool, err error) {
	slash := strings.LastIndexByte(path, '/') + 1
	if path[:slash] != f.dir {
		of, found, err := findDir(f.r, f.root, strings.Trim(path[:slash], "/"))
		if err != nil {
			return nil, false, err
		}
		f.dir, f.in = path[:slash], nil
		if found {
			f.in = f.r.Finder(of)
		}
	}
	if f.in == nil {
		return nil, true, nil
	}
	all, err := f.in.Files(path[slash:])
	if err != nil {
		return nil, false, err
	}
	for k := range all {
		if all[k].Datum != datum {
			continue
		}
		got, err := contentOf(f.r, &all[k])
		return &got, len(all) == 1, err
	}
	return nil, len(all) == 0, nil
}

func contentOf(r *btree.Reader, i *btree.Item) (c Content, err error) {
	c = Content{Size: i.Size, Hash: i.Hash}
	if i.Node == (ID{}) {
		c.Extents = slices.Clip(i.Extents)
		return c, nil
	}
	for part, err := range r.Extents(i, 0) {
		if err != nil {
			return Content{}, err
		}
		c.Extents = append(c.Extents, part)
	}
	return c, nil
}

func notFound(path string) error {
	return fault.New(fault.NotFound, "file %s not found", path).Next("list the directory above it")
}

// List gives the entries of a directory, by name and datum. Nodes are read as they are
// needed. A directory that is not there is fault.NotFound.
func List(ctx context.Context, nodes Nodes, root Root, dir string, p Page) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		path, _, err := clean(dir)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		r := btree.NewReader(ctx, nodes)
		of, found, err := findDir(r, root, path)
		if err == nil && !found {
			err = notFound(dir)
		}
		w := &walk{r: r, span: p.span(), reverse: p.Reverse, yield: yield}
		if path != "" {
			path += "/"
		}
		if err == nil {
			_, err = w.dir("/"+path, of)
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// Walk gives the entries of a path and all below, in the order of paths: a directory
// before what is in it. It reads nothing that lies outside of the page. A path that is
// not there is fault.NotFound.
func Walk(ctx context.Context, nodes Nodes, root Root, from string, p Page) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		path, onlyDir, err := clean(from)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		r := btree.NewReader(ctx, nodes)
		tops, err := at(r, root, path, onlyDir)
		if err == nil && len(tops) == 0 {
			err = notFound(from)
		}
		w := &walk{r: r, span: p.span(), deep: true, reverse: p.Reverse, yield: yield}
		for k := 0; k < len(tops) && err == nil; k++ {
			e := &tops[k]
			if p.Reverse {
				e = &tops[len(tops)-1-k]
			}
			var more bool
			if more, err = w.entry(e); !more {
				break
			}
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// walk gives entries until it is told that no more are wanted.
type walk struct {
	r       *btree.Reader
	span    span
	deep    bool
	reverse bool
	yield   func(Entry, error) bool
}

// entry gives one, and with it what is below.
func (w *walk) entry(e *Entry) (more bool, err error) {
	below := func() (bool, error) {
		if !w.deep || !e.Dir || !w.span.meets(e.Path) {
			return true, nil
		}
		return w.dir(e.Path, e.Root)
	}
	if w.reverse {
		if more, err := below(); err != nil || !more {
			return false, err
		}
	}
	if w.span.reached(e.Path, e.Datum) && !w.span.left(e.Path, e.Datum) && !w.yield(*e, nil) {
		return false, nil
	}
	if w.reverse {
		return true, nil
	}
	return below()
}

// dir gives what is in a directory, whose path ends with "/".
func (w *walk) dir(path string, of Root) (more bool, err error) {
	if of.Empty() {
		return true, nil
	}
	if len(path) > MaxPath {
		return false, btree.Damaged("a path of %d bytes", len(path))
	}
	c, err := w.r.Open(of)
	if err != nil {
		return false, err
	}
	by := 1
	if w.reverse {
		by, err = -1, w.last(c, path)
	} else {
		err = w.first(c, path)
	}
	for err == nil && c.Item() != nil {
		i := c.Item()
		e := entry(i, path)
		if !w.reverse && w.span.left(e.Path, e.Datum) {
			break
		}
		if w.reverse && !w.span.reached(e.Path, e.Datum) && (!e.Dir || !w.span.meets(e.Path)) {
			break
		}
		if more, err := w.entry(&e); err != nil || !more {
			return false, err
		}
		if more, err = c.Step(by); !more {
			break
		}
	}
	return err == nil, err
}

// first goes to where the span begins in a directory.
func (w *walk) first(c *btree.Cursor, path string) error {
	name, found := element(path, w.span.lower)
	if !found {
		return c.End(1)
	}
	if btree.IsDir(name) {
		return c.Seek(name, "")
	}
	return c.Seek(name, w.span.lowerDatum)
}

// last goes to where the span ends in a directory; behind nothing if it ends before.
func (w *walk) last(c *btree.Cursor, path string) error {
	name, found := element(path, w.span.upper)
	if !found {
		return c.End(-1)
	}
	datum := ""
	if !btree.IsDir(name) {
		datum = w.span.upperDatum
	}
	if err := c.Seek(name, datum); err != nil {
		return err
	}
	if i := c.Item(); i != nil && btree.IsDir(name) && i.Name == name && path+name != w.span.upper {
		return nil
	}
	return c.Before()
}

// findDir finds the directory at a clean path.
func findDir(r *btree.Reader, root Root, path string) (of Root, found bool, err error) {
	of = root
	for e := range elements(path) {
		i, err := r.Directory(of, e+"/")
		if err != nil || i == nil {
			return Root{}, false, err
		}
		of = i.Root()
	}
	return of, true, nil
}

// Extents are where the bytes of a file lie, from the given byte on: the first one
// begins with it. It reads the nodes that it needs, and those only when asked for more.
// An offset behind the end gives nothing; a negative one is fault.Invalid.
func Extents(ctx context.Context, nodes Nodes, e Entry, offset int64) iter.Seq2[Extent, error] {
	if offset < 0 || e.Dir {
		return func(yield func(Extent, error) bool) {
			yield(Extent{}, noBytes(e, offset))
		}
	}
	return btree.NewReader(ctx, nodes).Extents(e.item(), offset)
}

// ContentOf is what a file holds, with all of its extents: for Put elsewhere.
func ContentOf(ctx context.Context, nodes Nodes, e Entry) (Content, error) {
	if e.Dir {
		return Content{}, noBytes(e, 0)
	}
	return contentOf(btree.NewReader(ctx, nodes), e.item())
}

// item is of a file what its bytes are found by.
func (e *Entry) item() *btree.Item {
	return &btree.Item{Node: e.aside, Hash: e.Hash, Size: e.Size, Extents: e.Extents}
}

func noBytes(e Entry, offset int64) error {
	return fault.New(fault.Invalid, "no bytes at %d of %s", offset, e.Path).Next("ask for those of a file, from 0")
}

// References are the nodes and the blobs that a stored node names, as often as it does.
func References(data []byte) (nodes, blobs []ID, err error) { return btree.References(data) }
