package turn

import (
	"container/list"
	"context"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// each is what a writer at work may have in memory, in bytes.
	each = 64 << 20
	// most is what all may have where memory is not scarce.
	most = 1 << 30
	// relievers is how many writers give back at a time.
	relievers = 4
)

// Turns is the memory of all writers. It is safe for concurrent use.
type Turns struct {
	places int   // writers at work
	bound  int64 // bytes that the others may have

	mu        sync.Mutex
	working   int
	kept      int64
	waiting   []chan struct{}
	idle      list.List // of *Writer, the one that has been idle for longest first
	relieving int
}

// New divides so many bytes; 0 is Share.
func New(bytes int64) *Turns {
	if bytes == 0 {
		bytes = Share()
	}
	return &Turns{places: max(2, int(bytes/2/each)), bound: bytes / 2}
}

// Share is a quarter of what the process may have by GOMEMLIMIT or its cgroup, and at
// most 1 GiB.
func Share() int64 {
	limit := debug.SetMemoryLimit(-1) // which only asks
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(name) //nolint:gosec // one of the above
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil { // "max" is none
			limit = min(limit, n)
		}
	}
	if limit == math.MaxInt64 {
		return most
	}
	return min(most, limit/4)
}

// Writer is one of them. Its methods but for those of its Turns are for one goroutine.
type Writer struct {
	turns    *Turns
	giveBack func()
	busy     sync.Mutex // while it works or gives back

	// Under the mutex of turns.
	kept  int64
	place *list.Element
}

// Writer adds one. giveBack is called while it is not at work, and has it keep little:
// what is left then is not counted. It needs no turn.
func (t *Turns) Writer(giveBack func()) *Writer { return &Writer{turns: t, giveBack: giveBack} }

// free says whether one more may work.
func (t *Turns) free() bool { return t.working < t.places && t.kept <= t.bound }

// Begin waits for a turn, which ends with End.
func (w *Writer) Begin(ctx context.Context) error {
	t := w.turns
	if err := t.enter(ctx); err != nil {
		return err
	}
	w.busy.Lock()
	t.mu.Lock()
	t.forget(w)
	t.mu.Unlock()
	return nil
}

func (t *Turns) enter(ctx context.Context) error {
	t.mu.Lock()
	if len(t.waiting) == 0 && t.free() {
		t.working++
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	t.waiting = append(t.waiting, turn)
	t.relieve()
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := slices.Index(t.waiting, turn); n >= 0 {
		t.waiting = slices.Delete(t.waiting, n, n+1)
	} else { // it came all the same
		t.working--
	}
	t.next()
	return ctx.Err()
}

// End ends a turn; kept is how many bytes the writer has until the next.
func (w *Writer) End(kept int64) {
	t := w.turns
	t.mu.Lock()
	defer t.mu.Unlock()
	if kept > 0 {
		w.kept, w.place = kept, t.idle.PushBack(w)
		t.kept += kept
	}
	t.working--
	w.busy.Unlock()
	t.next()
	t.relieve()
}

// Close ends a writer that is not at work.
func (w *Writer) Close() {
	w.busy.Lock()
	defer w.busy.Unlock()
	w.turns.mu.Lock()
	defer w.turns.mu.Unlock()
	w.turns.forget(w)
	w.turns.next()
}

// forget counts a writer's bytes no more.
func (t *Turns) forget(w *Writer) {
	if w.place != nil {
		t.idle.Remove(w.place)
		t.kept -= w.kept
		w.kept, w.place = 0, nil
	}
}

// next lets those work who have waited.
func (t *Turns) next() {
	for len(t.waiting) > 0 && t.free() {
		close(t.waiting[0])
		t.waiting = t.waiting[1:]
		t.working++
	}
}

// relieve has writers give back what they have, if all together have too much.
func (t *Turns) relieve() {
	for t.relieving < relievers {
		w := t.oldest()
		if w == nil {
			return
		}
		t.relieving++
		go func() {
			w.giveBack()
			t.mu.Lock()
			defer t.mu.Unlock()
			w.busy.Unlock()
			t.relieving--
			t.next()
			t.relieve()
		}()
	}
}

// oldest is the writer that has been idle for longest, from now on busy and not counted;
// nil if there is none, or no need.
func (t *Turns) oldest() *Writer {
	if t.kept <= t.bound*3/4 {
		return nil
	}
	for e := t.idle.Front(); e != nil; e = e.Next() {
		if w, ok := e.Value.(*Writer); ok && w.busy.TryLock() {
			t.forget(w)
			return w
		}
	}
	return nil
}
