package pack

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/klauspost/compress/s2"
)

// A pack is: the magic; blobs, each sealed; their list, sealed; how long that is, in 4
// bytes; the magic of the end. What is sealed begins with how it was compressed. Its
// nonce is its offset, so that the key of the pack never sees one twice, and it is
// bound to the pack and the blob.
const (
	magic    = "pachpk1\n"
	endMagic = "pachpk1e"
	// fullPack is from how many bytes a pack takes no more.
	fullPack = 16 << 20
	// sample is how much of a blob is compressed to see whether that is worth it.
	sample     = 32 << 10
	entryBytes = 32 + 3*4
	endBytes   = 4 + len(endMagic)
)

// How a blob is compressed.
const (
	stored     = 0
	compressed = 1
)

// entry is where in its pack a blob is.
type entry struct {
	id            ID
	off, len, raw int64
}

// packCipher seals and opens what is in one pack.
type packCipher struct {
	pack string
	aead cipher.AEAD
}

func newCipher(pack string, key []byte) (*packCipher, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &packCipher{pack, aead}, err
}

func nonce(off int64) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 4, 12), uint64(off)) //nolint:gosec // never negative
}

// bound is what something sealed is bound to; the list of a pack has no id.
func (c *packCipher) bound(id []byte) []byte {
	return append(append(make([]byte, 0, len(c.pack)+1+len(id)), c.pack+"/"...), id...)
}

var errDamaged = errors.New("it does not open")

// open is what was sealed at an offset, raw bytes of it.
func (c *packCipher) open(id []byte, off, raw int64, sealed []byte) ([]byte, error) {
	plain, err := c.aead.Open(nil, nonce(off), sealed, c.bound(id))
	if err != nil || len(plain) == 0 {
		return nil, errors.Join(errDamaged, err)
	}
	data := plain[1:]
	if plain[0] == compressed {
		if n, err := s2.DecodedLen(data); err != nil || int64(n) != raw {
			return nil, errDamaged
		}
		if data, err = s2.Decode(nil, data); err != nil {
			return nil, errors.Join(errDamaged, err)
		}
	}
	if int64(len(data)) != raw {
		return nil, errDamaged
	}
	return data, nil
}

// builder makes one pack.
type builder struct {
	id      string
	key     []byte
	cipher  *packCipher
	data    []byte
	entries []entry
	plain   []byte // reused
}

// newBuilder makes an empty pack in a buffer, which may be nil.
func newBuilder(buffer, plain []byte) (*builder, error) {
	b := &builder{id: strings.ToLower(rand.Text()), key: make([]byte, 32), data: append(buffer[:0], magic...), plain: plain}
	_, _ = rand.Read(b.key) // never fails
	var err error
	b.cipher, err = newCipher(b.id, b.key)
	return b, err
}

func (b *builder) add(id ID, data []byte) {
	off := int64(len(b.data))
	b.plain = compress(b.plain[:0], data)
	b.data = b.cipher.aead.Seal(b.data, nonce(off), b.plain, b.cipher.bound(id[:])) //nolint:gosec // an offset is a nonce once
	b.entries = append(b.entries, entry{id, off, int64(len(b.data)) - off, int64(len(data))})
}

func (b *builder) full() bool { return len(b.data) >= fullPack }

// finish adds the list; then data is the object.
func (b *builder) finish() {
	off := int64(len(b.data))
	list := make([]byte, 1, 1+len(b.entries)*entryBytes) // stored
	for _, e := range b.entries {
		list = append(list, e.id[:]...)
		for _, n := range []int64{e.off, e.len, e.raw} {
			list = binary.LittleEndian.AppendUint32(list, uint32(n)) //nolint:gosec // a pack is shorter than 4 GiB
		}
	}
	b.data = b.cipher.aead.Seal(b.data, nonce(off), list, b.cipher.bound(nil))        //nolint:gosec // an offset is a nonce once
	b.data = binary.LittleEndian.AppendUint32(b.data, uint32(int64(len(b.data))-off)) //nolint:gosec // a pack is shorter than 4 GiB
	b.data = append(b.data, endMagic...)
}

// list reads which blobs a whole pack has.
func (c *packCipher) list(data []byte) ([]entry, error) {
	end := len(data) - endBytes
	if end < len(magic) || string(data[end+4:]) != endMagic || !bytes.HasPrefix(data, []byte(magic)) {
		return nil, errDamaged
	}
	off := int64(end) - int64(binary.LittleEndian.Uint32(data[end:]))
	raw := int64(end) - off - 1 - int64(c.aead.Overhead())
	if off < int64(len(magic)) || raw < 0 || raw%entryBytes != 0 {
		return nil, errDamaged
	}
	list, err := c.open(nil, off, raw, data[off:end])
	if err != nil {
		return nil, err
	}
	all := make([]entry, 0, len(list)/entryBytes)
	for ; len(list) > 0; list = list[entryBytes:] {
		number := func(n int) int64 { return int64(binary.LittleEndian.Uint32(list[32+4*n:])) }
		all = append(all, entry{ID(list), number(0), number(1), number(2)})
	}
	return all, nil
}

// compress appends a blob as it is sealed: compressed if that leaves less than 90 % of
// it, and of a part of it, which is tried first.
func compress(plain, data []byte) []byte {
	worth := func(n, of int) bool { return n*10 < of*9 }
	if len(data) > 2*sample {
		middle := data[len(data)/2-sample/2:][:sample]
		plain = grow(plain, s2.MaxEncodedLen(sample))
		if !worth(len(s2.Encode(plain[:cap(plain)], middle)), sample) {
			return append(append(plain[:0], stored), data...)
		}
	}
	plain = grow(plain, 1+s2.MaxEncodedLen(len(data)))
	plain = append(plain[:0], compressed)
	encoded := s2.Encode(plain[1:cap(plain)], data)
	if worth(len(encoded), len(data)) {
		return plain[:1+len(encoded)]
	}
	return append(append(plain[:0], stored), data...)
}

func grow(buffer []byte, size int) []byte {
	if cap(buffer) < size {
		return make([]byte, 0, size)
	}
	return buffer[:0]
}
