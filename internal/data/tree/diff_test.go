package tree_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pachyderm/internal/data/tree"
	"pachyderm/internal/fault"
)

// state is what of an entry a change may show: all below, for a directory.
func (m model) state(r row) string {
	if !strings.HasSuffix(r.path, "/") {
		return fmt.Sprint(r.size, r.content)
	}
	var b strings.Builder
	for _, below := range m.below(r.path).rows()[1:] {
		fmt.Fprint(&b, below.path, below.datum, below.size, below.content, "\n")
	}
	return b.String()
}

// changes are what differs between two models, found by looking at everything.
func changes(before, after model, path string, shallow bool) []string {
	type key struct{ path, datum string }
	old, now := map[key]row{}, map[key]row{}
	var keys []key
	for _, r := range before.rows() {
		old[key{r.path, r.datum}] = r
		keys = append(keys, key{r.path, r.datum})
	}
	for _, r := range after.rows() {
		k := key{r.path, r.datum}
		now[k] = r
		if _, ok := old[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		if c := strings.Compare(a.path, b.path); c != 0 {
			return c
		}
		return strings.Compare(a.datum, b.datum)
	})
	var all []string
	for _, k := range keys {
		rest, below := strings.CutPrefix(k.path, strings.TrimSuffix(path, "/")+"/")
		if k.path == path {
			rest, below = "", true
		}
		if !below || shallow && strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
			continue
		}
		a, was := old[k]
		b, is := now[k]
		if was && is && before.state(a) == after.state(b) {
			continue
		}
		all = append(all, fmt.Sprint(k.path, " ", k.datum, " ", was, is, a, b))
	}
	return all
}

func differences(t testing.TB, nodes tree.Nodes, before, after tree.Root, path string, shallow bool) []string {
	t.Helper()
	var all []string
	for c, err := range tree.Diff(context.Background(), nodes, before, after, path, shallow) {
		if err != nil {
			if fault.Is(err, fault.NotFound) {
				continue
			}
			t.Fatal(err)
		}
		var a, b row
		if c.Old != nil {
			a = rowOf(*c.Old)
		}
		if c.New != nil {
			b = rowOf(*c.New)
		}
		e := c.Old
		if e == nil {
			e = c.New
		}
		all = append(all, fmt.Sprint(e.Path, " ", e.Datum, " ", c.Old != nil, c.New != nil, a, b))
	}
	return all
}

func TestDiff_AgainstBruteForce(t *testing.T) {
	for seed := range uint64(6) {
		nodes := newMemory()
		e := &edits{rnd: rand.New(rand.NewPCG(seed, 5)), model: model{}, names: names}
		for range 150 {
			e.add(nil)
		}
		before, root := e.model.clone(), apply(t, nodes, tree.Root{}, e.list...)
		for _, n := range []int{0, 1, 5, 100} {
			e.list = nil
			for range n {
				e.add(nil)
			}
			now := apply(t, nodes, root, e.list...)
			for _, path := range []string{"/", "/a", "/a/", "/a!/b", "/b/c/"} {
				for _, shallow := range []bool{false, true} {
					got, want := differences(t, nodes, root, now, path, shallow), changes(before, e.model, path, shallow)
					if !slices.Equal(got, want) {
						t.Fatalf("seed %d, %d edits, %s, shallow %v: got\n%s\nwant\n%s", seed, n, path, shallow,
							strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
				}
			}
			before, root = e.model.clone(), now
		}
	}
}

func TestDiff_OfWideDirectories(t *testing.T) {
	nodes, m := newMemory(), model{}
	for k := range 20000 {
		m.put(fmt.Sprintf("/%06d", k*3), "default", content(k, 1))
	}
	old := apply(t, nodes, tree.Root{}, m.edits()...)
	rnd := rand.New(rand.NewPCG(6, 6))
	for round := range 8 {
		var list []tree.Edit
		var want []string
		from, n := rnd.IntN(60000), 1+rnd.IntN(4000)
		for k := from; k < from+n; k++ {
			p := fmt.Sprintf("/%06d", k)
			_, was := m[p]
			switch {
			case was && round%2 == 0:
				list, want = append(list, tree.Delete(p, "")), append(want, p)
			case !was && round%3 == 0:
				list, want = append(list, tree.Put(p, "", content(k, 1))), append(want, p)
			}
		}
		now := apply(t, nodes, old, list...)
		for _, pair := range [][2]tree.Root{{old, now}, {now, old}} {
			var got []string
			for c, err := range tree.Diff(t.Context(), nodes, pair[0], pair[1], "/", false) {
				if err != nil {
					t.Fatal(err)
				}
				if c.Old != nil && c.New != nil {
					continue // the root
				}
				e := c.Old
				if e == nil {
					e = c.New
				}
				got = append(got, e.Path)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("round %d: %d changes, want %d", round, len(got), len(want))
			}
		}
	}
}

func TestDiff_ReadsWhatChanged(t *testing.T) {
	nodes, list := newMemory(), []tree.Edit{}
	for k := range 100000 {
		list = append(list, tree.Put(fmt.Sprintf("/%07d", k), "", content(k, 1)))
	}
	old := apply(t, nodes, tree.Root{}, list...)
	levels := depth(t, nodes, old)
	var few []tree.Edit
	for k := range 10 {
		few = append(few, tree.Put(fmt.Sprintf("/%07d", k*9999+3), "", content(k+500000, 1)))
	}
	now := apply(t, nodes, old, few...)
	nodes.gets = 0
	if got := differences(t, nodes, old, now, "/", false); len(got) != 11 {
		t.Fatalf("%d changes", len(got))
	}
	// Both trees' nodes on the way to each change: the files were only replaced, so no
	// node ends elsewhere.
	if most := 2 * 10 * levels; nodes.gets > most {
		t.Errorf("%d nodes read, want at most %d", nodes.gets, most)
	}
}

func TestDiff_OfWhatIsNotThere(t *testing.T) {
	nodes := newMemory()
	root := apply(t, nodes, tree.Root{}, tree.Put("/a", "", content(1, 1)))
	for _, err := range tree.Diff(t.Context(), nodes, root, root, "/b", false) {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v", err)
		}
		return
	}
	t.Error("no answer")
}

// depth is how many levels the root directory has.
func depth(t testing.TB, nodes *memory, root tree.Root) int {
	t.Helper()
	levels := 1
	for id := root.Node; nodes.nodes[id][1] == 2; levels++ { // an inner node
		below, _, err := tree.References(nodes.nodes[id])
		if err != nil {
			t.Fatal(err)
		}
		id = below[0]
	}
	return levels
}
