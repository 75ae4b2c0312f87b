package tree

import (
	"strings"

	"pachyderm/internal/data/btree"
	"pachyderm/internal/data/content"
	"pachyderm/internal/fault"
)

// Limits of what a tree holds.
const (
	MaxPath     = btree.MaxPath  // bytes of a path
	MaxElements = 255            // elements of a path
	MaxDatum    = btree.MaxDatum // bytes of a datum

	// DefaultDatum is the datum of files that belong to none.
	DefaultDatum = btree.DefaultDatum

	// RootSize is the length of an encoded Root, in bytes.
	RootSize = btree.RootSize
)

// What a tree is made of is what its directories are.
type (
	ID     = btree.ID
	Hash   = btree.Hash
	Nodes  = btree.Nodes
	Extent = btree.Extent
	Root   = btree.Root
	// Content is what a file holds.
	Content = content.Content
)

// Entry is a file of one datum, or a directory.
type Entry struct {
	// Path begins with "/"; that of a directory ends with one, too.
	Path  string
	Datum string // of a file
	Dir   bool
	Size  int64 // in bytes; of a directory, of all files below
	Files int64 // file entries below; 1 for a file
	Hash  Hash
	// Root is the directory's.
	Root Root
	// Extents are where a file's bytes lie if these are few parts; ask the function
	// Extents, which knows the others as well.
	Extents []Extent
	aside   ID // the node that has them if they are many
}

// clean is a path without the slashes at its ends, and whether it must be a directory.
func clean(path string) (p string, dir bool, err error) {
	p = strings.TrimPrefix(path, "/")
	if p == "" {
		return "", true, nil
	}
	p, dir = strings.CutSuffix(p, "/")
	if len(p) > MaxPath-2 {
		return "", false, fault.New(fault.Invalid, "path of %d bytes", len(path)).Next("use at most %d", MaxPath-2)
	}
	if n := strings.Count(p, "/") + 1; n > MaxElements {
		return "", false, fault.New(fault.Invalid, "path (%s) of %d elements", path, n).Next("use at most %d", MaxElements)
	}
	if p == "" || p[0] == '/' || p[len(p)-1] == '/' || strings.Contains(p, "//") {
		return "", false, fault.New(fault.Invalid, "path (%s) invalid: it has an empty element", path).
			Next("write it with single slashes")
	}
	return p, dir, nil
}
