package check_test

import (
	"context"
	"crypto/rand"
	"testing"

	"pachyderm/internal/data/check"
	"pachyderm/internal/data/graph"
)

func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return string(b)
}

func (r *rig) usage() check.Usage {
	r.t.Helper()
	u, err := check.New(r.db, r.packs()).Usage(r.t.Context())
	r.must(err)
	return u
}

// What a deleted commit alone held is not needed any more, and what others hold as well is.
func TestUsage_CountsWhatNothingNames(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		before := r.usage()
		if before.Unreferenced != 0 || before.Live != before.Sealed || before.Live == 0 {
			t.Fatalf("at the beginning: %+v", before)
		}
		r.set()
		if with := r.usage(); with.Live <= before.Live || with.Unreferenced != 0 {
			t.Errorf("a file set is not counted: %+v after %+v", with, before)
		}
		before = r.usage()
		const small, large = 100_000, 3_000_000
		shared := noise(large)
		r.put("other", "/large", shared)
		r.put("images", "/also", shared) // stored once
		one := r.usage()
		if grown := one.Live - before.Live; grown < large || grown > large+50_000 || one.Unreferenced != 0 {
			t.Errorf("3 MB that two commits hold: %+v after %+v", one, before)
		}
		r.put("other", "/small", noise(small))
		two := r.usage()
		r.change(func(ctx context.Context, c *graph.Change) error { return c.DeleteRepo(ctx, repo("other"), true) })
		after := r.usage()
		if lost := two.Live - after.Live; lost < small || lost > small+50_000 || after.Unreferenced != lost {
			t.Errorf("without the repository: %+v after %+v", after, two)
		}
		if after.Kept != two.Kept || after.Packs != two.Packs || after.Blobs != two.Blobs {
			t.Errorf("the store: %+v after %+v", after, two)
		}
	})
}
