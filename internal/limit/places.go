package limit

import (
	"sync"
	"time"
)

// What waits holds a goroutine and a stream, some 20 KiB.
const (
	waiters        = 2048 // calls that wait, in all
	waitersNetwork = 384  // and from one network
	waitersEach    = 16   // for one thing: whoever waits is one client, and its retries

	delayed        = 512 // requests that are delayed, in all
	delayedNetwork = 8   // and from one network

	calls        = 4096 // under way over gRPC, in all: each may have a request half sent
	callsNetwork = 512  // and from one network
)

// busyFor is when there may be a place again.
const busyFor = 5 * time.Second

// Places bounds how many are there at the same time: in all, from one network,
// and for one thing where that is named and Each is not 0. It is safe for concurrent use.
type Places struct {
	Each, Network, Total int

	of   *Limits
	kind Kind

	mu    sync.Mutex
	taken map[string]int
	total int
}

// Take takes a place for a thing; leave gives it back, and must be called
// once. Fault: Exhausted.
func (p *Places) Take(thing, network string) (leave func(), err error) {
	from := network
	thing, network = "thing "+thing, "network "+network
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total >= p.Total || p.Each > 0 && p.taken[thing] >= p.Each || p.taken[network] >= p.Network {
		return nil, p.of.Refuse(p.kind, from, busyFor, "too many %s at the same time", p.kind)
	}
	if p.taken == nil {
		p.taken = map[string]int{}
	}
	p.total++
	p.taken[thing]++
	p.taken[network]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.total--
		for _, key := range []string{thing, network} {
			if p.taken[key]--; p.taken[key] == 0 {
				delete(p.taken, key)
			}
		}
	}, nil
}
