package file

import (
	"context"
	"iter"
	"strings"
	"time"

	"pachyderm/internal/data/glob"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/paths"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/fault"
)

// Info is a file of one datum, or a directory, of a commit.
type Info struct {
	tree.Entry
	Commit    graph.CommitInfo
	Committed time.Time // zero while the commit is open
}

// View is the files of a commit as they were when it was asked for.
type View struct {
	Commit graph.CommitInfo

	s     *Service
	root  tree.Root
	nodes tree.Nodes
}

// View opens the files of a commit. Fault: NotFound.
func (s *Service) View(ctx context.Context, ref graph.Ref) (*View, error) {
	one, root, err := s.resolve(ctx, ref)
	return &View{Commit: one, s: s, root: root, nodes: stored{s.packs, one.Ref()}}, err
}

func (v *View) info(e tree.Entry) Info {
	return Info{Entry: e, Commit: v.Commit, Committed: v.Commit.Finished}
}

func (v *View) infos(all iter.Seq2[tree.Entry, error]) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for e, err := range all {
			if !yield(v.info(e), err) || err != nil {
				return
			}
		}
	}
}

// Inspect is one file or directory. Fault: NotFound.
func (v *View) Inspect(ctx context.Context, path, datum string) (Info, error) {
	entries, err := tree.Lookup(ctx, v.nodes, v.root, paths.Form(path))
	if err != nil {
		return Info{}, err
	}
	for _, e := range entries {
		if e.Dir || datum == "" || e.Datum == datum {
			return v.info(e), nil
		}
	}
	return Info{}, v.Missing(path)
}

// Missing is the fault of a path where there is nothing.
func (v *View) Missing(path string) error { return errNoFile(path, v.Commit.Ref()) }

// List are the children of a directory, or a file itself, in the order of their paths.
// Fault: NotFound.
func (v *View) List(ctx context.Context, path string, p tree.Page) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		entries, err := tree.Lookup(ctx, v.nodes, v.root, paths.Form(path))
		if err != nil {
			yield(Info{}, err)
			return
		}
		dir := len(entries) == 0
		for _, e := range entries {
			dir = dir || e.Dir
			if !e.Dir && p.After == "" && !yield(v.info(e), nil) {
				return
			}
		}
		if dir {
			v.infos(v.found(path, tree.List(ctx, v.nodes, v.root, paths.Form(path), p)))(yield)
		}
	}
}

// Walk are a file, or a directory and all below, in the order of their paths. Fault: NotFound.
func (v *View) Walk(ctx context.Context, path string, p tree.Page) iter.Seq2[Info, error] {
	return v.infos(v.found(path, tree.Walk(ctx, v.nodes, v.root, paths.Form(path), p)))
}

// found says what is missing in the words that clients look for.
func (v *View) found(path string, all iter.Seq2[tree.Entry, error]) iter.Seq2[tree.Entry, error] {
	return func(yield func(tree.Entry, error) bool) {
		for e, err := range all {
			if fault.Is(err, fault.NotFound) {
				err = v.Missing(path)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Range is from a path up to one that is not in it; "" for no end.
type Range struct{ Lower, Upper string }

// Glob are the files and directories that a pattern matches, in the order of their
// paths. It reads only what can match. Fault: Invalid.
func (v *View) Glob(ctx context.Context, pattern string, in Range) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		g, err := glob.Compile("/" + strings.TrimPrefix(pattern, "/"))
		if err != nil {
			yield(Info{}, err)
			return
		}
		m := matching{v: v, g: g, in: in, yield: yield}
		root := tree.Entry{Path: "/", Dir: true, Size: v.root.Size, Files: v.root.Files, Hash: v.root.Hash, Root: v.root}
		if !m.see(root) {
			return
		}
		m.dir(ctx, "/")
	}
}

// matching is a search for what matches a pattern.
type matching struct {
	v     *View
	g     *glob.Glob
	in    Range
	yield func(Info, error) bool
}

// see yields an entry that matches; it is false at the end.
func (m *matching) see(e tree.Entry) bool {
	if e.Path < m.in.Lower || m.in.Upper != "" && e.Path >= m.in.Upper {
		return true
	}
	path := e.Path
	if path != "/" {
		path = strings.TrimSuffix(path, "/")
	}
	return !m.g.Match(path) || m.yield(m.v.info(e), nil)
}

func (m *matching) dir(ctx context.Context, path string) bool {
	for e, err := range tree.List(ctx, m.v.nodes, m.v.root, path, tree.Page{Lower: m.first(path)}) {
		if err == nil {
			err = ctx.Err() // where nothing matches, nothing is sent that would fail
		}
		if err != nil {
			m.yield(Info{}, err)
			return false
		}
		if m.in.Upper != "" && e.Path >= m.in.Upper || m.past(e.Path) {
			return true
		}
		if !m.see(e) || e.Dir && m.g.MayContain(strings.TrimSuffix(e.Path, "/")) && !m.dir(ctx, e.Path) {
			return false
		}
	}
	return true
}

// first is the first path in a directory that can match, and past whether none behind a
// path can: all that match begin with the pattern's literal prefix.
func (m *matching) first(dir string) string {
	rest, inside := strings.CutPrefix(m.g.Prefix(), dir)
	if !inside {
		return ""
	}
	element, _, _ := strings.Cut(rest, "/")
	return dir + element
}

func (m *matching) past(path string) bool {
	prefix := m.g.Prefix()
	return path > prefix && !strings.HasPrefix(path, prefix) && !strings.HasPrefix(prefix, path)
}

// One is the one file that a pattern matches. Faults: Invalid, NotFound.
func (v *View) One(ctx context.Context, pattern, datum string) (Info, error) {
	var found []Info
	for i, err := range v.Glob(ctx, pattern, Range{}) {
		if err != nil {
			return Info{}, err
		}
		if i.Dir || datum == "" || i.Datum == datum {
			found = append(found, i)
		}
		if len(found) > 1 {
			return Info{}, fault.New(fault.Invalid, "%s matched multiple files. Use GetFileTAR instead", fault.Clean(pattern, maxShown)).
				Next("name one file, or get all with -r")
		}
	}
	switch {
	case len(found) == 0:
		return Info{}, v.Missing(pattern)
	case found[0].Dir:
		return Info{}, fault.New(fault.Invalid, "%s: cannot get directory or non-regular file. Use GetFileTAR instead",
			fault.Clean(pattern, maxShown)).Next("get it with -r")
	}
	return found[0], nil
}

// Open reads a file from a byte on. Close it.
func (v *View) Open(ctx context.Context, i Info, offset int64) (*Bytes, error) {
	if offset < 0 || offset > i.Size {
		return nil, fault.New(fault.Invalid, "offset %d of a file of %d bytes", offset, i.Size).Next("use one from 0 to the size")
	}
	content, err := tree.ContentOf(ctx, v.nodes, i.Entry)
	if err != nil {
		return nil, err
	}
	return &Bytes{v.s.packs.Read(ctx, content, offset, -1), "file " + fault.Clean(i.Path, maxShown) + " of " + v.Commit.Ref().String()}, nil
}
