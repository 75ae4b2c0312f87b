package file

import (
	"context"
	"io"
	"slices"
	"strings"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// Session is what one caller writes: all of it becomes part of a commit by Commit, or
// none. Its methods are for one goroutine.
type Session struct {
	s      *Service
	ctx    context.Context //nolint:containedctx // of the call whose session it is
	by     audit.By
	target graph.Ref
	packs  *pack.Writer
	nodes  stored

	base  tree.Root // the files that were there when the session began
	edits []edit
	put   map[fileKey]int // the last edit that put a file, counted from 1
	gone  map[fileKey]int // and the last that deleted one of a datum or, without, of all, or a directory
	open  *openFile
	known knownDir
	// grafted says that a directory was copied, whose files no edit names.
	grafted bool

	settled settled
}

type fileKey struct{ path, datum string }

// edit is a change whose content may not be stored yet.
type edit struct {
	path, datum string
	content     *pack.Content
	other       *tree.Edit
}

// openFile is the file that is being written.
type openFile struct {
	path, datum string
	file        *pack.File
}

// Begin starts a session that writes to a commit: an open one by its id, or by its
// branch; if the head of the branch has finished, a new one is made of it. Close it.
// Faults: Invalid, NotFound, Precondition.
func (s *Service) Begin(ctx context.Context, by audit.By, target graph.Ref) (*Session, error) {
	base, err := s.baseOf(ctx, target)
	if err != nil {
		return nil, err
	}
	w := s.packs.Writer(ctx)
	return &Session{
		s: s, ctx: ctx, by: by, target: target, packs: w, base: base, put: map[fileKey]int{}, gone: map[fileKey]int{},
		nodes: stored{s.packs, target},
	}, nil
}

// baseOf is what a session begins with: of a branch that is not there, nothing.
func (s *Service) baseOf(ctx context.Context, target graph.Ref) (root tree.Root, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		if _, err := graph.InspectRepo(ctx, tx, target.Repo); err != nil {
			return err
		}
		one, err := graph.Resolve(ctx, tx, target)
		if fault.Is(err, fault.NotFound) && !graph.IsID(target.Name) {
			return graph.Branch(target).Check()
		}
		if err != nil {
			return err
		}
		if !one.Open() && graph.IsID(target.Name) {
			return graph.ErrFinished(one)
		}
		stored, err := graph.Inherited(ctx, tx, one)
		if err == nil {
			root, err = rootOf(stored)
		}
		return err
	})
	return root, err
}

// Add appends to a file, which is made if it is not there. Fault: Invalid.
func (s *Session) Add(path, datum string, data []byte) error {
	path, err := Clean(path)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, "/") {
		return fault.New(fault.Invalid, "path (%s) invalid: a file's cannot end with /", path)
	}
	if datum == "" {
		datum = tree.DefaultDatum
	}
	if s.open == nil || s.open.path != path || s.open.datum != datum {
		if err := s.openFile(path, datum); err != nil {
			return err
		}
	}
	if _, err = s.open.file.Write(data); err != nil {
		return spoiled(err, "what file "+path+" of "+s.target.String()+" begins with")
	}
	return nil
}

func (s *Session) openFile(path, datum string) error {
	if err := s.closeFile(); err != nil {
		return err
	}
	if len(s.edits) >= settleAt {
		if err := s.settle(); err != nil {
			return err
		}
	}
	base, same, err := s.before(path, datum)
	if err != nil {
		return err
	}
	s.open = &openFile{path, datum, s.packs.File(base, same)}
	return nil
}

// before is what a file is that is being added to, and what finds that it is as it was.
func (s *Session) before(path, datum string) (*pack.Content, pack.Same, error) {
	if s.grafted {
		if err := s.settle(); err != nil {
			return nil, nil, err
		}
	}
	old, err := s.stored(path, datum)
	if err != nil {
		return nil, nil, err
	}
	same := func(hash [32]byte) (pack.Content, bool) {
		if old == nil || old.Hash != hash {
			return pack.Content{}, false
		}
		return *old, true
	}
	put, gone := s.put[fileKey{path, datum}], s.goneAt(path, datum)
	switch {
	case put > gone:
		return s.edits[put-1].content, same, nil
	case gone > 0:
		return nil, same, nil
	}
	return old, same, nil
}

// goneAt is the last edit that deleted a file, by itself or with a directory; 0 for none.
func (s *Session) goneAt(path, datum string) int {
	last := max(s.gone[fileKey{path: path}], s.gone[fileKey{path, datum}], s.gone[fileKey{path: "/"}])
	for i := range path {
		if path[i] == '/' {
			last = max(last, s.gone[fileKey{path: path[:i+1]}])
		}
	}
	return last
}

// stored is a file as it was when the session began, nil for none.
func (s *Session) stored(path, datum string) (*pack.Content, error) {
	if s.base == (tree.Root{}) {
		return nil, nil //nolint:nilnil // there is none, and no error
	}
	entries, err := s.known.lookup(s.ctx, s.nodes, s.base, path)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.Dir && e.Datum == datum {
			c, err := tree.ContentOf(s.ctx, s.nodes, e)
			return &c, err
		}
	}
	return nil, nil //nolint:nilnil // there is none, and no error
}

func (s *Session) closeFile() error {
	if s.open == nil {
		return nil
	}
	content, err := s.open.file.Close()
	if err != nil {
		return err
	}
	s.putFile(s.open.path, s.open.datum, content)
	s.open = nil
	return nil
}

func (s *Session) putFile(path, datum string, content *pack.Content) {
	s.edits = append(s.edits, edit{path: path, datum: datum, content: content})
	s.put[fileKey{path, datum}] = len(s.edits)
}

// take makes an edit after which there is nothing of what is named.
func (s *Session) take(gone fileKey, e tree.Edit) {
	s.edits = append(s.edits, edit{other: &e})
	s.gone[gone] = len(s.edits)
}

// Delete takes out a file or, if the path ends with "/", a directory with all that is
// in it. What is not there is no error. An empty datum is every datum. Fault: Invalid.
func (s *Session) Delete(path, datum string) error {
	path, err := Clean(path)
	if err != nil {
		return err
	}
	if err := s.closeFile(); err != nil {
		return err
	}
	if len(s.edits) >= settleAt {
		if err := s.settle(); err != nil {
			return err
		}
	}
	switch {
	case strings.HasSuffix(path, "/"):
		s.take(fileKey{path: path}, tree.DeleteTree(path))
	case datum == "":
		s.take(fileKey{path: path}, tree.Delete(path, ""))
	default:
		s.take(fileKey{path, datum}, tree.Delete(path, datum))
	}
	return nil
}

// Source is what Copy copies.
type Source struct {
	View        *View
	Path, Datum string
}

// Entries are the files and the directory that are meant. Fault: NotFound.
func (f Source) Entries(ctx context.Context) ([]tree.Entry, error) {
	all, err := tree.Lookup(ctx, f.View.nodes, f.View.root, clean(f.Path))
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e tree.Entry) bool { return !e.Dir && f.Datum != "" && e.Datum != f.Datum })
	if len(all) == 0 {
		return nil, f.View.missing(f.Path)
	}
	return all, nil
}

// Copy copies a file or a directory of a commit, without moving its bytes, to where it
// replaces what there is or, with more, adds to it. Faults: Invalid, NotFound.
func (s *Session) Copy(dst, datum string, from Source, more bool) error {
	dst, err := Clean(dst)
	if err != nil {
		return err
	}
	if err := s.closeFile(); err != nil {
		return err
	}
	entries, err := from.Entries(s.ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.copyEntry(strings.TrimSuffix(dst, "/"), datum, e, more); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) copyEntry(dst, datum string, e tree.Entry, more bool) error {
	switch {
	case !e.Dir:
		if datum == "" {
			datum = e.Datum
		}
		return s.copyFile(dst, datum, e, more)
	case !more:
		s.take(fileKey{path: dst + "/"}, tree.Graft(dst+"/", e.Root))
		s.grafted = true
		return nil
	}
	for one, err := range tree.Walk(s.ctx, s.nodes, e.Root, "/", tree.Page{}) {
		if err != nil {
			return err
		}
		if !one.Dir {
			if err := s.copyFile(dst+one.Path, one.Datum, one, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Session) copyFile(dst, datum string, e tree.Entry, more bool) error {
	content, err := tree.ContentOf(s.ctx, s.nodes, e)
	if err != nil {
		return err
	}
	if more {
		base, _, err := s.before(dst, datum)
		if err != nil {
			return err
		}
		if base != nil && base.Size > 0 {
			s.open = &openFile{dst, datum, s.packs.File(base, nil)}
			r := s.s.packs.Read(s.ctx, content, 0, -1)
			if _, err := io.Copy(s.open.file, r); err != nil {
				return spoiled(err, "what is to be file "+dst+" of "+s.target.String())
			}
			if err := r.Close(); err != nil {
				return err
			}
			return s.closeFile()
		}
	}
	s.putFile(dst, datum, &content)
	return nil
}

// Close ends the session: what was not committed is gone.
func (s *Session) Close() { s.packs.Close() }

// Commit makes all that was written part of the target, and returns its commit.
// Faults: NotFound, Precondition, Conflict.
func (s *Session) Commit() (graph.Ref, error) {
	if err := s.closeFile(); err != nil {
		return graph.Ref{}, err
	}
	if err := s.packs.Flush(s.ctx); err != nil {
		return graph.Ref{}, err
	}
	edits := s.treeEdits()
	s.edits, s.put, s.gone = nil, nil, nil
	return s.s.submit(s.ctx, &request{session: s, settled: s.settled, edits: edits, id: graph.NewID(), done: make(chan struct{})})
}

func errNoFile(path string, in graph.Ref) error {
	return fault.New(fault.NotFound, "file %s not found in repo %s at commit %s", fault.Clean(path, 200), in.Repo, in.Name).
		Next("see what there is: pachctl list file %s@%s", in.Repo.Name, in.Name)
}
