package keyed

import (
	"encoding/binary"
	"sync"

	"github.com/zeebo/blake3"

	"pachyderm/internal/data/content"
)

// Hashes are those of one installation. They are safe for concurrent use.
type Hashes struct {
	// Gear is the table that chunks are cut by.
	Gear [256]uint64

	blob, file, list, node hasher
}

// New derives the keys of an installation from its one.
func New(key []byte) (*Hashes, error) {
	k := &Hashes{}
	for purpose, h := range map[string]*hasher{"blob": &k.blob, "file": &k.file, "list": &k.list, "node": &k.node} {
		derived := make([]byte, 32)
		blake3.DeriveKey("pachyderm pack 1 "+purpose, key, derived)
		var err error
		if h.keyed, err = blake3.NewKeyed(derived); err != nil {
			return nil, err
		}
	}
	table := make([]byte, 8*len(k.Gear))
	blake3.DeriveKey("pachyderm pack 1 gear", key, table)
	for n := range k.Gear {
		k.Gear[n] = binary.LittleEndian.Uint64(table[8*n:])
	}
	return k, nil
}

// Blob is the id of a blob.
func (k *Hashes) Blob(data []byte) content.ID { return k.blob.sum(data) }

// File is the hash of a file that is one part of a bundle.
func (k *Hashes) File(data []byte) content.Hash { return k.file.sum(data) }

// Node is a hash for whoever has to divide what outsiders name.
func (k *Hashes) Node(data []byte) [32]byte { return k.node.sum(data) }

// List is the hash of a file that is more than one part of a bundle.
func (k *Hashes) List(extents []content.Extent) content.Hash {
	return k.list.make(func(h *blake3.Hasher) {
		for _, e := range extents {
			_, _ = h.Write(binary.LittleEndian.AppendUint64(e.Blob[:len(e.Blob):len(e.Blob)], uint64(e.Length))) //nolint:gosec // never negative
		}
	})
}

// hasher has one key. Each hash is made by a hasher that nobody else uses just now: one
// takes 10 KiB.
type hasher struct {
	keyed *blake3.Hasher // never written to: clones are
	pool  sync.Pool
}

// make is the hash of what write gives to a hasher, which never fails.
func (k *hasher) make(write func(*blake3.Hasher)) (sum [32]byte) {
	h, ok := k.pool.Get().(*blake3.Hasher)
	if !ok {
		h = k.keyed.Clone()
	}
	write(h)
	h.Sum(sum[:0])
	h.Reset()
	k.pool.Put(h)
	return sum
}

func (k *hasher) sum(data []byte) [32]byte {
	return k.make(func(h *blake3.Hasher) { _, _ = h.Write(data) })
}
