package cache

import (
	"container/list"
	"context"
	"sync"
)

// Cache keeps what was read lately, so many bytes of it. It is safe for concurrent use.
type Cache[K comparable] struct {
	most int64

	mu      sync.Mutex
	size    int64
	recent  list.List // of *item[K], the latest first
	all     map[K]*list.Element
	loading map[K]chan struct{}
}

type item[K comparable] struct {
	key  K
	data []byte
}

// New makes an empty one.
func New[K comparable](most int64) *Cache[K] {
	return &Cache[K]{most: most, all: map[K]*list.Element{}, loading: map[K]chan struct{}{}}
}

// Get is what has a key, which load reads if it is not here; of several who want it at
// once one does. Nobody may change it.
func (c *Cache[K]) Get(ctx context.Context, key K, load func() ([]byte, error)) ([]byte, error) {
	for {
		data, found, others := c.begin(key)
		switch {
		case found:
			return data, nil
		case others == nil:
			data, err := load()
			c.end(key, data, err)
			return data, err
		}
		select {
		case <-others:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Missing are the keys of what neither is here nor is being read.
func (c *Cache[K]) Missing(keys []K) (missing []K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		if c.all[key] == nil && c.loading[key] == nil {
			missing = append(missing, key)
		}
	}
	return missing
}

// Add keeps what was read, unless it is here.
func (c *Cache[K]) Add(key K, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, data)
}

// begin is it, or who is reading it; neither if it is to be read now.
func (c *Cache[K]) begin(key K) (data []byte, found bool, others chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.all[key]; e != nil {
		c.recent.MoveToFront(e)
		return e.Value.(*item[K]).data, true, nil
	}
	if others := c.loading[key]; others != nil {
		return nil, false, others
	}
	c.loading[key] = make(chan struct{})
	return nil, false, nil
}

func (c *Cache[K]) end(key K, data []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.loading[key])
	delete(c.loading, key)
	if err == nil {
		c.add(key, data)
	}
}

func (c *Cache[K]) add(key K, data []byte) {
	if c.all[key] != nil || int64(len(data)) > c.most {
		return
	}
	c.all[key] = c.recent.PushFront(&item[K]{key, data})
	c.size += int64(len(data))
	for c.size > c.most {
		last := c.recent.Remove(c.recent.Back()).(*item[K])
		delete(c.all, last.key)
		c.size -= int64(len(last.data))
	}
}
