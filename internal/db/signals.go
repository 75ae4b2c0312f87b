package db

import "sync"

// Signals wakes those who wait for a change of one key of a topic.
type Signals struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]bool // by key
}

// Signals makes Signals of a topic; call it before changes are made.
func (d *DB) Signals(topic string) *Signals {
	s := &Signals{waiting: map[string]map[chan struct{}]bool{}}
	d.Watch(func(c Change) {
		switch c.Topic {
		case topic:
			s.wake(c.Key)
		case "":
			s.wakeAll()
		}
	})
	return s
}

// On gives a channel that is sent to after each change of the key from now on:
// look after On, and then once more for each signal. Call stop when done.
func (s *Signals) On(key string) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[key] == nil {
		s.waiting[key] = map[chan struct{}]bool{}
	}
	s.waiting[key][c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting[key], c)
		if len(s.waiting[key]) == 0 {
			delete(s.waiting, key)
		}
	}
}

func (s *Signals) wake(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.waiting[key] {
		select {
		case c <- struct{}{}:
		default: // it has not looked since the last one
		}
	}
}

func (s *Signals) wakeAll() {
	s.mu.Lock()
	keys := make([]string, 0, len(s.waiting))
	for key := range s.waiting {
		keys = append(keys, key)
	}
	s.mu.Unlock()
	for _, key := range keys {
		s.wake(key)
	}
}
