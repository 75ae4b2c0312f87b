package pack

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"pachyderm/internal/data/blob"
	"pachyderm/internal/data/content"
	"pachyderm/internal/data/pack/bundle"
	"pachyderm/internal/data/pack/cache"
	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/data/pack/chunk"
	"pachyderm/internal/data/pack/format"
	"pachyderm/internal/data/pack/keyed"
	"pachyderm/internal/data/pack/lease"
	"pachyderm/internal/data/pack/turn"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

const (
	// MaxBlob is how long a blob may be, in bytes.
	MaxBlob = chunk.Max
	// blobBuffer is how much memory bundles and chunks begin with.
	blobBuffer = format.Head + bundle.Longest
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
	// Memory is how many bytes all writers may have; 0 is turn.Share.
	Memory int64
}

// Service keeps blobs. It is safe for concurrent use.
type Service struct {
	with  Options
	keys  *keyed.Hashes
	cache *cache.Cache[ID]

	// Memory that nobody uses just now: of packs, and of bundles and chunks.
	packBuffers, blobBuffers *format.Buffers
	turns                    *turn.Turns
	leases                   *lease.Keeper
	ciphers                  format.Ciphers // of packs that were read lately
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
	s := &Service{with: o, cache: cache.New[ID](cmp.Or(o.Cache, defaultCache))}
	s.turns, s.leases = turn.New(o.Memory), lease.New(o.DB, o.Log, o.Now)
	s.packBuffers, s.blobBuffers = format.NewBuffers(format.LargeBuffer), format.NewBuffers(blobBuffer)
	s.keys, err = keyed.New(key)
	return s, err
}

// Sum is a hash that only this installation can foresee, for whoever has to divide what
// outsiders name.
func (s *Service) Sum(data []byte) [32]byte { return s.keys.Node(data) }

// Turns is what all writers of the service share their memory by.
func (s *Service) Turns() *turn.Turns { return s.turns }

// buffer is memory for a blob, behind what a pack needs before it.
func (s *Service) buffer() []byte { return s.blobBuffers.Get()[:format.Head] }

// damaged is the fault of a pack that does not hold what its rows say.
func damaged(pack, format string, a ...any) *fault.Error {
	return fault.New(fault.Damaged, "the pack %s is damaged: %s", pack, fmt.Sprintf(format, a...)).
		Next("restore the object %s from a copy of the store", pack)
}

// keysOf are a map's keys, in one order: transactions that change the same rows in
// different orders would wait for each other.
func keysOf[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
