package fileset

import (
	"context"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

const (
	// MaxEntries is how many entries the cache has, as upstream has it.
	MaxEntries = 10_000
	// MaxValue is how long one may be, in bytes, and maxCached all of them: they are in
	// the database.
	MaxValue  = 1 << 20
	maxCached = 256 << 20
	// maxKey is how long a key or a tag may be, in bytes.
	maxKey = 4 << 10
	// maxKept is how many sets an entry may keep.
	maxKept = 1000
	// useEvery is how exact it is when an entry was used last: a read is not to be a
	// write each time.
	useEvery = time.Minute
)

// Entry is one of the cache.
type Entry struct {
	Key, Tag string
	Value    []byte
	// Sets are the ids of the file sets that do not expire while the entry is there.
	Sets []string
}

// Put puts an entry in the place of the one that has its key. Those that were not used
// for longest go if there are too many. Faults: Invalid, NotFound.
func (s *Service) Put(ctx context.Context, c Caller, e Entry) error {
	for what, text := range map[string]string{"key": e.Key, "tag": e.Tag} {
		if len(text) > maxKey || strings.ContainsRune(text, 0) {
			return fault.New(fault.Invalid, "the %s of a cache entry has %d bytes, or one that is 0", what, len(text)).
				Next("use at most %d, and none of 0", maxKey)
		}
	}
	switch {
	case e.Key == "":
		return fault.New(fault.Invalid, "a cache entry without a key")
	case len(e.Value) > MaxValue:
		return fault.New(fault.Invalid, "a cache entry of %d bytes", len(e.Value)).Next("use at most %d: put the rest into a file set", MaxValue)
	case len(e.Sets) > maxKept:
		return fault.New(fault.Invalid, "a cache entry of %d file sets", len(e.Sets)).Next("use at most %d: compose them", maxKept)
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		if err := putEntry(ctx, tx, e, s.now()); err != nil {
			return err
		}
		for _, id := range e.Sets {
			one, err := s.find(ctx, tx, c, id)
			if err != nil {
				return err
			}
			if err := keepBy(ctx, tx, e.Key, one.Hash); err != nil {
				return err
			}
		}
		return s.evict(ctx, tx, e)
	})
}

func (s *Service) evict(ctx context.Context, tx *db.Tx, fresh Entry) error {
	entries, size, err := cacheSize(ctx, tx)
	if err != nil || entries <= s.limit.entries && size <= s.limit.cached {
		return err
	}
	names, err := surplus(ctx, tx, fresh.Key, s.limit.entries, s.limit.cached-int64(len(fresh.Value)))
	if err != nil {
		return err
	}
	return deleteEntries(ctx, tx, names)
}

// Cached is the value that was put under a key. Fault: NotFound.
func (s *Service) Cached(ctx context.Context, key string) (value []byte, err error) {
	var used time.Time
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		value, used, err = entry(ctx, tx, key)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "cache entry %s not found", fault.Clean(key, 200))
	}
	if err != nil || s.now().Sub(used) < useEvery {
		return value, err
	}
	err = s.db.UpdateUnsynced(ctx, func(tx *db.Tx) error { return useEntry(ctx, tx, key, s.now()) })
	return value, err
}

// Clear takes out the entries whose tag begins with a text; all if it is empty.
func (s *Service) Clear(ctx context.Context, prefix string) error {
	if strings.ContainsRune(prefix, 0) {
		return nil // no tag has that
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		names, err := tagged(ctx, tx, prefix)
		if err != nil {
			return err
		}
		return deleteEntries(ctx, tx, names)
	})
}
