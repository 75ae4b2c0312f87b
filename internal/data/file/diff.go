package file

import (
	"context"
	"iter"
	"strings"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/paths"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// Change is a file or directory that two commits do not have alike.
type Change struct{ Old, New *Info }

// Diff are the differences between what a commit has at a path and what another has at
// its own, or if that is nil the one that it was made from has at the same. Fault: NotFound.
func (s *Service) Diff(ctx context.Context, v, old *View, path, oldPath string, shallow bool) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		if old == nil {
			var err error
			if _, old, err = s.Parent(ctx, v); err != nil {
				yield(Change{}, err)
				return
			}
			oldPath = path
		}
		at, before, root, oldRoot, err := v.sides(ctx, old, path, oldPath)
		if err != nil {
			yield(Change{}, err)
			return
		}
		from := paths.Form(path)
		if at != "" || before != "" {
			from = "/"
		}
		for c, err := range tree.Diff(ctx, v.nodes, oldRoot, root, from, shallow) {
			if fault.Is(err, fault.NotFound) {
				err = v.Missing(path)
			}
			if !yield(Change{old.below(before, c.Old), v.below(at, c.New)}, err) || err != nil {
				return
			}
		}
	}
}

// sides are the trees that are compared: those of the commits or, if the paths are not
// the same, of the directories there, with what their paths begin with.
func (v *View) sides(ctx context.Context, old *View, path, oldPath string) (at, before string, root, oldRoot tree.Root, err error) {
	if paths.Form(path) == paths.Form(oldPath) {
		return "", "", v.root, old.root, nil
	}
	if at, root, err = v.dir(ctx, path); err == nil {
		before, oldRoot, err = old.dir(ctx, oldPath)
	}
	return at, before, root, oldRoot, err
}

// dir is a directory, with what the paths in it begin with.
func (v *View) dir(ctx context.Context, path string) (at string, root tree.Root, err error) {
	entries, err := v.Lookup(ctx, path)
	if err != nil {
		return "", root, err
	}
	for _, e := range entries {
		if e.Dir {
			return "/" + strings.Trim(path, "/"), e.Root, nil
		}
	}
	if len(entries) == 0 {
		return "", root, v.Missing(path)
	}
	return "", root, fault.New(fault.Invalid, "%s is a file, and is compared with one of another path", fault.Clean(path, maxShown)).
		Next("compare directories, or get both files")
}

// below is an entry of a tree that lies at a path of the commit.
func (v *View) below(at string, e *tree.Entry) *Info {
	if e == nil {
		return nil
	}
	i := v.info(*e)
	if at != "/" {
		i.Path = at + i.Path
	}
	return &i
}

// Parent is the commit before that of a view, nil for none, and base the files that the
// view's were made from: those of the parent or of the nearest good one before it.
func (s *Service) Parent(ctx context.Context, v *View) (parent, base *View, err error) {
	var one graph.CommitInfo
	var of, from []byte
	err = s.db.View(ctx, func(tx *db.Tx) error {
		one, from, err = graph.BaseOf(ctx, tx, v.Commit)
		of = one.Root
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	base = &View{Commit: v.Commit, s: s, nodes: v.nodes}
	if base.root, err = tree.ReadRoot(from); err != nil || one.ID == "" {
		return nil, base, err
	}
	base.Commit = one
	parent = &View{Commit: one, s: s, nodes: stored{s.packs, one.Ref()}}
	parent.root, err = tree.ReadRoot(of)
	return parent, base, err
}

// Lookup are the files and the directory at a path.
func (v *View) Lookup(ctx context.Context, path string) ([]tree.Entry, error) {
	return tree.Lookup(ctx, v.nodes, v.root, paths.Form(path))
}
