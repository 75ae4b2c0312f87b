package pending

import (
	"container/list"
	"context"
	"sync"
	"time"
)

const (
	// overhead is what a value takes beside its texts, in bytes, about.
	overhead = 1 << 10
	// unit is how much of a value counts as one more of them, in bytes, as it does of
	// rows.
	unit = 16 << 10
)

// Memory keeps values by id, so many bytes of them: beyond that, the oldest of the
// network that has most are dropped. It is safe for concurrent use. Nil is one that has
// nothing, for whoever keeps rows.
type Memory[T any] struct {
	most int

	mu    sync.Mutex
	bytes int
	all   map[string]*entry[T]
	from  map[string]*network[T]
}

// Item is what is kept.
type Item[T any] struct {
	Value T
	// Network is where whoever began it came from; empty for what is no stranger's.
	Network string
	// Size is how long its texts are together, in bytes.
	Size    int
	Expires time.Time
}

type entry[T any] struct {
	Item[T]
	id      string
	version int64
	at      *list.Element // among those of its network
	taken   chan struct{} // closed when it is given back, or is gone; nil if nobody has it
	gone    bool
}

type network[T any] struct {
	entries list.List // of *entry[T], the oldest first
	weight  int
}

func (i Item[T]) bytes() int { return overhead + i.Size }

func (i Item[T]) weight() int { return 1 + i.Size/unit }

// New makes a memory of so many bytes.
func New[T any](most int) *Memory[T] {
	return &Memory[T]{most: most, all: map[string]*entry[T]{}, from: map[string]*network[T]{}}
}

// Create keeps an item under an id, and is false if there is one already.
func (m *Memory[T]) Create(id string, i Item[T]) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all[id] != nil {
		return false
	}
	n := m.from[i.Network]
	if n == nil {
		n = &network[T]{}
		m.from[i.Network] = n
	}
	e := &entry[T]{Item: i, id: id, version: 1}
	e.at = n.entries.PushBack(e)
	m.all[id] = e
	m.count(e, 1)
	for m.bytes > m.most {
		m.drop(m.crowded().oldest())
	}
	return true
}

// count counts an entry in, or out.
func (m *Memory[T]) count(e *entry[T], by int) {
	m.bytes += by * e.bytes()
	m.from[e.Network].weight += by * e.weight()
}

func (m *Memory[T]) drop(e *entry[T]) {
	m.count(e, -1)
	delete(m.all, e.id)
	n := m.from[e.Network]
	if n.entries.Remove(e.at); n.entries.Len() == 0 {
		delete(m.from, e.Network)
	}
	e.gone = true
}

// crowded is the network that has most.
func (m *Memory[T]) crowded() (most *network[T]) {
	for _, n := range m.from {
		if most == nil || n.weight > most.weight {
			most = n
		}
	}
	return most
}

func (n *network[T]) oldest() *entry[T] { return n.entries.Front().Value.(*entry[T]) }

// Get finds a value, and which version of it that is.
func (m *Memory[T]) Get(id string) (v T, version int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.all[id]
	if e == nil {
		return v, 0, false
	}
	return e.Value, e.version, true
}

// Replace changes nothing unless the value is still of that version. It stays with its
// network, as old as it is.
func (m *Memory[T]) Replace(id string, version int64, i Item[T]) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.all[id]
	if e == nil || e.version != version {
		return false
	}
	m.count(e, -1)
	e.Value, e.Size, e.Expires = i.Value, i.Size, i.Expires
	e.version++
	m.count(e, 1)
	return true
}

// Delete forgets a value, once.
func (m *Memory[T]) Delete(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.all[id]
	if e != nil {
		m.drop(e)
	}
	return e != nil
}

// DeleteWhere forgets those that it is true for, taken ones too, and counts them.
func (m *Memory[T]) DeleteWhere(is func(T) bool) int64 {
	return m.deleteWhere(func(e *entry[T]) bool { return is(e.Value) })
}

// DeleteExpired forgets those that have expired, and counts them.
func (m *Memory[T]) DeleteExpired(now time.Time) int64 {
	return m.deleteWhere(func(e *entry[T]) bool { return !e.Expires.After(now) })
}

func (m *Memory[T]) deleteWhere(is func(*entry[T]) bool) (n int64) {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.all {
		if is(e) {
			m.drop(e)
			n++
		}
	}
	return n
}

// Len is how many there are.
func (m *Memory[T]) Len() int {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.all)
}

// Counts is how many there are of each network; a long one counts as more.
func (m *Memory[T]) Counts() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := make(map[string]int, len(m.from))
	for name, n := range m.from {
		counts[name] = n.weight
	}
	return counts
}

// DropOldest leaves so many of a network.
func (m *Memory[T]) DropOldest(network string, keep int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := m.from[network]; n != nil && n.weight > keep; n = m.from[network] {
		m.drop(n.oldest())
	}
}

// Taken is a value that one has and all others wait for. Nil is none.
type Taken[T any] struct {
	of    *Memory[T]
	entry *entry[T]
	value T
}

// Take takes a value out of others' reach, once whoever has it gives it back; nil if
// there is none, or none any more. It ends with End.
func (m *Memory[T]) Take(ctx context.Context, id string) (*Taken[T], error) {
	for {
		t, others := m.take(id)
		if others == nil {
			return t, nil
		}
		select {
		case <-others:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (m *Memory[T]) take(id string) (*Taken[T], chan struct{}) {
	if m == nil {
		return nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.all[id]
	if e == nil {
		return nil, nil
	}
	if e.taken != nil {
		return nil, e.taken
	}
	e.taken = make(chan struct{})
	return &Taken[T]{m, e, e.Value}, nil
}

// Value is what was taken, and false if it has been forgotten since.
func (t *Taken[T]) Value() (v T, still bool) {
	if t == nil {
		return v, false
	}
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	return t.value, !t.entry.gone
}

// End forgets the value if it is spent, so that whoever waits for it finds none, and
// lets others have it otherwise.
func (t *Taken[T]) End(spent bool) {
	if t == nil {
		return
	}
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if spent && !t.entry.gone {
		t.of.drop(t.entry)
	}
	close(t.entry.taken)
	t.entry.taken = nil
}
