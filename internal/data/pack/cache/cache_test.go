package cache_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pachyderm/internal/data/pack/cache"
)

// reads gets what has a key, of so many bytes, and says whether that was read anew.
func reads(t *testing.T, c *cache.Cache[string], key string, size int) (anew bool) {
	t.Helper()
	got, err := c.Get(t.Context(), key, func() ([]byte, error) {
		anew = true
		if size == 0 {
			return nil, nil
		}
		return make([]byte, size), nil
	})
	if err != nil || len(got) != size {
		t.Errorf("%s: %d bytes, %v", key, len(got), err)
	}
	return anew
}

func TestCache_KeepsTheLatest(t *testing.T) {
	c := cache.New[string](100)
	for _, step := range []struct {
		key  string
		size int
		anew bool
	}{
		{"a", 40, true},
		{"b", 40, true},
		{"a", 40, false},
		{"c", 40, true}, // b was longest ago
		{"a", 40, false},
		{"c", 40, false},
		{"b", 40, true},
		{"a", 40, true},
		{"huge", 101, true},
		{"huge", 101, true},
		{"a", 40, false},
		{"empty", 0, true},
		{"empty", 0, false},
		{"whole", 100, true},
		{"a", 40, true},
	} {
		if anew := reads(t, c, step.key, step.size); anew != step.anew {
			t.Errorf("%+v: read anew: %v", step, anew)
		}
	}
}

func TestCache_FailuresAreNotKept(t *testing.T) {
	c := cache.New[string](100)
	failed := errors.New("failed")
	if _, err := c.Get(t.Context(), "a", func() ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	if !reads(t, c, "a", 1) {
		t.Error("it was there")
	}
}

func TestCache_WhatIsAddedIsThere(t *testing.T) {
	c := cache.New[string](100)
	reads(t, c, "a", 10)
	if got := c.Missing([]string{"a", "b", "c"}); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("missing are %v", got)
	}
	c.Add("b", make([]byte, 20))
	c.Add("a", make([]byte, 99)) // it stays as it was
	c.Add("large", make([]byte, 101))
	if got := c.Missing([]string{"a", "b", "c", "large"}); !slices.Equal(got, []string{"c", "large"}) {
		t.Errorf("then missing are %v", got)
	}
	if reads(t, c, "b", 20) || reads(t, c, "a", 10) {
		t.Error("what was there was read")
	}
	c.Add("c", make([]byte, 80)) // no room for all: b was read before a
	if !reads(t, c, "b", 20) {
		t.Error("more is kept than may be")
	}
}

// Whoever waits for another does not fail with them, and need not wait.
func TestCache_WaitsForOneReader(t *testing.T) {
	c := cache.New[string](100)
	begun, end, failed := make(chan struct{}), make(chan struct{}), errors.New("failed")
	first := make(chan error)
	go func() {
		_, err := c.Get(t.Context(), "a", func() ([]byte, error) {
			close(begun)
			<-end
			return nil, failed
		})
		first <- err
	}()
	<-begun
	if c.Missing([]string{"a"}) != nil {
		t.Error("what is being read is to be read once more")
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := c.Get(ctx, "a", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("who does not wait: %v", err)
	}
	second := make(chan bool)
	go func() { second <- reads(t, c, "a", 1) }()
	close(end)
	if err := <-first; !errors.Is(err, failed) {
		t.Error(err)
	}
	if !<-second {
		t.Error("the second has something that nobody has read")
	}
}
