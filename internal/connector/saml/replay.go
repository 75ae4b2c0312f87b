package saml

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxSeen bounds the memory at about a megabyte.
const maxSeen = 10_000

// memory knows the assertions that were used, until they expire. It is the second
// guard: an assertion answers one request (InResponseTo), whose sign-in the
// caller lets happen once, on whichever replica, so that even one that is
// forgotten here has nothing to be used for.
type memory struct {
	mu   sync.Mutex
	ends map[[sha256.Size]byte]time.Time
}

func newMemory() *memory { return &memory{ends: map[[sha256.Size]byte]time.Time{}} }

// first says whether id is new, and remembers it until end.
func (m *memory) first(id string, end, now time.Time) bool {
	key := sha256.Sum256([]byte(id))
	m.mu.Lock()
	defer m.mu.Unlock()
	if until, known := m.ends[key]; known && now.Before(until) {
		return false
	}
	if len(m.ends) >= maxSeen {
		m.makeRoom(now)
	}
	m.ends[key] = end
	return true
}

// makeRoom forgets what has expired or, if nothing has, what will do so first.
func (m *memory) makeRoom(now time.Time) {
	var soonest [sha256.Size]byte
	for key, end := range m.ends {
		if !now.Before(end) {
			delete(m.ends, key)
			continue
		}
		if known, ok := m.ends[soonest]; !ok || end.Before(known) {
			soonest = key
		}
	}
	if len(m.ends) >= maxSeen {
		delete(m.ends, soonest)
	}
}
