package pack

import (
	"container/list"
	"context"
	"sync"
)

// cache keeps blobs that were read lately, and has each read once at a time.
type cache struct {
	most int64

	mu      sync.Mutex
	size    int64
	recent  list.List // of *cached, the latest first
	all     map[ID]*list.Element
	loading map[ID]chan struct{}
}

type cached struct {
	id   ID
	data []byte
}

func newCache(most int64) *cache {
	return &cache{most: most, all: map[ID]*list.Element{}, loading: map[ID]chan struct{}{}}
}

// get is the blob, which load reads if it is not there. Nobody may change it.
func (c *cache) get(ctx context.Context, id ID, load func() ([]byte, error)) ([]byte, error) {
	for {
		data, others := c.begin(id)
		switch {
		case data != nil:
			return data, nil
		case others == nil:
			data, err := load()
			c.end(id, data, err)
			return data, err
		}
		select {
		case <-others:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// begin is the blob, or who is reading it; neither if it is to be read now.
func (c *cache) begin(id ID) ([]byte, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.all[id]; e != nil {
		c.recent.MoveToFront(e)
		return e.Value.(*cached).data, nil
	}
	if others := c.loading[id]; others != nil {
		return nil, others
	}
	c.loading[id] = make(chan struct{})
	return nil, nil
}

func (c *cache) end(id ID, data []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.loading[id])
	delete(c.loading, id)
	if err != nil || int64(len(data)) > c.most {
		return
	}
	c.all[id] = c.recent.PushFront(&cached{id, data})
	c.size += int64(len(data))
	for c.size > c.most {
		last := c.recent.Remove(c.recent.Back()).(*cached)
		delete(c.all, last.id)
		c.size -= int64(len(last.data))
	}
}
