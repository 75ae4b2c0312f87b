package turn

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// Who has waited for longest gives back first, and as many as is needed.
func TestTurns_TheIdleGiveBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(1000) // of which 500 may be kept
		var mu sync.Mutex
		var gave []int
		writer := func(n int) *Writer {
			return turns.Writer(func() {
				mu.Lock()
				defer mu.Unlock()
				gave = append(gave, n)
			})
		}
		for n := range 6 {
			w := writer(n)
			if err := w.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.End(100)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		seen := map[int]bool{}
		for _, n := range gave {
			seen[n] = true
		}
		if len(gave) != 3 || !seen[0] || !seen[1] || !seen[2] {
			t.Errorf("%v gave back", gave)
		}
	})
}

// Far more writers than there are turns, each with more than all may keep, take their
// turns one after another in one goroutine, and beside one another.
func TestTurns_NobodyWaitsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails once all wait for each other
		turns := New(1000)
		var mu sync.Mutex
		working, most := 0, 0
		var all []*Writer
		for range 200 {
			all = append(all, turns.Writer(func() {}))
		}
		work := func(w *Writer) {
			if err := w.Begin(t.Context()); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			working++
			most = max(most, working)
			mu.Unlock()
			mu.Lock()
			working--
			mu.Unlock()
			w.End(700)
		}
		for range 3 {
			for _, w := range all {
				work(w)
			}
		}
		var together sync.WaitGroup
		for _, w := range all {
			together.Go(func() {
				for range 20 {
					work(w)
				}
			})
		}
		together.Wait()
		for _, w := range all {
			w.Close()
		}
		if most > 2 || turns.kept != 0 || turns.working != 0 || turns.idle.Len() != 0 {
			t.Errorf("%d worked at a time, %d bytes are left, %d work, %d are idle", most, turns.kept, turns.working, turns.idle.Len())
		}
	})
}

// Who gives up waiting leaves their turn to others.
func TestBegin_GivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(1000)
		var at []*Writer
		for range 2 {
			w := turns.Writer(func() {})
			if err := w.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			at = append(at, w)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error)
		go func() { gaveUp <- turns.Writer(func() {}).Begin(ctx) }()
		synctest.Wait()
		waits := turns.Writer(func() {})
		began := make(chan error)
		go func() { began <- waits.Begin(t.Context()) }()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		at[0].End(0)
		if err := <-began; err != nil {
			t.Error(err)
		}
		waits.End(0)
		at[1].End(0)
		if turns.working != 0 || len(turns.waiting) != 0 {
			t.Errorf("%d work, %d wait", turns.working, len(turns.waiting))
		}
	})
}

// A turn that comes at the moment in which somebody gives up waiting is lost to nobody.
func TestBegin_GivenUpAsTheTurnComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(1000)
		for range 100 {
			var at []*Writer
			for range 2 {
				w := turns.Writer(func() {})
				if err := w.Begin(t.Context()); err != nil {
					t.Fatal(err)
				}
				at = append(at, w)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				w := turns.Writer(func() {})
				if w.Begin(ctx) == nil {
					w.End(0)
				}
			}()
			synctest.Wait()
			cancel()
			at[0].End(0)
			<-ended
			at[1].End(0)
			if turns.working != 0 {
				t.Fatalf("%d work", turns.working)
			}
		}
	})
}
