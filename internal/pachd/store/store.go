package store

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	"pachyderm/internal/config"
	"pachyderm/internal/data/blob"
	"pachyderm/internal/data/blob/dir"
	"pachyderm/internal/data/blob/s3"
	"pachyderm/internal/fault"
)

// marker is the object that says whose the store is.
const marker = "installation"

// Owner is the installation that has its objects in the store.
type Owner struct {
	ID string
	// Kept are the names of some objects that have to be there; none if nothing is stored yet.
	Kept func(ctx context.Context) ([]string, error)
}

// Open is where the configuration says that objects are. Whether they are there is asked
// by whoever uses it first, and until that succeeds it cannot be reached: a directory
// whose disk is not mounted, or a bucket of another installation, is not written to.
// Fault: Invalid.
func Open(c config.Storage, o Owner, now func() time.Time) (blob.Store, error) {
	if c.S3.Endpoint == "" {
		return &late{owner: o, open: func() (blob.Store, error) { return dir.Open(c.Dir, now()) }}, nil
	}
	bucket, err := s3.New(s3.Config{
		Endpoint: c.S3.Endpoint, Bucket: c.S3.Bucket, Prefix: c.S3.Prefix, Region: c.S3.Region, CAFile: c.S3.CAFile, PathStyle: c.S3.PathStyle,
		AccessKey: c.S3.AccessKey.Reveal(), SecretKey: c.S3.SecretKey.Reveal(),
	})
	return &late{owner: o, open: func() (blob.Store, error) { return bucket, nil }}, err
}

// late is a store that is opened by whoever uses it first.
type late struct {
	owner Owner
	open  func() (blob.Store, error)
	store atomic.Pointer[blob.Store]
}

var _ blob.Store = (*late)(nil)

func (l *late) opened(ctx context.Context) (blob.Store, error) {
	if s := l.store.Load(); s != nil {
		return *s, nil
	}
	s, err := l.open()
	if err != nil {
		return nil, fault.As(fault.Unavailable, err)
	}
	if err := l.owner.claim(ctx, s); err != nil {
		return nil, err
	}
	l.store.Store(&s)
	return s, nil
}

// claim sees that a store is the owner's, and says in it that it is if nobody has yet.
func (o Owner) claim(ctx context.Context, s blob.Store) error {
	found, err := s.Head(ctx, marker)
	if err == nil {
		id, err := s.Get(ctx, marker, 0, min(found.Size, 1000))
		if err == nil && string(id) != o.ID {
			err = fault.New(fault.Unavailable, "the store of files is that of another installation").
				Next("name another directory, bucket or prefix under storage in pachd's configuration")
		}
		return err
	}
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	kept, err := o.Kept(ctx)
	if err != nil {
		return err
	}
	lost := len(kept) > 0
	for _, name := range kept {
		_, err := s.Head(ctx, name)
		switch {
		case err == nil:
			lost = false
		case !fault.Is(err, fault.NotFound):
			return err
		}
	}
	if lost {
		return fault.New(fault.Unavailable, "the store of files has nothing of what was stored").
			Next("see that its disk is mounted, and that storage in pachd's configuration names the right place")
	}
	return s.Put(ctx, marker, []byte(o.ID))
}

// Put is blob.Store's, as are the others.
func (l *late) Put(ctx context.Context, name string, data []byte) error {
	s, err := l.opened(ctx)
	if err != nil {
		return err
	}
	return s.Put(ctx, name, data)
}

func (l *late) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	s, err := l.opened(ctx)
	if err != nil {
		return nil, err
	}
	return s.Get(ctx, name, offset, length)
}

func (l *late) Head(ctx context.Context, name string) (blob.Object, error) {
	s, err := l.opened(ctx)
	if err != nil {
		return blob.Object{}, err
	}
	return s.Head(ctx, name)
}

func (l *late) Delete(ctx context.Context, name string) error {
	s, err := l.opened(ctx)
	if err != nil {
		return err
	}
	return s.Delete(ctx, name)
}

func (l *late) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	s, err := l.opened(ctx)
	if err != nil {
		return func(yield func(blob.Object, error) bool) { yield(blob.Object{}, err) }
	}
	return s.List(ctx, prefix)
}

func (l *late) Check(ctx context.Context) error {
	s, err := l.opened(ctx)
	if err != nil {
		return err
	}
	return s.Check(ctx)
}
