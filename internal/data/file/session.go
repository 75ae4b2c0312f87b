package file

import (
	"context"
	"io"
	"slices"
	"strings"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/pack/turn"
	"pachyderm/internal/data/paths"
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
	find  *tree.Finder
	edits []edit
	// files are the places of edits by path, of the default datum and of all; others those
	// of other datums, and goneDirs of what replaced directories.
	files    map[string]places
	others   map[fileKey]places
	goneDirs map[string]int
	// deleted is the path of files that are to be deleted by the next edit, "" for none:
	// most often that puts another in their place.
	deleted string
	open    openFile
	asked   struct{ given, cleaned string } // the last path
	// grafted says that a directory was copied, whose files no edit names.
	grafted bool

	settled settled

	turns    *turn.Writer
	given    int   // bytes
	named    int64 // bytes of the names of the edits
	gaveBack error // what went wrong when memory was given back
	over     bool  // all that was written is stored
}

type fileKey struct{ path, datum string }

// places are those of the last edit that put a file, of the last that deleted it, and of
// the last that deleted it with those of all datums; 0 for none.
type places struct{ put, gone, all int }

// edit is a change whose content may not be stored yet.
type edit struct {
	path, datum string
	content     *pack.Content
	other       *tree.Edit
	// alone says that files of other datums are deleted, and same that all is as it was
	// when the session began.
	alone, same bool
}

// openFile is the file that is being written, if there is one.
type openFile struct {
	edit
	file *pack.File
	old  *pack.Content // what there was when the session began, and nothing else, if it has not changed that yet
}

// Begin starts a session that writes to a commit: an open one by its id, or by its
// branch; if the head of the branch has finished, a new one is made of it. Close it.
// Faults: Invalid, NotFound, Precondition.
func (s *Service) Begin(ctx context.Context, by audit.By, target graph.Ref) (*Session, error) {
	base, err := s.baseOf(ctx, target)
	if err != nil {
		return nil, err
	}
	one := s.session(ctx, target, base)
	one.by = by
	return one, nil
}

func (s *Service) session(ctx context.Context, target graph.Ref, base tree.Root) *Session {
	one := &Session{s: s, ctx: ctx, target: target, packs: s.packs.Writer(ctx), nodes: stored{s.packs, target}}
	one.turns = s.packs.Turns().Writer(one.giveBack)
	one.startFrom(base)
	return one
}

// startFrom has the session have made no edits of a tree.
func (s *Session) startFrom(base tree.Root) {
	s.base, s.find = base, tree.NewFinder(s.ctx, s.nodes, base)
	s.named = 0
	s.edits, s.files, s.others, s.goneDirs, s.grafted = nil, map[string]places{}, map[fileKey]places{}, map[string]int{}, false
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
			root, err = tree.ReadRoot(stored)
		}
		return err
	})
	return root, err
}

// Add appends to a file, which is made if it is not there. Nobody may change data until
// the next call, Commit among them, unless it is longer than LongestLoan. Fault: Invalid.
func (s *Session) Add(path, datum string, data []byte) error {
	return s.atWork(len(path)+len(data), func() error { return s.add(path, datum, data) })
}

func (s *Session) add(path, datum string, data []byte) error {
	path, err := s.clean(path, datum)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, "/") {
		return fault.New(fault.Invalid, "path (%s) invalid: a file's cannot end with /", fault.Clean(path, maxShown))
	}
	if datum == "" {
		datum = tree.DefaultDatum
	}
	if s.open.file == nil || s.open.path != path || s.open.datum != datum {
		if err := s.openFile(path, datum); err != nil {
			return err
		}
	}
	if err := s.open.file.Lend(data); err != nil {
		return spoiled(err, "what file "+fault.Clean(path, maxShown)+" of "+s.target.String()+" begins with")
	}
	return nil
}

// clean is paths.Clean, which most often is asked for the same path as before.
func (s *Session) clean(path, datum string) (string, error) {
	if len(datum) > tree.MaxDatum {
		return "", fault.New(fault.Invalid, "datum of %d bytes", len(datum)).Next("use at most %d", tree.MaxDatum)
	}
	if path == s.asked.given && path != "" {
		return s.asked.cleaned, nil
	}
	cleaned, err := paths.Clean(path)
	if err == nil {
		s.asked.given, s.asked.cleaned = path, cleaned
	}
	return cleaned, err
}

func (s *Session) openFile(path, datum string) error {
	if err := s.closeFile(); err != nil {
		return err
	}
	alone := s.deleted == path
	if alone {
		s.deleted = ""
	}
	s.takeDeleted()
	if err := s.room(); err != nil {
		return err
	}
	base, old, untouched, err := s.before(path, datum, alone)
	if err != nil {
		return err
	}
	s.open = openFile{edit: edit{path: path, datum: datum, alone: alone}, file: s.packs.File(base, old)}
	if untouched {
		s.open.old = old
	}
	return nil
}

// before is what a file is that is being added to, unless it is alone, and what it was
// when the session began: untouched says that this is all that the path has.
func (s *Session) before(path, datum string, alone bool) (base, old *pack.Content, untouched bool, err error) {
	if s.grafted {
		if err := s.settle(); err != nil {
			return nil, nil, false, err
		}
	}
	old, only, err := s.find.File(path, datum)
	if err != nil {
		return nil, nil, false, err
	}
	at := s.places(path, datum)
	switch {
	case alone:
		untouched = only && at == places{} && datum == tree.DefaultDatum && len(s.others) == 0
	case at.put > at.gone:
		base = s.edits[at.put/2-1].content
	case at.gone == 0:
		base = old
	}
	return base, old, untouched, nil
}

// places are those of the last edit that put a file, and of the last that deleted it in
// any way.
func (s *Session) places(path, datum string) places {
	named := s.files[path]
	at := places{put: named.put, gone: named.gone}
	if datum != tree.DefaultDatum {
		at = s.others[fileKey{path, datum}]
	}
	at.gone = max(at.gone, named.all)
	if len(s.goneDirs) > 0 {
		for i := range path {
			if path[i] == '/' {
				at.gone = max(at.gone, s.goneDirs[path[:i+1]])
			}
		}
	}
	return at
}

// note changes what is known of where a file was put and deleted.
func (s *Session) note(path, datum string, change func(*places)) {
	if datum == tree.DefaultDatum || datum == "" {
		at := s.files[path]
		change(&at)
		s.files[path] = at
		return
	}
	at := s.others[fileKey{path, datum}]
	change(&at)
	s.others[fileKey{path, datum}] = at
}

func (s *Session) closeFile() error {
	if s.open.file == nil {
		return nil
	}
	content, err := s.open.file.Close()
	if err != nil {
		return err
	}
	e := s.open.edit
	e.content, e.same = content, content == s.open.old && content != nil
	s.putFile(e)
	s.open = openFile{}
	return nil
}

// place is where the last edit is among what put and gone count; what it deletes before
// it puts something is one place before.
func (s *Session) place() int { return 2 * len(s.edits) }

func (s *Session) putFile(e edit) {
	s.named += int64(len(e.path) + len(e.datum))
	s.edits = append(s.edits, e)
	s.note(e.path, e.datum, func(p *places) { p.put = s.place() })
	if e.alone {
		s.note(e.path, "", func(p *places) { p.all = s.place() - 1 })
	}
}

// takeDeleted makes the edit that is waiting for what comes next.
func (s *Session) takeDeleted() {
	if s.deleted == "" {
		return
	}
	s.takeFile(s.deleted, "")
	s.deleted = ""
}

func (s *Session) takeFile(path, datum string) {
	e := tree.Delete(path, datum)
	s.named += int64(len(path) + len(datum))
	s.edits = append(s.edits, edit{other: &e})
	s.note(path, datum, func(p *places) {
		if datum == "" {
			p.all = s.place()
		} else {
			p.gone = s.place()
		}
	})
}

// takeDir makes an edit after which there is nothing else in a directory, whose path
// ends with "/".
func (s *Session) takeDir(path string, e tree.Edit) {
	s.named += int64(len(path))
	s.edits = append(s.edits, edit{other: &e})
	s.goneDirs[path] = s.place()
}

// Delete takes out a file or, if the path ends with "/", a directory with all that is
// in it. What is not there is no error. An empty datum is every datum. Fault: Invalid.
func (s *Session) Delete(path, datum string) error {
	return s.atWork(len(path), func() error { return s.delete(path, datum) })
}

func (s *Session) delete(path, datum string) error {
	path, err := s.clean(path, datum)
	if err != nil {
		return err
	}
	if err := s.closeFile(); err != nil {
		return err
	}
	s.takeDeleted()
	if err := s.room(); err != nil {
		return err
	}
	switch {
	case strings.HasSuffix(path, "/"):
		s.takeDir(path, tree.DeleteTree(path))
	case datum == "":
		s.deleted = path
	default:
		s.takeFile(path, datum)
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
	all, err := tree.Lookup(ctx, f.View.nodes, f.View.root, paths.Form(f.Path))
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e tree.Entry) bool { return !e.Dir && f.Datum != "" && e.Datum != f.Datum })
	if len(all) == 0 {
		return nil, f.View.Missing(f.Path)
	}
	return all, nil
}

// Copy copies a file or a directory of a commit, without moving its bytes, to where it
// replaces what there is or, with more, adds to it. Faults: Invalid, NotFound.
func (s *Session) Copy(dst, datum string, from Source, more bool) error {
	return s.atWork(light, func() error { return s.copy(dst, datum, from, more) })
}

func (s *Session) copy(dst, datum string, from Source, more bool) error {
	dst, err := s.clean(dst, datum)
	if err != nil {
		return err
	}
	if err := s.closeFile(); err != nil {
		return err
	}
	s.takeDeleted()
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
		s.takeDir(dst+"/", tree.Graft(dst+"/", e.Root))
		s.grafted = true
		return nil
	}
	for one, err := range tree.Walk(s.ctx, s.nodes, e.Root, "/", tree.Page{}) {
		if err != nil {
			return err
		}
		if err := s.room(); err != nil {
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
		base, _, _, err := s.before(dst, datum, false)
		if err != nil {
			return err
		}
		if base != nil && base.Size > 0 {
			s.open = openFile{edit: edit{path: dst, datum: datum}, file: s.packs.File(base, nil)}
			r := s.s.packs.Read(s.ctx, content, 0, -1)
			if _, err := io.Copy(s.open.file, r); err != nil {
				return spoiled(err, "what is to be file "+fault.Clean(dst, maxShown)+" of "+s.target.String())
			}
			if err := r.Close(); err != nil {
				return err
			}
			return s.closeFile()
		}
	}
	s.putFile(edit{path: dst, datum: datum, content: &content})
	return nil
}

// Close ends the session: what was not committed is gone.
func (s *Session) Close() {
	s.packs.Close()
	s.turns.Close()
	if s.open.file != nil {
		s.open.file.Abandon()
	}
}

// Commit makes all that was written part of the target.
// Faults: NotFound, Precondition, Conflict.
func (s *Session) Commit() (made graph.Written, err error) {
	var r *request
	err = s.atWork(0, func() (err error) {
		r, err = s.finish()
		return err
	})
	if err != nil {
		return made, err
	}
	return s.s.submit(s.ctx, r)
}

// finish makes the files and, if it can, the tree durable.
func (s *Session) finish() (*request, error) {
	if err := s.closeFile(); err != nil {
		return nil, err
	}
	s.takeDeleted()
	if err := s.packs.Pause(); err != nil {
		return nil, err
	}
	s.over = true
	r := &request{session: s, settled: s.settled, from: s.base, id: graph.NewID(), done: make(chan struct{})}
	r.edits, r.changes = s.treeEdits()
	s.edits, s.files, s.others = nil, nil, nil
	if !s.s.queues.busy(s.target) {
		// Most often nothing comes in between: then the files and their tree are one pack.
		to, err := tree.Apply(s.ctx, writing(s.nodes, s.packs), s.base, r.changes)
		if err != nil {
			return nil, err
		}
		r.to = &to
	}
	return r, s.packs.Flush(s.ctx)
}

func errNoFile(path string, in graph.Ref) error {
	return fault.New(fault.NotFound, "file %s not found in repo %s at commit %s", fault.Clean(path, maxShown), in.Repo, in.Name).
		Next("see what there is: pachctl list file %s@%s", in.Repo.Name, in.Name)
}
