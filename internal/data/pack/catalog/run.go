package catalog

import (
	"cmp"
	"iter"
	"slices"

	"pachyderm/internal/data/pack/format"
)

const (
	// mostRun is how many bytes of a pack are read at once, and mostGap how many between
	// two blobs that nobody has asked for.
	mostRun = 4 << 20
	mostGap = 32 << 10
)

// Runs are blobs that lie together in packs, in the order in which they do. What no pack
// can have is left out.
func Runs(all map[format.ID]Found) iter.Seq[[]Found] {
	list := make([]Found, 0, len(all))
	for _, f := range all {
		if f.Off >= 0 && f.Len >= 0 { // or the row is damaged
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b Found) int { return cmp.Or(cmp.Compare(a.Pack, b.Pack), cmp.Compare(a.Off, b.Off)) })
	return func(yield func([]Found) bool) {
		for rest := list; len(rest) > 0; {
			n := run(rest)
			if !yield(rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// run is how many of the first blobs lie together.
func run(list []Found) int {
	for n := 1; n < len(list); n++ {
		before, f := list[n-1], list[n]
		if gap := f.Off - before.Off - before.Len; f.Pack != before.Pack || gap < 0 || gap > mostGap || f.Off+f.Len-list[0].Off > mostRun {
			return n
		}
	}
	return len(list)
}
