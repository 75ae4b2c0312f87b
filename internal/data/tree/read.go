package tree

import (
	"context"
	"iter"
	"strings"

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
func (i *item) entry(dir string) Entry {
	e := Entry{Path: dir + i.name, Datum: i.datum, Dir: isDir(i.name), Size: i.size, Files: i.files, Hash: i.hash}
	if e.Dir {
		e.Root = i.root()
	} else {
		e.Extents, e.aside = i.extents, i.node
	}
	return e
}

func entryOf(root Root) Entry {
	return Entry{Path: "/", Dir: true, Size: root.Size, Files: root.Files, Hash: root.Hash, Root: root}
}

// at finds all entries of a clean path.
func (r *reader) at(root Root, path string, onlyDir bool) ([]Entry, error) {
	if path == "" {
		return []Entry{entryOf(root)}, nil
	}
	parent, name := "", path
	if slash := strings.LastIndexByte(path, '/'); slash >= 0 {
		parent, name = path[:slash], path[slash+1:]
	}
	of, found, err := r.dir(root, parent)
	if err != nil || !found {
		return nil, err
	}
	before := "/" + parent
	if parent != "" {
		before += "/"
	}
	var all []Entry
	if !onlyDir {
		files, err := r.group(of, name)
		if err != nil {
			return nil, err
		}
		for k := range files {
			all = append(all, files[k].entry(before))
		}
	}
	i, err := r.lookup(of, name+"/", "")
	if err != nil {
		return nil, err
	}
	if i != nil {
		all = append(all, i.entry(before))
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
	return newReader(ctx, nodes).at(root, p, onlyDir)
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
		r := newReader(ctx, nodes)
		of, found, err := r.dir(root, path)
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
		r := newReader(ctx, nodes)
		tops, err := r.at(root, path, onlyDir)
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
	r       *reader
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
		return false, damaged("a path of %d bytes", len(path))
	}
	c, err := w.r.open(of, 0)
	if err != nil {
		return false, err
	}
	by := 1
	if w.reverse {
		by, err = -1, w.last(c, path)
	} else {
		err = w.first(c, path)
	}
	for err == nil && c.item() != nil {
		i := c.item()
		e := i.entry(path)
		if !w.reverse && w.span.left(e.Path, e.Datum) {
			break
		}
		if w.reverse && !w.span.reached(e.Path, e.Datum) && !(e.Dir && w.span.meets(e.Path)) {
			break
		}
		if more, err := w.entry(&e); err != nil || !more {
			return false, err
		}
		if more, err = c.step(by); !more {
			break
		}
	}
	return err == nil, err
}

// first goes to where the span begins in a directory.
func (w *walk) first(c *cursor, path string) error {
	name, found := element(path, w.span.lower)
	if !found {
		return c.end(1)
	}
	if isDir(name) {
		return c.seek(name, "")
	}
	return c.seek(name, w.span.lowerDatum)
}

// last goes to where the span ends in a directory; behind nothing if it ends before.
func (w *walk) last(c *cursor, path string) error {
	name, found := element(path, w.span.upper)
	if !found {
		return c.end(-1)
	}
	datum := ""
	if !isDir(name) {
		datum = w.span.upperDatum
	}
	if err := c.seek(name, datum); err != nil {
		return err
	}
	if i := c.item(); i != nil && isDir(name) && i.name == name && path+name != w.span.upper {
		return nil
	}
	more, err := c.step(-1)
	if !more {
		c.here().at = -1
	}
	return err
}
