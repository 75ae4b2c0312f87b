package session

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// A read that began before a change was heard must not be kept: it may be of
// before the change.
func TestMemory_SlowReadIsNotKept(t *testing.T) {
	d := dbtest.SQLite(t)
	c := newMemory(d, time.Now)
	reads := 0
	read := func(context.Context, secret.Text) (Caller, error) {
		reads++
		if reads == 1 {
			c.receive(db.Change{Topic: principal.Topic, Key: "user:bob@example.com"})
		}
		return Caller{Name: "user:alice@example.com"}, nil
	}
	for range 3 {
		if got, err := c.get(t.Context(), "raw", read); err != nil || got.Name != "user:alice@example.com" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if reads != 2 {
		t.Errorf("%d reads, want the first, which was overtaken, and one more", reads)
	}
}

func TestMemory_ForgetsWhatAChangeNames(t *testing.T) {
	c := newMemory(dbtest.SQLite(t), time.Now)
	reads := 0
	get := func(raw secret.Text, name principal.Name) {
		t.Helper()
		_, err := c.get(t.Context(), raw, func(context.Context, secret.Text) (Caller, error) {
			reads++
			return Caller{Name: name}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all := func() int {
		before := reads
		get("a1", "user:a")
		get("a2", "user:a")
		get("b1", "user:b")
		return reads - before
	}
	if n := all(); n != 3 {
		t.Errorf("at first %d reads", n)
	}
	for _, step := range []struct {
		change db.Change
		want   int
	}{
		{db.Change{Topic: "binding", Key: "1:"}, 0},
		{db.Change{Topic: principal.Topic, Key: "user:nobody"}, 0},
		{db.Change{Topic: token.Topic, Key: token.Hash("a2")}, 1},
		{db.Change{Topic: principal.Topic, Key: "user:a"}, 2},
		{db.Change{}, 3},
	} {
		c.receive(step.change)
		if n := all(); n != step.want {
			t.Errorf("after %+v: %d reads, want %d", step.change, n, step.want)
		}
	}
}

// BenchmarkRemembered reports what a remembered token costs in memory, of a
// million of them.
func BenchmarkRemembered(b *testing.B) {
	const million = 1_000_000
	d := dbtest.SQLite(b)
	for range b.N {
		before := heapInUse()
		c := newMemory(d, time.Now)
		for n := range million {
			who := Caller{Name: principal.Name(fmt.Sprintf("user:person-%d@example.com", n)), Groups: []principal.Name{"group:engineers", "group:staff"}}
			c.keep(fmt.Sprintf("%064x", n), who, time.Now())
		}
		b.ReportMetric(float64(heapInUse()-before)/million, "B/token")
		runtime.KeepAlive(c)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
