package inlist_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pachyderm/internal/db/inlist"
)

// Each key is named, and the lengths of lists are powers of two.
func TestEach_EveryKeyInFewLengths(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 100, 256, 257, 1000} {
		keys := make([]int, n)
		for i := range keys {
			keys[i] = i
		}
		var seen []int
		err := inlist.Each(keys, 2, func(k int) any { return k }, func(places string, args []any) error {
			if len(args)&(len(args)-1) != 0 || len(args) > 256 || strings.Count(places, "$") != len(args) || !strings.HasPrefix(places, "$2") {
				t.Errorf("%d keys: %d arguments for %.20s", n, len(args), places)
			}
			for _, a := range args {
				seen = append(seen, a.(int))
			}
			return nil
		})
		if seen = slices.Compact(seen); err != nil || !slices.Equal(seen, keys) {
			t.Errorf("%d keys: %d came, %v", n, len(seen), err)
		}
	}
}

func TestEach_EndsWithTheFirstError(t *testing.T) {
	wrong, calls := errors.New("wrong"), 0
	err := inlist.Each(make([]int, 1000), 1, func(k int) any { return k }, func(string, []any) error { calls++; return wrong })
	if !errors.Is(err, wrong) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
