package fileset

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// How long sets are there. The values are upstream's.
const (
	TTL    = 10 * time.Minute // of a new set
	MinTTL = time.Second
	MaxTTL = 30 * time.Minute
)

// What one owner may have at once. A program that leaves its sets to expire makes 16 a
// second before the first limit; the second is what such a program may have a disk hold
// for half an hour without a commit that says whose it is.
const (
	MaxSets  = 10_000
	MaxBytes = 1 << 40
)

// Caller is who asks for sets.
type Caller struct {
	// Owner is whose the sets are that the caller makes: a text that is nobody else's,
	// now and when the sets have expired.
	Owner string
	// All says that the caller may use everybody's.
	All bool
}

// Service keeps file sets. It is safe for concurrent use.
type Service struct {
	db    *db.DB
	files *file.Service
	now   func() time.Time
	limit limits
}

// limits are the constants above, for tests to make less of.
type limits struct{ sets, bytes, entries, cached int64 }

// New makes a service.
func New(d *db.DB, files *file.Service, now func() time.Time) *Service {
	return &Service{db: d, files: files, now: now, limit: limits{MaxSets, MaxBytes, MaxEntries, maxCached}}
}

// newID is 128 random bits, which is all that whoever made a set has of it.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// errNone says no more of a set that has expired, or is another's, than of one that
// never was. The text is upstream's.
func errNone() error {
	return fault.New(fault.NotFound, "no fileset found").
		Next("make it again: a file set is its maker's alone, and ends after %s unless it is renewed", TTL)
}

// checkTTL holds a time to live to what it may be. The texts are upstream's. Fault: Invalid.
func checkTTL(seconds int64) (time.Duration, error) {
	ttl := time.Duration(min(max(seconds, 0), int64(24*time.Hour/time.Second))) * time.Second
	switch {
	case ttl < MinTTL:
		return 0, fault.New(fault.Invalid, "ttl (%d s) must be at least one second", seconds)
	case ttl > MaxTTL:
		return 0, fault.New(fault.Invalid, "ttl (%d s) exceeds max ttl (%s)", seconds, MaxTTL).Next("renew the file set from time to time")
	}
	return ttl, nil
}

// find is a set of the caller's. Fault: NotFound.
func (s *Service) find(ctx context.Context, tx *db.Tx, c Caller, id string) (one Set, err error) {
	one, err = live(ctx, tx, secret.Hash(id), s.now())
	if fault.Is(err, fault.NotFound) || err == nil && one.Owner != c.Owner && !c.All {
		return Set{}, errNone()
	}
	return one, err
}

func (s *Service) get(ctx context.Context, c Caller, id string) (one Set, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		one, err = s.find(ctx, tx, c, id)
		return err
	})
	return one, err
}

// insert keeps a set for so long, and gives its id. Fault: Exhausted.
func (s *Service) insert(ctx context.Context, one Set, ttl time.Duration, keep func(context.Context, *db.Tx) error) (string, error) {
	id := newID()
	one.Hash, one.Created = secret.Hash(id), s.now()
	one.Expires = one.Created.Add(ttl)
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		if err := keep(ctx, tx); err != nil {
			return err
		}
		left, err := s.left(ctx, tx, one.Owner)
		if err == nil && one.Written > left {
			err = s.errBytes()
		}
		if err != nil {
			return err
		}
		return insert(ctx, tx, one)
	})
	return id, err
}

// left is how many bytes an owner may still write. Fault: Exhausted if they have as
// many sets as they may have.
func (s *Service) left(ctx context.Context, tx *db.Tx, owner string) (bytes int64, err error) {
	sets, written, err := used(ctx, tx, owner, s.now())
	if err == nil && sets >= s.limit.sets {
		err = fault.New(fault.Exhausted, "you have %d file sets, as many as one may have", sets).
			Next("compose several to one, and let those expire that you do not need: do not renew them").After(time.Minute)
	}
	return s.limit.bytes - written, err
}

func (s *Service) errBytes() error {
	return fault.New(fault.Exhausted, "your file sets would hold more than %d bytes, which is as much as one may have", s.limit.bytes).
		Next("add what you have to a commit, and let the sets expire: do not renew them").After(time.Minute)
}

func kept(context.Context, *db.Tx) error { return nil }

// View opens the files that a set adds, as those of a commit. Fault: NotFound.
func (s *Service) View(ctx context.Context, c Caller, id string) (*file.View, error) {
	one, err := s.get(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return s.view(one, id, one.Root), nil
}

func (s *Service) view(one Set, id string, root tree.Root) *file.View {
	return s.files.ViewOf(graph.CommitInfo{
		Repo: graph.Repo{Project: graph.DefaultProject, Name: graph.FileSets, Type: graph.UserRepo}, ID: id, Origin: graph.ByUser,
		Started: one.Created, Finished: one.Created, Size: root.Size,
	}, root)
}

// Of makes a set of all files of a commit. Fault: Exhausted.
func (s *Service) Of(ctx context.Context, c Caller, v *file.View) (id string, err error) {
	return s.insert(ctx, Set{Owner: c.Owner, Root: v.Root()}, TTL, kept)
}

// Renew has a set expire so many seconds from now, whenever it was to before. Faults:
// Invalid, NotFound.
func (s *Service) Renew(ctx context.Context, c Caller, id string, seconds int64) error {
	ttl, err := checkTTL(seconds)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		one, err := s.find(ctx, tx, c, id)
		if err != nil {
			return err
		}
		return expire(ctx, tx, one.Hash, s.now().Add(ttl))
	})
}

// DeleteExpired deletes the sets that have expired, but for those that the cache keeps,
// and counts them.
func (s *Service) DeleteExpired(ctx context.Context) (n int64, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) (err error) {
		n, err = deleteExpired(ctx, tx, s.now())
		return err
	})
	return n, err
}
