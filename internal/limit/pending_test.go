package limit

import "testing"

func TestShare_FromThoseWhoHaveMost(t *testing.T) {
	for name, c := range map[string]struct {
		counts            map[string]int
		each, total, want int
	}{
		"nothing":              {nil, 10, 100, 10},
		"few":                  {map[string]int{"a": 3, "b": 4}, 10, 100, 10},
		"one has too many":     {map[string]int{"a": 50, "b": 4}, 10, 100, 10},
		"too many in all":      {map[string]int{"a": 9, "b": 9, "c": 2}, 10, 12, 5},
		"all have one":         {map[string]int{"a": 1, "b": 1, "c": 1}, 10, 2, 1},
		"exactly what may be":  {map[string]int{"a": 6, "b": 6}, 10, 12, 10},
		"one more than may be": {map[string]int{"a": 6, "b": 7}, 10, 12, 6},
	} {
		if got := share(c.counts, c.each, c.total); got != c.want {
			t.Errorf("%s: each keeps %d, want %d", name, got, c.want)
		}
	}
}
