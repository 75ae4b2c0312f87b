package fileset

import (
	"context"
	"strings"
	"time"

	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/paths"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// What a set deletes is a tree of empty files, the marks. The datum of a mark says what
// it names: the file at its path of any datum, the directory there, or the file of the
// datum that the mark has.
const (
	anyDatum  = "*"
	directory = "/"
	escape    = "=" // before datums that begin like one of these
)

func markOf(datum string) string {
	switch {
	case datum == "":
		return anyDatum
	case strings.ContainsRune(anyDatum+directory+escape, rune(datum[0])):
		return escape + datum
	}
	return datum
}

// Writer writes one set: in any order what is added, deleted and copied. Its methods
// are for one goroutine.
type Writer struct {
	s     *Service
	ctx   context.Context //nolint:containedctx // of the call whose writer it is
	owner string
	added *file.Session
	marks *file.Session // nil until something is deleted

	clears        bool
	written, left int64
}

// Begin begins a set. Close it. Fault: Exhausted.
func (s *Service) Begin(ctx context.Context, c Caller) (*Writer, error) {
	var left int64
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		left, err = s.left(ctx, tx, c.Owner)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.writer(ctx, c, left), nil
}

func (s *Service) writer(ctx context.Context, c Caller, left int64) *Writer {
	return &Writer{s: s, ctx: ctx, owner: c.Owner, added: s.files.Detached(ctx), left: left}
}

// spend counts what is kept for the set alone. Fault: Exhausted.
func (w *Writer) spend(bytes int64) error {
	if w.written += bytes; w.written > w.left {
		return w.s.errBytes()
	}
	return nil
}

// Add appends to a file. Faults: Invalid, Exhausted.
func (w *Writer) Add(path, datum string, data []byte) error {
	if err := w.spend(int64(len(data))); err != nil {
		return err
	}
	return w.added.Add(path, datum, data)
}

// Delete takes out a file or, if the path ends with "/", a directory with all that is
// in it: of the set, and of what it is added to. An empty datum is every datum. Fault: Invalid.
func (w *Writer) Delete(path, datum string) error {
	path, err := paths.Clean(path)
	if err != nil {
		return err
	}
	if err := w.added.Delete(path, datum); err != nil {
		return err
	}
	return w.mark(path, datum)
}

func (w *Writer) mark(path, datum string) error {
	if path == "/" {
		w.clears = true
		return nil
	}
	if w.marks == nil {
		w.marks = w.s.files.Detached(w.ctx)
	}
	if dir, ok := strings.CutSuffix(path, "/"); ok {
		return w.marks.Add(dir, directory, nil)
	}
	return w.marks.Add(path, markOf(datum), nil)
}

// Copy copies a file or a directory, to where it replaces what there is or, with more,
// adds to it. Faults: Invalid, NotFound, Exhausted.
func (w *Writer) Copy(dst, datum string, from file.Source, more bool) error {
	dst, err := paths.Clean(dst)
	if err != nil {
		return err
	}
	entries, err := from.Entries(w.ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		// What a commit holds is there without the set, but for what is written anew.
		if more || from.View.Commit.Repo.Name == graph.FileSets {
			if err := w.spend(e.Size); err != nil {
				return err
			}
		}
		if more {
			continue
		}
		at, of := strings.TrimSuffix(dst, "/"), datum
		if e.Dir {
			at += "/"
		} else if of == "" {
			of = e.Datum
		}
		if err := w.mark(at, of); err != nil {
			return err
		}
	}
	return w.added.Copy(dst, datum, from, more)
}

// Create makes the set, and gives its id, which nobody can be told again. Fault: Exhausted.
func (w *Writer) Create() (id string, err error) { return w.create(TTL) }

func (w *Writer) create(ttl time.Duration) (id string, err error) {
	one := Set{Owner: w.owner, Clears: w.clears, Written: w.written}
	if one.Root, err = w.added.Root(); err != nil {
		return "", err
	}
	if w.marks != nil {
		if one.Deletes, err = w.marks.Root(); err != nil {
			return "", err
		}
	}
	return w.s.insert(w.ctx, one, ttl, func(ctx context.Context, tx *db.Tx) error {
		if err := w.added.Keep(ctx, tx); err != nil || w.marks == nil {
			return err
		}
		return w.marks.Keep(ctx, tx)
	})
}

// Close ends the writer: what no set has come of is gone.
func (w *Writer) Close() {
	w.added.Close()
	if w.marks != nil {
		w.marks.Close()
	}
}

// Difference makes a set of what a commit changes in the one that it was made from: of
// files that are new or other than there, all that they hold. Fault: Exhausted.
func (s *Service) Difference(ctx context.Context, c Caller, v *file.View) (id string, err error) {
	w, err := s.Begin(ctx, c)
	if err != nil {
		return "", err
	}
	defer w.Close()
	for change, err := range s.files.Diff(ctx, v, nil, "/", "/", false) {
		if err == nil {
			err = w.replace(change)
		}
		if err != nil {
			return "", err
		}
	}
	return w.Create()
}

func (w *Writer) replace(change file.Change) error {
	of := change.New
	if of == nil {
		of = change.Old
	}
	if of.Dir {
		return nil // its files come by themselves
	}
	if err := w.mark(of.Path, of.Datum); err != nil || change.New == nil {
		return err
	}
	return w.added.Place(of.Entry)
}

// AddTo has a session that writes to a commit do what a set says. Faults: NotFound, Invalid.
func (s *Service) AddTo(ctx context.Context, c Caller, id string, w *file.Session) error {
	one, err := s.get(ctx, c, id)
	if err != nil {
		return err
	}
	if err := s.deletes(ctx, one, w.Delete); err != nil {
		return err
	}
	return w.Merge(one.Root)
}

// deletes tells what a set deletes.
func (s *Service) deletes(ctx context.Context, one Set, tell func(path, datum string) error) error {
	if one.Clears {
		if err := tell("/", ""); err != nil {
			return err
		}
	}
	for i, err := range s.view(one, "", one.Deletes).Walk(ctx, "/", tree.Page{}) {
		if err != nil {
			return err
		}
		if i.Dir {
			continue
		}
		path, datum := i.Path, strings.TrimPrefix(i.Datum, escape)
		switch i.Datum {
		case anyDatum:
			datum = ""
		case directory:
			path, datum = path+"/", ""
		}
		if err := tell(path, datum); err != nil {
			return err
		}
	}
	return nil
}

// Compose makes one set of several: what adding them one after another would do. It
// expires after so many seconds, or with 0 as a new set does. Faults: Invalid, NotFound,
// Exhausted.
func (s *Service) Compose(ctx context.Context, c Caller, ids []string, seconds int64) (id string, err error) {
	ttl := TTL
	if seconds != 0 {
		if ttl, err = checkTTL(seconds); err != nil {
			return "", err
		}
	}
	if int64(len(ids)) > s.limit.sets {
		return "", fault.New(fault.Invalid, "cannot compose %d file sets", len(ids)).Next("compose at most %d at a time", s.limit.sets)
	}
	w, err := s.Begin(ctx, c)
	if err != nil {
		return "", err
	}
	defer w.Close()
	for _, of := range ids {
		one, err := s.get(ctx, c, of)
		if err == nil {
			err = w.spend(one.Written)
		}
		if err == nil {
			err = s.deletes(ctx, one, w.Delete)
		}
		if err == nil {
			err = w.added.Merge(one.Root)
		}
		if err != nil {
			return "", err
		}
	}
	return w.create(ttl)
}
