package content

import "encoding/hex"

// ID names stored bytes, to nobody but this installation.
type ID [32]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Hash is of content: names, datums, sizes and bytes, never of where these lie.
type Hash [32]byte

// Extent is a part of a blob, in bytes.
type Extent struct {
	Blob           ID
	Offset, Length int64
}

// Content is what a file holds: so many bytes, which are those of its extents one after
// another, whose lengths add up to the size. Files with the same bytes have the same hash.
type Content struct {
	Size    int64
	Hash    Hash
	Extents []Extent
}
