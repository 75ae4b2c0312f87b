package file

import (
	"context"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
)

// Detached starts a session that becomes no commit: what it has made is a tree by Root,
// and stays from the transaction on that Keep is called in. Close it.
func (s *Service) Detached(ctx context.Context) *Session {
	target := graph.Ref{Repo: graph.Repo{Project: graph.DefaultProject, Name: graph.FileSets, Type: graph.UserRepo}}
	return s.session(ctx, target, tree.Root{})
}

// Root is the tree of all that a detached session has made so far.
func (s *Session) Root() (root tree.Root, err error) {
	err = s.atWork(0, func() error {
		if err := s.closeFile(); err != nil {
			return err
		}
		err := s.settle()
		root, s.over = s.base, true
		return err
	})
	return root, err
}

// Keep has what a detached session has written stay, from a transaction on that names
// it. Fault: Unavailable if some of it is gone, after which all has to be written again.
func (s *Session) Keep(ctx context.Context, tx *db.Tx) error { return s.packs.Keep(ctx, tx) }

// Place makes a file be the one that an entry is, without moving its bytes.
func (s *Session) Place(e tree.Entry) error {
	return s.atWork(len(e.Path), func() error { return s.placeEntry(e) })
}

func (s *Session) placeEntry(e tree.Entry) error {
	if err := s.closeFile(); err != nil {
		return err
	}
	s.takeDeleted()
	if err := s.room(); err != nil {
		return err
	}
	return s.copyFile(e.Path, e.Datum, e, false)
}

// Merge adds all that a tree has: a file that is there already goes on with it. Bytes
// move of such files only, and directories that are not there are taken over whole.
func (s *Session) Merge(root tree.Root) error {
	return s.atWork(light, func() error { return s.merge(root) })
}

func (s *Session) merge(root tree.Root) error {
	if err := s.closeFile(); err != nil {
		return err
	}
	if err := s.settle(); err != nil {
		return err
	}
	if err := s.mergeInto("/", root); err != nil {
		return err
	}
	// So that what others do to a directory meanwhile is not lost with it.
	return s.settle()
}

func (s *Session) mergeInto(dir string, root tree.Root) error {
	for e, err := range tree.List(s.ctx, s.nodes, root, "/", tree.Page{}) {
		if err == nil {
			err = s.room()
		}
		if err != nil {
			return err
		}
		at := dir + e.Path[1:]
		if !e.Dir {
			err = s.copyFile(at, e.Datum, e, true)
		} else {
			err = s.mergeDir(at, e.Root)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) mergeDir(at string, root tree.Root) error {
	there, err := tree.Lookup(s.ctx, s.nodes, s.base, at)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return s.mergeInto(at, root)
	}
	s.takeDir(at, tree.Graft(at, root))
	s.grafted = true
	return nil
}

// ViewOf opens a tree as the files of what is shown as a commit, such as a file set.
func (s *Service) ViewOf(one graph.CommitInfo, root tree.Root) *View {
	return &View{Commit: one, s: s, root: root, nodes: stored{s.packs, one.Ref()}}
}

// Root is the tree of all files.
func (v *View) Root() tree.Root { return v.root }
