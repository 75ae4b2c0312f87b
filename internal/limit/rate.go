package limit

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxKeys bounds a table of rates. The least used is forgotten first, which
// gives it its burst again: no more than any new network has.
const maxKeys = 10000

// rates limits each of many keys to a rate, after a burst of a minute's worth.
type rates struct {
	perMinute int

	mu    sync.Mutex
	byKey map[string]*list.Element
	used  list.List // of *keyed, the last used in front
}

type keyed struct {
	key     string
	limiter *rate.Limiter
}

func newRates(perMinute int) *rates {
	return &rates{perMinute: perMinute, byKey: map[string]*list.Element{}}
}

// take counts n of a key. If that is too many it counts nothing, and says how
// long to wait.
func (r *rates) take(key string, n int, now time.Time) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byKey[key]
	if e == nil {
		e = r.used.PushFront(&keyed{key, rate.NewLimiter(rate.Limit(float64(r.perMinute)/60), r.perMinute)})
		r.byKey[key] = e
		if oldest := r.used.Back(); r.used.Len() > maxKeys {
			r.used.Remove(oldest)
			delete(r.byKey, oldest.Value.(*keyed).key)
		}
	}
	r.used.MoveToFront(e)
	took := e.Value.(*keyed).limiter.ReserveN(now, min(n, r.perMinute))
	if wait = took.DelayFrom(now); wait > 0 {
		took.CancelAt(now)
	}
	return wait
}
