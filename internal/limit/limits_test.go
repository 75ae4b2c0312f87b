package limit_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"pachyderm/internal/fault"
	"pachyderm/internal/limit"
)

// clock is one that a test puts forward.
type clock struct{ now time.Time }

func newLimits(perMinute int) (*limit.Limits, *clock, *bytes.Buffer) {
	c, log := &clock{time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)}, &bytes.Buffer{}
	return limit.New(limit.Config{
		SignInsPerMinute: perMinute, Log: slog.New(slog.NewTextHandler(log, nil)), Now: func() time.Time { return c.now },
	}), c, log
}

func TestAdmit_BurstThenRate(t *testing.T) {
	l, c, log := newLimits(60)
	for n := range 60 {
		if err := l.Admit(limit.SignIns, "a", "", 1); err != nil {
			t.Fatalf("number %d: %v", n, err)
		}
	}
	err := l.Admit(limit.SignIns, "a", "", 1)
	if !fault.Is(err, fault.Exhausted) || fault.RetryAfter(err) != time.Second {
		t.Errorf("one too many: %v, again in %v", err, fault.RetryAfter(err))
	}
	if err := l.Admit(limit.SignIns, "b", "", 1); err != nil {
		t.Errorf("another network: %v", err)
	}
	if err := l.Admit(limit.Tokens, "a", "", 1); err != nil {
		t.Errorf("another kind: %v", err)
	}
	c.now = c.now.Add(time.Second)
	if err := l.Admit(limit.SignIns, "a", "", 1); err != nil {
		t.Errorf("a second later: %v", err)
	}
	for range 10 {
		if err := l.Admit(limit.SignIns, "a", "", 1); err == nil {
			t.Error("refusals gave a place back")
		}
	}
	if got := testutil.ToFloat64(l.Refused.WithLabelValues(string(limit.SignIns))); got != 11 {
		t.Errorf("%v refusals are counted, want 11", got)
	}
	if got := strings.Count(log.String(), "a limit is reached"); got != 1 {
		t.Errorf("the log has %d lines of it:\n%s", got, log)
	}
}

func TestAdmit_ClientHalfOfItsNetwork(t *testing.T) {
	l, _, _ := newLimits(60)
	tried := func(client string) (n int) {
		for l.Admit(limit.DeviceCodes, "a", client, 1) == nil {
			n++
		}
		return n
	}
	if n := tried("one"); n != 30 {
		t.Errorf("one client: %d times, want 30", n)
	}
	if n := tried("another"); n == 0 || n > 30 {
		t.Errorf("another client: %d times", n)
	}
	if err := l.Admit(limit.DeviceCodes, "b", "one", 1); err != nil {
		t.Errorf("the client in another network: %v", err)
	}
}

func TestAdmit_TablesAreBounded(t *testing.T) {
	l, _, _ := newLimits(1)
	if err := l.Admit(limit.SignIns, "first", "", 1); err != nil {
		t.Fatal(err)
	}
	for n := range limit.MaxKeys {
		_ = l.Admit(limit.SignIns, fmt.Sprint(n), "", 1)
	}
	if got := l.Keys(limit.SignIns); got != limit.MaxKeys {
		t.Errorf("%d networks are remembered, want %d", got, limit.MaxKeys)
	}
	if err := l.Admit(limit.SignIns, fmt.Sprint(limit.MaxKeys-1), "", 1); err == nil {
		t.Error("the network that was there last is forgotten")
	}
}

func TestPlaces_EachNetworkAndTotal(t *testing.T) {
	l, _, _ := newLimits(60)
	p := l.Wait
	p.Each, p.Network, p.Total = 2, 3, 4
	take := func(thing, network string) func() {
		t.Helper()
		leave, err := p.Take(thing, network)
		if err != nil {
			t.Fatalf("%s from %s: %v", thing, network, err)
		}
		return leave
	}
	refused := func(thing, network string) {
		t.Helper()
		if _, err := p.Take(thing, network); !fault.Is(err, fault.Exhausted) || fault.RetryAfter(err) == 0 {
			t.Errorf("%s from %s: %v", thing, network, err)
		}
	}
	first := take("x", "a")
	take("x", "a")
	refused("x", "b")
	second := take("y", "a")
	refused("z", "a")
	take("z", "b")
	refused("w", "c")
	first()
	take("x", "c")
	refused("v", "d")
	second()
	take("v", "d")
}

func TestPlaces_AllAreGivenBack(t *testing.T) {
	l, _, _ := newLimits(60)
	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() {
			if leave, err := l.Wait.Take(fmt.Sprint(n%20), fmt.Sprint(n%3)); err == nil {
				leave()
			}
		})
	}
	all.Wait()
	if n := l.Wait.Remembered(); n != 0 {
		t.Errorf("%d are left behind", n)
	}
}
