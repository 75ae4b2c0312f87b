package pack

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/zeebo/blake3"

	"pachyderm/internal/data/blob"
	"pachyderm/internal/data/content"
	"pachyderm/internal/data/pack/cache"
	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/data/pack/chunk"
	"pachyderm/internal/data/pack/format"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

const (
	// MaxBlob is how long a blob may be, in bytes.
	MaxBlob = chunk.Max
	// defaultCache is how many bytes of blobs are kept in memory.
	defaultCache = 128 << 20
	// idKey names the installation's key in the database's meta values, which are sealed.
	idKey = "pack-id-key"
)

// ID names a blob by what it holds, to nobody but this installation.
type ID = format.ID

// Sealed says where the keys of packs are. The installation's key is a meta value.
func Sealed() secret.Sealed { return catalog.Sealed() }

// What files hold.
type (
	Extent  = content.Extent
	Content = content.Content
)

// Options are what a Service is made from.
type Options struct {
	DB     *db.DB
	Store  blob.Store
	Sealer *secret.Sealer
	Log    *slog.Logger
	Now    func() time.Time
	// Cache is how many bytes of blobs are kept in memory; 0 is 128 MiB.
	Cache int64
}

// Service keeps blobs. It is safe for concurrent use.
type Service struct {
	with  Options
	keys  keys
	cache *cache.Cache[ID]

	// Memory that nobody uses just now: of packs, and of bundles and chunks.
	packBuffers format.Buffers
	blobBuffers sync.Pool

	mu      sync.Mutex
	ciphers map[string]*format.Cipher // of packs that were read lately
}

// keys are for different purposes: what is hashed for one says nothing to another.
type keys struct {
	blob, file, list, node *blake3.Hasher // never written to: clones are
	gear                   [256]uint64
}

// New makes a service, and the installation's key if it has none yet.
func New(ctx context.Context, o Options) (*Service, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	sealed, err := o.Sealer.Seal(fresh, idKey)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", idKey, err)
	}
	if sealed, err = o.DB.EnsureMeta(ctx, idKey, sealed); err != nil {
		return nil, err
	}
	key, err := o.Sealer.Open(sealed, idKey)
	if err != nil {
		return nil, err
	}
	s := &Service{with: o, cache: cache.New[ID](cmp.Or(o.Cache, defaultCache)), ciphers: map[string]*format.Cipher{}}
	s.keys, err = deriveKeys(key)
	return s, err
}

func deriveKeys(key []byte) (k keys, err error) {
	for purpose, h := range map[string]**blake3.Hasher{"blob": &k.blob, "file": &k.file, "list": &k.list, "node": &k.node} {
		derived := make([]byte, 32)
		blake3.DeriveKey("pachyderm pack 1 "+purpose, key, derived)
		if *h, err = blake3.NewKeyed(derived); err != nil {
			return k, err
		}
	}
	table := make([]byte, 8*len(k.gear))
	blake3.DeriveKey("pachyderm pack 1 gear", key, table)
	for n := range k.gear {
		k.gear[n] = binary.LittleEndian.Uint64(table[8*n:])
	}
	return k, nil
}

func sum(of *blake3.Hasher, data []byte) (sum [32]byte) {
	h := of.Clone()
	_, _ = h.Write(data) // never fails
	h.Sum(sum[:0])
	return sum
}

// Sum is a hash that only this installation can foresee, for whoever has to divide what
// outsiders name.
func (s *Service) Sum(data []byte) [32]byte { return sum(s.keys.node, data) }

func (s *Service) id(data []byte) ID { return sum(s.keys.blob, data) }

// buffer is memory for a blob.
func (s *Service) buffer() []byte {
	if b, ok := s.blobBuffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, maxBundle)
}

// free has the memory of a blob be used for others, if it is of that length.
func (s *Service) free(b []byte) {
	if cap(b) >= maxBundle {
		s.blobBuffers.Put(&b)
	}
}

// listHash is the hash of a file that is more than one part of a bundle.
func (s *Service) listHash(extents []Extent) (sum [32]byte) {
	h := s.keys.list.Clone()
	for _, e := range extents {
		_, _ = h.Write(binary.LittleEndian.AppendUint64(e.Blob[:len(e.Blob):len(e.Blob)], uint64(e.Length))) //nolint:gosec // never negative
	}
	h.Sum(sum[:0])
	return sum
}

// damaged is the fault of a pack that does not hold what its rows say.
func damaged(pack, format string, a ...any) *fault.Error {
	return fault.New(fault.Damaged, "the pack %s is damaged: %s", pack, fmt.Sprintf(format, a...)).
		Next("restore the object %s from a copy of the store", pack)
}

// keysOf are a map's keys, in one order: transactions that change the same rows in
// different orders would wait for each other.
func keysOf[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
