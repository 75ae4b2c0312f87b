package fileset

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

// there are the keys of those entries that are.
func (r *rig) there(keys ...string) (all []string) {
	r.t.Helper()
	for _, k := range keys {
		_, err := r.Cached(r.t.Context(), k)
		if err == nil {
			all = append(all, k)
		} else {
			r.want(err, fault.NotFound, "cache entry "+k+" not found")
		}
	}
	return all
}

func TestCache_LastOfEachKey(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		first, second := r.set(text("/a", "1")), r.set(text("/b", "2"))
		r.must(r.Put(ctx, ada, Entry{Key: "k", Tag: "x", Value: []byte("one"), Sets: []string{first, first}}))
		r.must(r.Put(ctx, ada, Entry{Key: "k", Tag: "y", Value: []byte("two"), Sets: []string{second}}))
		r.must(r.Clear(ctx, "x"))
		if v, err := r.Cached(ctx, "k"); string(v) != "two" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		r.clock = r.clock.Add(TTL)
		_, err := r.View(ctx, ada, first)
		r.want(err, fault.NotFound, "no fileset found")
		r.has(r.view(second), map[string]string{"/b": "2"})
		r.want(r.Put(ctx, ada, Entry{Key: "k", Value: []byte("three"), Sets: []string{first}}), fault.NotFound, "no fileset found")
		if v, err := r.Cached(ctx, "k"); string(v) != "two" || err != nil {
			t.Errorf("after what was refused: %q, %v", v, err)
		}
	})
}

func TestCache_ForgetsWhatIsNotUsed(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.limit.entries = 3
		set := r.set(text("/a", "1"))
		for _, k := range []string{"a", "b", "c"} {
			r.clock = r.clock.Add(2 * useEvery)
			r.must(r.Put(ctx, ada, Entry{Key: k, Value: []byte(k), Sets: []string{set}}))
		}
		r.clock = r.clock.Add(2 * useEvery)
		r.there("a") // is used
		r.clock = r.clock.Add(2 * useEvery)
		r.must(r.Put(ctx, ada, Entry{Key: "d", Value: []byte("d")}))
		if got := r.there("a", "b", "c", "d"); !slices.Equal(got, []string{"a", "c", "d"}) {
			t.Errorf("there are %q", got)
		}
		r.limit.cached = 10
		r.clock = r.clock.Add(2 * useEvery)
		r.must(r.Put(ctx, ada, Entry{Key: "e", Value: []byte(strings.Repeat("e", 9))}))
		if got := r.there("a", "c", "d", "e"); len(got) != 2 || got[1] != "e" {
			t.Errorf("of those that are long, %q", got)
		}
	})
}

func TestCache_ClearsByTheBeginningOfTags(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		tags := []string{"", "job", "job-1", "jób-2", "Job", "jo%"}
		for n, tag := range tags {
			r.must(r.Put(ctx, ada, Entry{Key: fmt.Sprint(n), Tag: tag}))
		}
		keys := []string{"0", "1", "2", "3", "4", "5"}
		for _, c := range []struct {
			prefix string
			left   []string
		}{
			{"%", keys},
			{"job-", []string{"0", "1", "3", "4", "5"}},
			{"j\x00", []string{"0", "1", "3", "4", "5"}},
			{"jó", []string{"0", "1", "4", "5"}},
			{"jo", []string{"0", "4"}},
			{"", nil},
		} {
			r.must(r.Clear(ctx, c.prefix))
			if got := r.there(keys...); !slices.Equal(got, c.left) {
				t.Errorf("after %q: %q, wanted %q", c.prefix, got, c.left)
			}
		}
	})
}

func TestCache_Refused(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for text, e := range map[string]Entry{
			"without a key": {}, "or one that is 0": {Key: "a\x00"}, "the tag": {Key: "a", Tag: strings.Repeat("t", maxKey+1)},
			"1048577 bytes": {Key: "a", Value: make([]byte, MaxValue+1)}, "1001 file sets": {Key: "a", Sets: make([]string, maxKept+1)},
		} {
			r.want(r.Put(t.Context(), ada, e), fault.Invalid, text)
		}
		r.must(r.Put(t.Context(), ada, Entry{Key: "a", Value: make([]byte, MaxValue)}))
	})
}

// A key that many ask for is not written each time.
func TestCache_UseIsKnownToTheMinute(t *testing.T) {
	r := start(t, dbtest.SQLite(t))
	r.must(r.Put(t.Context(), ada, Entry{Key: "k"}))
	begun := r.clock
	for _, c := range []struct{ after, want time.Duration }{{useEvery - time.Second, 0}, {useEvery, useEvery}} {
		r.clock = begun.Add(c.after)
		r.there("k")
		var used time.Time
		r.must(r.db.View(t.Context(), func(tx *db.Tx) (err error) {
			_, used, err = entry(t.Context(), tx, "k")
			return err
		}))
		if got := used.Sub(begun); got != c.want {
			t.Errorf("asked after %s: used after %s", c.after, got)
		}
	}
}
