package format

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"

	"pachyderm/internal/data/content"
)

const (
	magic    = "pachpk1\n"
	endMagic = "pachpk1e"
	// fullPack is from how many bytes a pack takes no more.
	fullPack = 16 << 20
	// smallPack is up to how many bytes a pack has a buffer of its own size, and
	// LargeBuffer how long those of others should be: a full pack and what most blobs are.
	smallPack   = 1 << 20
	LargeBuffer = fullPack + 3<<20
	// sample is how much of a blob is compressed to see whether that is worth it.
	sample = 32 << 10
	// Head is how many bytes there are before a blob that Add is given.
	Head       = 1
	entryBytes = 32 + 3*4
	endBytes   = 4 + len(endMagic)
)

// How a blob is compressed.
const (
	stored     = 0
	compressed = 1
)

// ID is the name of a blob.
type ID = content.ID

// Entry is where in its pack a blob is.
type Entry struct {
	ID ID
	// Off is from where in the pack it is, Len for how many bytes, Raw how many it has.
	Off, Len, Raw int64
}

// Cipher seals and opens what is in one pack. It is safe for concurrent use.
type Cipher struct {
	pack string
	aead cipher.AEAD
}

// NewCipher makes one of a pack's key, of 32 bytes.
func NewCipher(pack string, key []byte) (*Cipher, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &Cipher{pack, aead}, err
}

func nonce(off int64) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 4, 12), uint64(off)) //nolint:gosec // never negative
}

// bound is what something sealed is bound to; the list of a pack has no id.
func (c *Cipher) bound(id []byte) []byte {
	return append(append(make([]byte, 0, len(c.pack)+1+len(id)), c.pack+"/"...), id...)
}

// ErrDamaged is of what is not what was sealed there.
var ErrDamaged = errors.New("it does not open")

// Open is the blob that was sealed at an offset. Its memory is that of into, which may be
// sealed[:0], if that has room.
func (c *Cipher) Open(into []byte, e Entry, sealed []byte) ([]byte, error) {
	return c.open(into, e.ID[:], e.Off, e.Raw, sealed)
}

func (c *Cipher) open(into, id []byte, off, raw int64, sealed []byte) ([]byte, error) {
	plain, err := c.aead.Open(into, nonce(off), sealed, c.bound(id))
	if err != nil || len(plain) == 0 {
		return nil, errors.Join(ErrDamaged, err)
	}
	data := plain[1:]
	if plain[0] == compressed {
		if n, err := s2.DecodedLen(data); err != nil || int64(n) != raw {
			return nil, ErrDamaged
		}
		if data, err = s2.Decode(nil, data); err != nil {
			return nil, errors.Join(ErrDamaged, err)
		}
	}
	if int64(len(data)) != raw {
		return nil, ErrDamaged
	}
	return data, nil
}

// Builder makes one pack.
type Builder struct {
	// Pack is the pack's id, Key the one it is sealed with.
	Pack string
	Key  []byte
	// Data is the object, after Finish.
	Data    []byte
	Entries []Entry

	cipher  *Cipher
	buffers *Buffers
}

// NewBuilder makes an empty pack, which takes a buffer once it is large.
func NewBuilder(buffers *Buffers) (*Builder, error) {
	b := &Builder{Pack: strings.ToLower(rand.Text()), Key: make([]byte, 32), Data: []byte(magic), buffers: buffers}
	_, _ = rand.Read(b.Key) // never fails
	var err error
	b.cipher, err = NewCipher(b.Pack, b.Key)
	return b, err
}

// Add adds a blob, which comes behind Head bytes that Add uses.
func (b *Builder) Add(id ID, headed []byte) {
	off, raw := int64(len(b.Data)), len(headed)-Head
	b.room(Head + s2.MaxEncodedLen(raw) + b.cipher.aead.Overhead())
	plain := compress(b.Data[off:off], headed)
	b.Data = b.cipher.aead.Seal(b.Data, nonce(off), plain, b.cipher.bound(id[:]))
	b.Entries = append(b.Entries, Entry{id, off, int64(len(b.Data)) - off, int64(raw)})
}

// room has the buffer take so many bytes more.
func (b *Builder) room(more int) {
	if need := len(b.Data) + more; need <= cap(b.Data) {
		return
	} else if need > smallPack && cap(b.Data) < LargeBuffer {
		b.Data = append(b.buffers.Get(), b.Data...)
	}
	b.Data = slices.Grow(b.Data, more)
}

// Free gives the buffer to the next pack: nobody may use Data any more.
func (b *Builder) Free() {
	b.buffers.Put(b.Data)
	b.Data = nil
}

// Full reports whether the pack should have no more blobs.
func (b *Builder) Full() bool { return len(b.Data) >= fullPack }

// Finish adds the list; then Data is the object.
func (b *Builder) Finish() {
	off := int64(len(b.Data))
	list := make([]byte, 1, 1+len(b.Entries)*entryBytes) // stored
	for _, e := range b.Entries {
		list = append(list, e.ID[:]...)
		for _, n := range []int64{e.Off, e.Len, e.Raw} {
			list = binary.LittleEndian.AppendUint32(list, uint32(n)) //nolint:gosec // a pack is shorter than 4 GiB
		}
	}
	b.Data = b.cipher.aead.Seal(b.Data, nonce(off), list, b.cipher.bound(nil))
	b.Data = binary.LittleEndian.AppendUint32(b.Data, uint32(int64(len(b.Data))-off)) //nolint:gosec // a pack is shorter than 4 GiB
	b.Data = append(b.Data, endMagic...)
}

// List reads which blobs a whole pack has.
func (c *Cipher) List(data []byte) ([]Entry, error) {
	end := len(data) - endBytes
	if end < len(magic) || string(data[end+4:]) != endMagic || !bytes.HasPrefix(data, []byte(magic)) {
		return nil, ErrDamaged
	}
	off := int64(end) - int64(binary.LittleEndian.Uint32(data[end:]))
	raw := int64(end) - off - 1 - int64(c.aead.Overhead())
	if off < int64(len(magic)) || raw < 0 || raw%entryBytes != 0 {
		return nil, ErrDamaged
	}
	list, err := c.open(nil, nil, off, raw, data[off:end])
	if err != nil {
		return nil, err
	}
	all := make([]Entry, 0, len(list)/entryBytes)
	for ; len(list) > 0; list = list[entryBytes:] {
		number := func(n int) int64 { return int64(binary.LittleEndian.Uint32(list[32+4*n:])) }
		all = append(all, Entry{ID(list), number(0), number(1), number(2)})
	}
	return all, nil
}

// compress is a blob as it is sealed: as it is, or compressed to where there is room
// for it if that leaves less than 90 % of it, and of a part of it, which is tried first.
func compress(to, headed []byte) []byte {
	worth := func(n, of int) bool { return n*10 < of*9 }
	room, data := to[Head:cap(to)], headed[Head:]
	headed[0] = stored
	if len(data) > 2*sample {
		middle := data[len(data)/2-sample/2:][:sample]
		if !worth(len(s2.Encode(room, middle)), sample) {
			return headed
		}
	}
	if encoded := s2.Encode(room, data); worth(len(encoded), len(data)) {
		return append(to, compressed)[:Head+len(encoded)]
	}
	return headed
}
