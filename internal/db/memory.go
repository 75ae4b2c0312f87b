package db

import (
	"context"
	"sync"
	"sync/atomic"
)

// Memory is an exact memory of one value of the database: a change of its topic
// makes the next Get read it again, and while changes of other
// replicas are not received each Get does.
type Memory[T any] struct {
	db   *DB
	read func(context.Context) (T, error)

	version, loadedVersion atomic.Uint64
	value                  atomic.Pointer[T]
	mu                     sync.Mutex // held while reading
}

// Remember makes a Memory of what read returns; call it before changes are
// made.
func Remember[T any](d *DB, topic string, read func(context.Context) (T, error)) *Memory[T] {
	m := &Memory[T]{db: d, read: read}
	m.version.Store(1)
	d.Watch(func(c Change) {
		if c.Topic == topic || c.Topic == "" {
			m.version.Add(1)
		}
	})
	return m
}

// Get returns the value; it is shared, and must not be changed.
func (m *Memory[T]) Get(ctx context.Context) (T, error) {
	if m.loadedVersion.Load() == m.version.Load() && m.db.Exact() {
		return *m.value.Load(), nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	version := m.version.Load()
	if m.loadedVersion.Load() == version && m.db.Exact() {
		return *m.value.Load(), nil
	}
	fresh, err := m.read(ctx)
	if err != nil {
		return fresh, err
	}
	m.value.Store(&fresh)
	m.loadedVersion.Store(version)
	return fresh, nil
}
