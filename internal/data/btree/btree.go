package btree

import (
	"context"
	"encoding/binary"
	"math"

	"pachyderm/internal/data/content"
	"pachyderm/internal/fault"
)

// Limits of what a directory holds, and how a Root is written.
const (
	MaxPath  = 4096 // bytes of a path
	MaxDatum = 1024 // bytes of a datum

	// DefaultDatum is the datum of files that belong to none.
	DefaultDatum = "default"

	// RootSize is the length of an encoded Root, in bytes.
	RootSize = 2*32 + 4*8
)

// What a directory names.
type (
	ID     = content.ID
	Hash   = content.Hash
	Extent = content.Extent
)

// Nodes stores nodes. It need not be safe for concurrent use by a single call.
type Nodes interface {
	// Get is the bytes that Put took. What is not there is an error.
	Get(ctx context.Context, id ID) ([]byte, error)
	// Put stores a node; it must not keep data.
	Put(ctx context.Context, data []byte) (ID, error)
	// Sum is a hash that outsiders cannot foresee; it decides where nodes end.
	Sum(data []byte) [32]byte
}

// Ahead is what Nodes may do besides: read several nodes at once that are about to be
// asked for. What is wrong with them Get says.
type Ahead interface {
	Ahead(ctx context.Context, ids []ID)
}

// Root is a directory and all below. The zero Root is an empty one.
type Root struct {
	Node ID
	Hash Hash
	Size int64 // of all files, in bytes
	// Files counts file entries, so a path with two datums counts twice.
	Files int64
	// Conflicts counts the entries that share their path with an earlier one: files
	// of another datum, and directories beside a file.
	Conflicts int64
	// Longest is the length of the longest path below, in bytes, counted from here.
	Longest int64
}

// AppendBinary appends the root in RootSize bytes. The error is always nil.
func (r Root) AppendBinary(b []byte) ([]byte, error) {
	b = append(append(b, r.Node[:]...), r.Hash[:]...)
	for _, n := range []int64{r.Size, r.Files, r.Conflicts, r.Longest} {
		b = binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // a count is never negative
	}
	return b, nil
}

// MarshalBinary is the root in RootSize bytes. The error is always nil.
func (r Root) MarshalBinary() ([]byte, error) { return r.AppendBinary(make([]byte, 0, RootSize)) }

// UnmarshalBinary reads what MarshalBinary gave; anything else is an error.
func (r *Root) UnmarshalBinary(b []byte) error {
	if len(b) != RootSize {
		return Damaged("a root of %d bytes", len(b))
	}
	var of Root
	copy(of.Node[:], b)
	copy(of.Hash[:], b[32:])
	for i, n := range []*int64{&of.Size, &of.Files, &of.Conflicts, &of.Longest} {
		v := binary.BigEndian.Uint64(b[64+8*i:])
		if v > math.MaxInt64 {
			return Damaged("a root with a negative count")
		}
		*n = int64(v)
	}
	if of.Node == (ID{}) && of != (Root{}) || of.Node != (ID{}) && of.Files == 0 {
		return Damaged("a root that is half empty")
	}
	*r = of
	return nil
}

// Empty says whether there is nothing below.
func (r Root) Empty() bool { return r.Node == ID{} }

// Damaged is an error about stored bytes that no tree of ours has.
func Damaged(format string, a ...any) *fault.Error {
	return fault.New(fault.Damaged, "the file tree is damaged: "+format, a...).Next("run \"pachctl fsck\"")
}

// sum adds what is counted, and is false if that is more than there can be.
func sum(a, b int64) (int64, bool) { return a + b, a <= math.MaxInt64-b }
