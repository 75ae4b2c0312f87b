package guess

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"pachyderm/internal/db"
)

// counters are where guesses are counted.
type counters interface {
	// count counts a guess in all of these, if none of those that refuse is full, and
	// returns when each is back at nothing; no times if one is full.
	count(ctx context.Context, in []counter, now time.Time) (untils map[string]time.Time, err error)
	// read is when counters are back at nothing, not before now.
	read(ctx context.Context, in []counter, now time.Time) (map[string]time.Time, error)
	// takeBack undoes a guess in these, of which it empties the first if forget.
	takeBack(ctx context.Context, in []counter, forget bool, now time.Time) error
	// keep is called for a guess that was wrong.
	keep(ctx context.Context, in []counter, now time.Time) error
	// trim forgets what need not be in memory any more.
	trim(now time.Time)
}

// table counts in the rows that replicas share.
type table struct{ db *db.DB }

func (t table) count(ctx context.Context, in []counter, now time.Time) (untils map[string]time.Time, err error) {
	err = t.db.UpdateOne(ctx, func(tx *db.Tx) error {
		untils, err = count(ctx, tx, in, now)
		return err
	})
	return untils, err
}

func (t table) read(ctx context.Context, in []counter, now time.Time) (untils map[string]time.Time, err error) {
	err = t.db.ViewOne(ctx, func(tx *db.Tx) error {
		untils, err = readUntils(ctx, tx, in, now)
		return err
	})
	return untils, err
}

func (t table) takeBack(ctx context.Context, in []counter, forget bool, _ time.Time) error {
	return t.db.UpdateOne(ctx, func(tx *db.Tx) error { return takeBack(ctx, tx, in, forget) })
}

func (table) keep(context.Context, []counter, time.Time) error { return nil }

func (table) trim(time.Time) {}

// memory counts where no other process has the database. What was guessed wrong is
// stored as well, so that nobody begins anew because pachd does; a right password, which
// is most of them, stores nothing.
type memory struct {
	db *db.DB

	mu  sync.Mutex
	all map[string]*place
}

// place is how a counter stands, and how it does in the table, in microseconds.
type place struct{ until, stored int64 }

// unsure is in place of what the table has, when it failed to say.
const unsure = math.MaxInt64

// load begins with what the table has.
func load(ctx context.Context, d *db.DB, now time.Time) (*memory, error) {
	m := &memory{db: d, all: map[string]*place{}}
	return m, d.View(ctx, func(tx *db.Tx) error {
		return unexpired(ctx, tx, now, func(key string, until int64) { m.all[key] = &place{until, until} })
	})
}

func (m *memory) count(_ context.Context, in []counter, now time.Time) (map[string]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	untils := map[string]time.Time{}
	for _, c := range in {
		if p := m.all[c.key]; p != nil && !c.delays && p.until > db.Micros(now.Add(window-c.step())) {
			return untils, nil
		}
	}
	for _, c := range in {
		p := m.all[c.key]
		if p == nil {
			p = &place{}
			m.all[c.key] = p
		}
		p.until = max(p.until, db.Micros(now))
		if c.delays {
			p.until = min(p.until, db.Micros(now.Add(2*window)))
		}
		p.until += c.step().Microseconds()
		untils[c.key] = db.Time(p.until)
	}
	return untils, nil
}

func (m *memory) read(_ context.Context, in []counter, now time.Time) (map[string]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	untils := map[string]time.Time{}
	for _, c := range in {
		untils[c.key] = now
		if p := m.all[c.key]; p != nil && p.until > db.Micros(now) {
			untils[c.key] = db.Time(p.until)
		}
	}
	return untils, nil
}

func (m *memory) takeBack(ctx context.Context, in []counter, forget bool, now time.Time) error {
	m.mu.Lock()
	var stored []string
	for n, c := range in {
		p := m.all[c.key]
		if p == nil {
			continue
		}
		if p.until -= c.step().Microseconds(); forget && n == 0 {
			p.until = 0
		}
		if max(p.stored, db.Micros(now)) != max(p.until, db.Micros(now)) && p.stored != 0 {
			stored = append(stored, c.key)
		}
	}
	m.mu.Unlock()
	return m.store(ctx, stored)
}

func (m *memory) keep(ctx context.Context, in []counter, _ time.Time) error {
	keys := make([]string, len(in))
	for n, c := range in {
		keys[n] = c.key
	}
	return m.store(ctx, keys)
}

// store writes how counters stand when it is their turn to be written.
func (m *memory) store(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	err := m.db.UpdateUnsynced(ctx, func(tx *db.Tx) error {
		return storeUntils(ctx, tx, keys, func(key string) int64 {
			m.mu.Lock()
			defer m.mu.Unlock()
			p := m.all[key]
			if p == nil {
				return 0
			}
			p.stored = p.until
			return p.until
		})
	})
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, key := range keys {
			if p := m.all[key]; p != nil {
				p.stored = unsure
			}
		}
	}
	return err
}

// trim keeps as many as the table does.
func (m *memory) trim(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.all, func(_ string, p *place) bool { return p.until < db.Micros(now) })
	if len(m.all) <= maxCounters {
		return
	}
	keys := slices.SortedFunc(maps.Keys(m.all), func(a, b string) int { return cmp.Compare(m.all[b].until, m.all[a].until) })
	for _, key := range keys[maxCounters:] {
		delete(m.all, key)
	}
}
