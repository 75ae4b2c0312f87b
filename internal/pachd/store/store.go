package store

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pachyderm/internal/config"
	"pachyderm/internal/data/blob"
	"pachyderm/internal/data/blob/dir"
	"pachyderm/internal/data/blob/s3"
	"pachyderm/internal/fault"
)

const (
	// checkStoreEvery is how often it is looked whether the store can be used.
	checkStoreEvery = time.Minute
	// checkStoreFor is how long it may take to answer that.
	checkStoreFor = 30 * time.Second
)

// openedLater is a store that may be away when pachd starts: it is opened by whoever
// uses it first, and until that succeeds it cannot be reached.
type openedLater struct {
	open func() (blob.Store, error)

	mu    sync.Mutex
	store blob.Store
}

var _ blob.Store = (*openedLater)(nil)

func (l *openedLater) opened() (blob.Store, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.store != nil {
		return l.store, nil
	}
	store, err := l.open()
	if err != nil {
		return nil, fault.As(fault.Unavailable, err)
	}
	l.store = store
	return store, nil
}

// Put is blob.Store's, as are the others.
func (l *openedLater) Put(ctx context.Context, name string, data []byte) error {
	s, err := l.opened()
	if err != nil {
		return err
	}
	return s.Put(ctx, name, data)
}

func (l *openedLater) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	s, err := l.opened()
	if err != nil {
		return nil, err
	}
	return s.Get(ctx, name, offset, length)
}

func (l *openedLater) Head(ctx context.Context, name string) (blob.Object, error) {
	s, err := l.opened()
	if err != nil {
		return blob.Object{}, err
	}
	return s.Head(ctx, name)
}

func (l *openedLater) Delete(ctx context.Context, name string) error {
	s, err := l.opened()
	if err != nil {
		return err
	}
	return s.Delete(ctx, name)
}

func (l *openedLater) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	s, err := l.opened()
	if err != nil {
		return func(yield func(blob.Object, error) bool) { yield(blob.Object{}, err) }
	}
	return s.List(ctx, prefix)
}

func (l *openedLater) Check(ctx context.Context) error {
	s, err := l.opened()
	if err != nil {
		return err
	}
	return s.Check(ctx)
}

// Open is where the configuration says that objects are; whether it is there is not
// asked yet, but by whoever uses it. Fault: Invalid.
func Open(c config.Storage, now func() time.Time) (blob.Store, error) {
	if c.S3.Endpoint == "" {
		return &openedLater{open: func() (blob.Store, error) { return dir.Open(c.Dir, now()) }}, nil
	}
	return s3.New(s3.Config{
		Endpoint: c.S3.Endpoint, Bucket: c.S3.Bucket, Prefix: c.S3.Prefix, Region: c.S3.Region, CAFile: c.S3.CAFile, PathStyle: c.S3.PathStyle,
		AccessKey: c.S3.AccessKey.Reveal(), SecretKey: c.S3.SecretKey.Reveal(),
	})
}

// Watch knows whether a store could be used when it was looked last.
type Watch struct {
	store blob.Store
	log   *slog.Logger
	away  atomic.Bool
}

// NewWatch makes one, for which the store is there until it was looked.
func NewWatch(s blob.Store, log *slog.Logger) *Watch { return &Watch{store: s, log: log} }

// Away reports whether the store could not be used.
func (w *Watch) Away() bool { return w.away.Load() }

// look asks the store, and logs when the answer is another than before.
func (w *Watch) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkStoreFor)
	defer cancel()
	err := w.store.Check(ctx)
	if was := w.away.Swap(err != nil); err != nil && !was {
		w.log.ErrorContext(ctx, "the store cannot be used, so files can be neither written nor read", "error", err)
	} else if err == nil && was {
		w.log.InfoContext(ctx, "the store can be used again")
	}
}

// Run looks now and then until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(checkStoreEvery)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
