package file

import (
	"context"
	"sync"
)

// turns has those who write to one branch do so one after another: each would lose
// against the others otherwise, and try again. Replicas do lose against one another.
type turns struct {
	mu      sync.Mutex
	waiting map[string]*turn
}

type turn struct {
	free  chan struct{} // has something while nobody's turn it is
	count int
}

// take waits for the turn of a key; done ends it.
func (t *turns) take(ctx context.Context, key string) (done func(), err error) {
	t.mu.Lock()
	one := t.waiting[key]
	if one == nil {
		one = &turn{free: make(chan struct{}, 1)}
		one.free <- struct{}{}
		t.waiting[key] = one
	}
	one.count++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if one.count--; one.count == 0 {
			delete(t.waiting, key)
		}
	}
	select {
	case <-one.free:
		return func() { one.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
