package db

import (
	"context"
	"sync/atomic"
)

// Memory is an exact memory of one value of the database: a change of its topic
// makes the next Get read it again, and while changes of other
// replicas are not received each Get does. Those who wait share a read that began after
// they came.
type Memory[T any] struct {
	db   *DB
	read func(context.Context) (T, error)

	version, loadedVersion atomic.Uint64
	value                  atomic.Pointer[T]
	begun                  atomic.Uint64 // reads
	turn                   chan struct{} // holds whoever reads
	last                   uint64        // which read the value is of; whose turn it is has it
}

// Remember makes a Memory of what read returns; call it before changes are
// made.
func Remember[T any](d *DB, topic string, read func(context.Context) (T, error)) *Memory[T] {
	m := &Memory[T]{db: d, read: read, turn: make(chan struct{}, 1)}
	m.version.Store(1)
	d.Watch(func(c Change) {
		if c.Topic == topic || c.Topic == "" {
			m.version.Add(1)
		}
	})
	return m
}

// Get returns the value; it is shared, and must not be changed.
func (m *Memory[T]) Get(ctx context.Context) (v T, err error) {
	if m.loadedVersion.Load() == m.version.Load() && m.db.Exact() {
		return *m.value.Load(), nil
	}
	next := m.begun.Load() + 1
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return v, ctx.Err()
	}
	defer func() { <-m.turn }()
	version := m.version.Load()
	if m.loadedVersion.Load() == version && m.db.Exact() || m.last >= next {
		return *m.value.Load(), nil
	}
	nth := m.begun.Add(1)
	if v, err = m.read(ctx); err != nil {
		return v, err
	}
	m.value.Store(&v)
	m.loadedVersion.Store(version)
	m.last = nth
	return v, nil
}
