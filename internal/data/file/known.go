package file

import (
	"context"
	"strings"

	"pachyderm/internal/data/tree"
)

const (
	// soon is after how many files of one directory all of it is read, and maxKnown how
	// many files it may have for that.
	soon     = 8
	maxKnown = 20_000
)

// knownDir is the directory that a session is writing to: whoever writes many files
// writes those of one directory after another, and each would be looked up from the root.
type knownDir struct {
	path  string
	asked int
	files map[string][]tree.Entry // by path, once all are read
}

func (k *knownDir) lookup(ctx context.Context, nodes tree.Nodes, root tree.Root, path string) ([]tree.Entry, error) {
	dir := path[:strings.LastIndexByte(path, '/')+1]
	if dir != k.path {
		*k = knownDir{path: dir}
	}
	k.asked++
	if k.asked == soon {
		if err := k.read(ctx, nodes, root); err != nil {
			return nil, err
		}
	}
	if k.files != nil {
		return k.files[path], nil
	}
	return tree.Lookup(ctx, nodes, root, path)
}

// read reads the directory, unless it is large.
func (k *knownDir) read(ctx context.Context, nodes tree.Nodes, root tree.Root) error {
	dirs, err := tree.Lookup(ctx, nodes, root, k.path)
	if err != nil {
		return err
	}
	files, n := map[string][]tree.Entry{}, 0
	if len(dirs) > 0 {
		for e, err := range tree.List(ctx, nodes, root, k.path, tree.Page{}) {
			if err != nil {
				return err
			}
			if n++; n > maxKnown {
				return nil
			}
			if !e.Dir {
				files[e.Path] = append(files[e.Path], e)
			}
		}
	}
	k.files = files
	return nil
}
