package pending_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pachyderm/internal/issuer/pending"
)

var now = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

const room = 64 << 10

func item(network, value string, size int) pending.Item[string] {
	return pending.Item[string]{Value: value, Network: network, Size: size, Expires: now}
}

func TestMemory_OneOfEachID(t *testing.T) {
	m := pending.New[string](room)
	if !m.Create("a", item("n", "first", 0)) || m.Create("a", item("n", "second", 0)) {
		t.Error("a second one under the same id")
	}
	if v, version, ok := m.Get("a"); v != "first" || version != 1 || !ok {
		t.Errorf("%q, %d, %v", v, version, ok)
	}
	if !m.Delete("a") || m.Delete("a") {
		t.Error("it is deleted not exactly once")
	}
	if _, _, ok := m.Get("a"); ok {
		t.Error("it is there")
	}
}

func TestMemory_ReplacesWhatWasRead(t *testing.T) {
	m := pending.New[string](room)
	m.Create("a", item("n", "first", 0))
	if !m.Replace("a", 1, item("", "second", 40<<10)) || m.Replace("a", 1, item("", "third", 0)) || m.Replace("b", 1, item("", "", 0)) {
		t.Error("replaced another than was read")
	}
	if v, version, _ := m.Get("a"); v != "second" || version != 2 {
		t.Errorf("%q, %d", v, version)
	}
	if n := m.Counts()["n"]; n != 3 {
		t.Errorf("it counts as %d", n)
	}
}

// However much comes, it takes no more room, and whoever has little keeps it.
func TestMemory_IsBounded(t *testing.T) {
	m := pending.New[string](room)
	m.Create("mine", item("home", "", 100))
	for n := range 1000 {
		m.Create(fmt.Sprint(n), item("crowd", "", 3<<10))
	}
	if n := m.Counts()["crowd"]; n != 15 {
		t.Errorf("%d of 4 KiB each in %d bytes, beside one", n, room)
	}
	if _, _, ok := m.Get("mine"); !ok {
		t.Error("the oldest was dropped of somebody who has one")
	}
	if _, _, ok := m.Get("999"); !ok {
		t.Error("the newest was dropped")
	}
	m.Create("huge", item("home", "", room))
	if counts := m.Counts(); counts["home"] != 0 {
		t.Errorf("one that is larger than all is kept: %v", counts)
	}
}

func TestMemory_Forgets(t *testing.T) {
	m := pending.New[string](room)
	for n, name := range []string{"a", "b", "c", "d"} {
		i := item("n", name, 0)
		i.Expires = now.Add(time.Duration(n) * time.Minute)
		m.Create(name, i)
	}
	if n := m.DeleteExpired(now); n != 1 {
		t.Errorf("%d had expired", n)
	}
	if n := m.DeleteWhere(func(v string) bool { return v == "b" }); n != 1 {
		t.Errorf("%d were b", n)
	}
	m.DropOldest("n", 1)
	m.DropOldest("nobody", 0)
	if _, _, ok := m.Get("d"); !ok || m.Counts()["n"] != 1 || m.Len() != 1 {
		t.Errorf("left: %v", m.Counts())
	}
	m.DropOldest("n", 0)
	if len(m.Counts()) != 0 {
		t.Errorf("of a network that has nothing is left: %v", m.Counts())
	}
}

// Of many who would spend it at once one does; one that cannot gives it back.
func TestMemory_IsSpentOnce(t *testing.T) {
	m := pending.New[string](room)
	m.Create("code", item("", "granted", 0))
	var holding, tried, spent atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			held, err := m.Take(t.Context(), "code")
			if err != nil || held == nil {
				return
			}
			if v, still := held.Value(); v != "granted" || !still {
				t.Errorf("%q, still there: %v", v, still)
			}
			if n := holding.Add(1); n != 1 {
				t.Errorf("%d have it", n)
			}
			for range 100 { // others come
				runtime.Gosched()
			}
			holding.Add(-1)
			if tried.Add(1) <= 3 { // such as when the database does not answer
				held.End(false)
				return
			}
			spent.Add(1)
			held.End(true)
		})
	}
	all.Wait()
	if spent.Load() != 1 || tried.Load() != 4 {
		t.Errorf("spent %d times, tried %d times", spent.Load(), tried.Load())
	}
}

// Whoever ends a grant need not wait for whoever redeems its code.
func TestMemory_ForgetsWhatIsTaken(t *testing.T) {
	m := pending.New[string](room)
	m.Create("code", item("", "granted", 0))
	held, err := m.Take(t.Context(), "code")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := m.Take(ctx, "code"); !errors.Is(err, context.Canceled) {
		t.Errorf("did not wait: %v", err)
	}
	m.DeleteWhere(func(string) bool { return true })
	if _, still := held.Value(); still {
		t.Error("it counts as being there")
	}
	held.End(false)
	if again, err := m.Take(t.Context(), "code"); again != nil || err != nil {
		t.Errorf("what was forgotten is back: %v", err)
	}
}
