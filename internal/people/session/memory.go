package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// memoryLimit bounds how many tokens are remembered; beyond it, it begins anew.
const memoryLimit = 1 << 20

// memory is an exact memory of who tokens belong to: what a change has made wrong
// is forgotten before the call that made it returns, and nothing is taken from
// memory while changes of other replicas cannot be received.
type memory struct {
	exact func() bool
	now   func() time.Time
	uses  uses

	mu        sync.RWMutex
	changes   uint64 // counts what was received, so that a slow read is not kept
	byHash    map[string]*remembered
	bySubject map[principal.Name]map[string]bool // hashes
}

// remembered is who a token belongs to, and when that was last noted as used, in
// grains.
type remembered struct {
	Caller
	noted atomic.Int64
}

func newMemory(d *db.DB, now func() time.Time) *memory {
	m := &memory{exact: d.Exact, now: now}
	m.forgetAll()
	d.Watch(m.receive)
	return m
}

func (m *memory) receive(change db.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch change.Topic {
	case token.Topic:
		m.forget(change.Key)
	case principal.Topic:
		for hash := range m.bySubject[principal.Name(change.Key)] {
			m.forget(hash)
		}
	case "":
		m.forgetAll()
	default:
		return
	}
	m.changes++
}

func (m *memory) forget(hash string) {
	known, ok := m.byHash[hash]
	if !ok {
		return
	}
	delete(m.byHash, hash)
	delete(m.bySubject[known.Name], hash)
	if len(m.bySubject[known.Name]) == 0 {
		delete(m.bySubject, known.Name)
	}
}

func (m *memory) forgetAll() {
	m.byHash, m.bySubject = map[string]*remembered{}, map[principal.Name]map[string]bool{}
}

// get returns whose token it is, by read if that is not remembered. Only good
// tokens are remembered, so guessing fills no memory.
func (m *memory) get(ctx context.Context, raw secret.Text, read func(context.Context, secret.Text) (Caller, error)) (Caller, error) {
	hash, now := token.Hash(raw), m.now()
	if !m.exact() {
		fresh, err := read(ctx, raw)
		if err == nil {
			m.uses.note(hash, now)
		}
		return fresh, err
	}
	m.mu.RLock()
	known, ok := m.byHash[hash]
	before := m.changes
	m.mu.RUnlock()
	if ok {
		// Most calls find the grain as it is, and write nothing that others read.
		if grain := now.UnixNano() / int64(useGrain); known.noted.Load() != grain && known.noted.Swap(grain) != grain {
			m.uses.note(hash, now)
		}
		return known.Caller, nil
	}
	fresh, err := read(ctx, raw)
	if err != nil {
		return Caller{}, err
	}
	m.uses.note(hash, now)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changes == before {
		m.keep(hash, fresh, now)
	}
	return fresh, nil
}

func (m *memory) keep(hash string, fresh Caller, now time.Time) {
	if len(m.byHash) >= memoryLimit {
		m.forgetAll()
	}
	m.byHash[hash] = &remembered{Caller: fresh}
	m.byHash[hash].noted.Store(now.UnixNano() / int64(useGrain))
	if m.bySubject[fresh.Name] == nil {
		m.bySubject[fresh.Name] = map[string]bool{}
	}
	m.bySubject[fresh.Name][hash] = true
}
