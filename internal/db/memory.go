package db

import (
	"context"
	"sync"
	"sync/atomic"
)

// Memory keeps one value that was read from the database, exactly: a change of
// its topic makes the next Get read it again, and while changes of other
// replicas cannot be heard each Get does.
type Memory[T any] struct {
	db   *DB
	read func(context.Context) (T, error)

	heard, shown atomic.Uint64
	value        atomic.Pointer[T]
	mu           sync.Mutex // held while reading
}

// Remember makes a Memory of what read returns; call it before changes are
// made.
func Remember[T any](d *DB, topic string, read func(context.Context) (T, error)) *Memory[T] {
	m := &Memory[T]{db: d, read: read}
	m.heard.Store(1)
	d.Watch(func(c Change) {
		if c.Topic == topic || c.Topic == "" {
			m.heard.Add(1)
		}
	})
	return m
}

// Get returns the value; it is shared, and must not be changed.
func (m *Memory[T]) Get(ctx context.Context) (T, error) {
	if m.shown.Load() == m.heard.Load() && m.db.Exact() {
		return *m.value.Load(), nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	heard := m.heard.Load()
	if m.shown.Load() == heard && m.db.Exact() {
		return *m.value.Load(), nil
	}
	fresh, err := m.read(ctx)
	if err != nil {
		return fresh, err
	}
	m.value.Store(&fresh)
	m.shown.Store(heard)
	return fresh, nil
}
