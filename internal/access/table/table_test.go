package table

import (
	"fmt"
	"hash/maphash"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A name that has the hash of another must not get its roles.
func TestTable_HashCollision(t *testing.T) {
	seed := maphash.MakeSeed()
	names := New(seed, []Entry[int]{{"a", 1}, {"b", 2}})
	if got := names.Find(maphash.String(seed, "a"), "b"); got != nil {
		t.Errorf("b was found under the hash of a: %d", *got)
	}
	if got := names.Find(maphash.String(seed, "a"), "a"); got == nil || *got != 1 {
		t.Errorf("a: %v", got)
	}
}

func TestTable_AgreesWithMap(t *testing.T) {
	seed := maphash.MakeSeed()
	var names Table[int]
	want := map[string]int{}
	name := func(i int) string { return fmt.Sprintf("name-%d", i%700) }
	for i := range 2000 {
		if i%3 == 2 {
			names = names.without(seed, name(i*7))
			delete(want, name(i*7))
			continue
		}
		names = names.with(seed, name(i), i)
		want[name(i)] = i
	}
	got := map[string]int{}
	for i := range 700 {
		if v := names.Find(maphash.String(seed, name(i)), name(i)); v != nil {
			got[name(i)] = *v
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-map +table):\n%s", diff)
	}
	if len(want) < 100 || len(want) == 700 || len(names.Entries()) != len(want) {
		t.Errorf("%d names in the map and %d in the table", len(want), len(names.Entries()))
	}
	for i := range 700 {
		names = names.without(seed, name(i))
	}
	if names.Find(maphash.String(seed, name(1)), name(1)) != nil || len(names.Entries()) != 0 {
		t.Error("the emptied table holds something")
	}
}
