package rpc

import (
	"context"
	"sync"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/caller"
	"pachyderm/internal/secret"
	"pachyderm/internal/token"
)

// keepCallers bounds what callers remembers; beyond it, it begins anew.
const keepCallers = 1 << 20

// callers remembers who tokens belong to, exactly: what a change has made
// wrong is forgotten before the call that made it returns, and nothing is
// taken from memory while changes of other replicas cannot be heard.
type callers struct {
	exact func() bool

	mu        sync.RWMutex
	changes   uint64 // counts what was heard, so that a slow read is not kept
	byHash    map[string]*caller.Caller
	bySubject map[principal.Name]map[string]bool // hashes
}

func newCallers(d *db.DB) *callers {
	c := &callers{exact: d.Exact}
	c.forgetAll()
	d.Watch(c.hear)
	return c
}

func (c *callers) hear(change db.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch change.Topic {
	case token.Topic:
		c.forget(change.Key)
	case principal.Topic:
		for hash := range c.bySubject[principal.Name(change.Key)] {
			c.forget(hash)
		}
	case "":
		c.forgetAll()
	default:
		return
	}
	c.changes++
}

func (c *callers) forget(hash string) {
	known, ok := c.byHash[hash]
	if !ok {
		return
	}
	delete(c.byHash, hash)
	delete(c.bySubject[known.Name], hash)
	if len(c.bySubject[known.Name]) == 0 {
		delete(c.bySubject, known.Name)
	}
}

func (c *callers) forgetAll() {
	c.byHash, c.bySubject = map[string]*caller.Caller{}, map[principal.Name]map[string]bool{}
}

// get returns whose token it is, by read if that is not remembered. Only good
// tokens are remembered, so guessing fills no memory.
func (c *callers) get(ctx context.Context, raw secret.Text, read func(context.Context, secret.Text) (caller.Caller, error)) (caller.Caller, error) {
	if !c.exact() {
		return read(ctx, raw)
	}
	hash := token.Hash(raw)
	c.mu.RLock()
	known, ok := c.byHash[hash]
	before := c.changes
	c.mu.RUnlock()
	if ok {
		return *known, nil
	}
	fresh, err := read(ctx, raw)
	if err != nil {
		return caller.Caller{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes == before {
		c.keep(hash, fresh)
	}
	return fresh, nil
}

func (c *callers) keep(hash string, fresh caller.Caller) {
	if len(c.byHash) >= keepCallers {
		c.forgetAll()
	}
	c.byHash[hash] = &fresh
	if c.bySubject[fresh.Name] == nil {
		c.bySubject[fresh.Name] = map[string]bool{}
	}
	c.bySubject[fresh.Name][hash] = true
}
