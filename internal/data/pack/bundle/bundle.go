package bundle

import (
	"encoding/binary"

	"pachyderm/internal/data/content"
	"pachyderm/internal/data/pack/format"
)

const (
	// shortest and Longest are how many bytes of files a bundle has.
	shortest = 1 << 20
	Longest  = 2 << 20
	// run is about how many bytes follow shortest before a file ends a bundle.
	run = 256 << 10
)

// Bundle is one that grows. Where it ends follows from the files before, so that a
// changed one changes few bundles. The zero one is empty.
type Bundle struct {
	data   []byte // behind format.Head, if there is any
	files  []file
	hashes map[content.Hash]int64 // of what is in it, and where
}

type file struct {
	content *content.Content
	offset  int64
}

// Empty says that there is nothing in it.
func (b *Bundle) Empty() bool { return b.data == nil }

// Room says whether so many bytes more have a place.
func (b *Bundle) Room(more int) bool { return len(b.data)+more <= format.Head+Longest }

// Add adds a file that is not empty and has room; buffer gives memory for a bundle. It says whether the
// bundle ends with it.
func (b *Bundle) Add(data []byte, c *content.Content, buffer func() []byte) (ends bool) {
	at, twice := b.hashes[c.Hash]
	if !twice {
		if b.data == nil {
			b.data = buffer()
		}
		if b.hashes == nil {
			b.hashes = map[content.Hash]int64{}
		}
		at = int64(len(b.data)) - format.Head
		b.hashes[c.Hash] = at
		b.data = append(b.data, data...)
	}
	b.files = append(b.files, file{c, at})
	return len(b.data) >= format.Head+shortest && !twice && last(c)
}

// last says whether a file ends a bundle: by chance, as it were, and the likelier the
// longer it is, so that bundles are of the same length whatever is in them.
func last(c *content.Content) bool {
	return int64(binary.LittleEndian.Uint32(c.Hash[:])) < c.Size<<32/run
}

// Cut gives the bytes to put, which makes a blob of them, and tells the contents of the
// files where they are. What comes next is a new bundle.
func (b *Bundle) Cut(put func(headed []byte) (content.ID, error)) error {
	if len(b.files) == 0 {
		return nil
	}
	id, err := put(b.data)
	extents := make([]content.Extent, len(b.files))
	for n, f := range b.files {
		extents[n] = content.Extent{Blob: id, Offset: f.offset, Length: f.content.Size}
		f.content.Extents = extents[n : n+1 : n+1]
	}
	clear(b.files)
	clear(b.hashes)
	b.data, b.files = nil, b.files[:0]
	return err
}
