package tree_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pachyderm/internal/data/tree"
	"pachyderm/internal/fault"
)

// memory keeps nodes, and counts.
type memory struct {
	nodes      map[tree.ID][]byte
	gets, puts int
	longest    int
}

func newMemory() *memory { return &memory{nodes: map[tree.ID][]byte{}} }

func (m *memory) Get(_ context.Context, id tree.ID) ([]byte, error) {
	m.gets++
	data, ok := m.nodes[id]
	if !ok {
		return nil, errors.New("no such node")
	}
	return data, nil
}

func (m *memory) Put(_ context.Context, data []byte) (tree.ID, error) {
	m.puts++
	m.longest = max(m.longest, len(data))
	id := tree.ID(sha256.Sum256(data))
	m.nodes[id] = slices.Clone(data)
	return id, nil
}

func (m *memory) Sum(data []byte) [32]byte { return sha256.Sum256(data) }

// content makes one that is told apart by n, in so many extents.
func content(n, extents int) tree.Content {
	var c tree.Content
	binary.BigEndian.PutUint64(c.Hash[:], uint64(n)+1)
	for k := range extents {
		e := tree.Extent{Blob: tree.ID{1, byte(k), byte(k >> 8), byte(n)}, Offset: int64(k), Length: int64(n%100 + 1)}
		c.Extents = append(c.Extents, e)
		c.Size += e.Length
	}
	return c
}

// model is the files by path and datum: what a tree should hold.
type model map[string]map[string]tree.Content

func (m model) clone() model {
	c := model{}
	for p, d := range m {
		c[p] = maps.Clone(d)
	}
	return c
}

func (m model) put(path, datum string, c tree.Content) {
	if m[path] == nil {
		m[path] = map[string]tree.Content{}
	}
	m[path][datum] = c
}

func (m model) remove(path, datum string) {
	delete(m[path], datum)
	if datum == "" || len(m[path]) == 0 {
		delete(m, path)
	}
}

func (m model) removeTree(dir string) {
	for p := range m {
		if strings.HasPrefix(p, dir) {
			delete(m, p)
		}
	}
}

// below is what is in a directory, by paths from there.
func (m model) below(dir string) model {
	b := model{}
	for p, d := range m {
		if rest, ok := strings.CutPrefix(p, dir); ok {
			b["/"+rest] = maps.Clone(d)
		}
	}
	return b
}

// row is an entry as the model knows it.
type row struct {
	path, datum string
	size, files int64
	conflicts   int64 // of a directory
	content     tree.Hash
}

// rows are all entries in order, the root's first.
func (m model) rows() []row {
	dirs := map[string]*row{"/": {path: "/"}}
	var all []row
	for p, datums := range m {
		n := int64(len(datums))
		up := func(f func(d *row)) {
			for k := range len(p) {
				if p[k] != '/' {
					continue
				}
				d := dirs[p[:k+1]]
				if d == nil {
					d = &row{path: p[:k+1]}
					dirs[p[:k+1]] = d
				}
				f(d)
			}
		}
		up(func(d *row) { d.conflicts += n - 1 })
		for datum, c := range datums {
			all = append(all, row{path: p, datum: datum, size: c.Size, files: 1, content: c.Hash})
			up(func(d *row) { d.size, d.files = d.size+c.Size, d.files+1 })
		}
	}
	for p := range dirs {
		file := strings.TrimSuffix(p, "/")
		if _, ok := m[file]; !ok {
			continue
		}
		for k := range len(file) {
			if file[k] == '/' {
				dirs[file[:k+1]].conflicts++
			}
		}
	}
	for _, d := range dirs {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b row) int {
		if c := strings.Compare(a.path, b.path); c != 0 {
			return c
		}
		return strings.Compare(a.datum, b.datum)
	})
	return all
}

func rowOf(e tree.Entry) row {
	r := row{path: e.Path, datum: e.Datum, size: e.Size, files: e.Files}
	if e.Dir {
		r.conflicts = e.Root.Conflicts
	} else {
		r.content = e.Hash
	}
	return r
}

// edits makes changes in a tree and a model alike.
type edits struct {
	rnd   *rand.Rand
	model model
	list  []tree.Edit
	names []string
	next  int
}

var names = []string{"a", "a!", "a!b", "a-", "a0", "ab", "b", "b.", "c", "~"}

func (e *edits) path(deepest int) string {
	var b strings.Builder
	for range 1 + e.rnd.IntN(deepest) {
		b.WriteString("/" + e.names[e.rnd.IntN(len(e.names))])
	}
	return b.String()
}

func (e *edits) add(grafts []graft) {
	p := e.path(4)
	datum := []string{"default", "default", "default", "d1", "zz"}[e.rnd.IntN(5)]
	switch e.rnd.IntN(20) {
	case 0, 1:
		e.list = append(e.list, tree.Delete(p, ""))
		e.model.remove(p, "")
	case 2, 3, 4:
		e.list = append(e.list, tree.Delete(p, datum))
		e.model.remove(p, datum)
	case 5:
		e.list = append(e.list, tree.DeleteTree(p))
		e.model.removeTree(p + "/")
	case 6:
		if len(grafts) == 0 {
			return
		}
		g := grafts[e.rnd.IntN(len(grafts))]
		e.list = append(e.list, tree.Graft(p+"/", g.root))
		e.model.removeTree(p + "/")
		for rest, d := range g.model {
			e.model[p+rest] = maps.Clone(d)
		}
	default:
		e.next++
		c := content(e.next, []int{0, 1, 1, 1, 2, 3}[e.rnd.IntN(6)])
		put := tree.Put
		if e.rnd.IntN(3) == 0 {
			put = tree.PutAlone
			e.model.remove(p, "")
		}
		e.list = append(e.list, put(p, strings.TrimPrefix(datum, "default"), c))
		e.model.put(p, datum, c)
	}
}

type graft struct {
	root  tree.Root
	model model
}

func apply(t testing.TB, nodes tree.Nodes, root tree.Root, list ...tree.Edit) tree.Root {
	t.Helper()
	root, err := tree.Apply(context.Background(), nodes, root, list)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func collect(t testing.TB, seq func(func(tree.Entry, error) bool)) []row {
	t.Helper()
	var all []row
	for e, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rowOf(e))
	}
	return all
}

func same(t testing.TB, what string, got, want []row) {
	t.Helper()
	for k := range max(len(got), len(want)) {
		if k >= len(got) || k >= len(want) || got[k] != want[k] {
			t.Fatalf("%s: %d entries, want %d; from %d on\n%+v, want\n%+v", what, len(got), len(want), k,
				got[min(k, len(got)):min(k+3, len(got))], want[min(k, len(want)):min(k+3, len(want))])
		}
	}
}

// holds checks a tree against a model.
func holds(t testing.TB, nodes tree.Nodes, root tree.Root, m model) {
	t.Helper()
	want := m.rows()
	same(t, "walk", collect(t, tree.Walk(t.Context(), nodes, root, "/", tree.Page{})), want)
	if root.Size != want[0].size || root.Files != want[0].files || root.Conflicts != want[0].conflicts {
		t.Fatalf("root is %+v, want %+v", root, want[0])
	}
	longest := 0
	for p := range m {
		longest = max(longest, len(p)-1)
	}
	if root.Longest != int64(longest) {
		t.Fatalf("longest path is %d, want %d", root.Longest, longest)
	}
	if err := tree.Check(t.Context(), nodes, root); err != nil {
		t.Fatal(err)
	}
	backward := collect(t, tree.Walk(t.Context(), nodes, root, "", tree.Page{Reverse: true}))
	slices.Reverse(backward)
	same(t, "walk backward", backward, want)
}

// lookups checks Lookup and List of all paths.
func lookups(t testing.TB, nodes tree.Nodes, root tree.Root, m model) {
	t.Helper()
	at, in := map[string][]row{}, map[string][]row{}
	for _, r := range m.rows() {
		p := strings.TrimSuffix(r.path, "/")
		at[p] = append(at[p], r)
		if p != "" {
			dir := p[:strings.LastIndexByte(p, '/')+1]
			in[dir] = append(in[dir], r)
		}
	}
	for p, want := range at {
		got, err := tree.Lookup(t.Context(), nodes, root, p)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "lookup of "+p, collect(t, func(yield func(tree.Entry, error) bool) {
			for _, e := range got {
				if !yield(e, nil) {
					return
				}
			}
		}), want)
		if got, err := tree.Lookup(t.Context(), nodes, root, p+"x"); err != nil || len(got) != len(at[p+"x"]) {
			t.Fatalf("%sx: %v, %v", p, got, err)
		}
	}
	for dir, want := range in {
		same(t, "list of "+dir, collect(t, tree.List(t.Context(), nodes, root, dir, tree.Page{})), want)
	}
}

func TestApply_AgainstMap(t *testing.T) {
	for seed := range uint64(6) {
		nodes := newMemory()
		e := &edits{rnd: rand.New(rand.NewPCG(seed, 1)), model: model{}, names: names}
		if seed%3 == 2 {
			e.names = nil
			for k := range 60 {
				e.names = append(e.names, fmt.Sprintf("n%d", k))
			}
		}
		var root tree.Root
		var grafts []graft
		for round := range 40 {
			e.list = nil
			if len(e.model) > 300 {
				dir := e.path(1)
				e.list = append(e.list, tree.DeleteTree(dir))
				e.model.removeTree(dir + "/")
			}
			for range 1 + e.rnd.IntN(1+e.rnd.IntN(200)) {
				e.add(grafts)
			}
			root = apply(t, nodes, root, e.list...)
			holds(t, nodes, root, e.model)
			if round == 35 && len(e.model) > 0 {
				finds(t, nodes, root, e.model, e.rnd)
			}
			if round%10 == 0 {
				lookups(t, nodes, root, e.model)
				dir := e.path(1)
				found, err := tree.Lookup(t.Context(), nodes, root, dir+"/")
				if err != nil {
					t.Fatal(err)
				}
				g := graft{model: e.model.below(dir + "/")}
				if len(found) > 0 {
					g.root = found[0].Root
				}
				if len(g.model) < 50 {
					grafts = append(grafts, g)
				}
			}
		}
	}
}

// wide is a model with one directory of n files, and some below.
func wide(n int) model {
	m := model{}
	for k := range n {
		m.put(fmt.Sprintf("/file-%07d", k*7), "default", content(k, 1))
		if k%50 == 0 {
			m.put(fmt.Sprintf("/file-%07d", k*7), "other", content(k+5, 3))
			m.put(fmt.Sprintf("/file-%07d/below", k*7), "default", content(k, 2))
		}
	}
	return m
}

func (m model) edits() []tree.Edit {
	var list []tree.Edit
	for p, datums := range m {
		for d, c := range datums {
			list = append(list, tree.Put(p, d, c))
		}
	}
	return list
}

// finds asks one Finder for what is there and what is not, from near to far.
func finds(t *testing.T, nodes tree.Nodes, root tree.Root, m model, rnd *rand.Rand) {
	t.Helper()
	paths := slices.Sorted(maps.Keys(m))
	f := tree.NewFinder(t.Context(), nodes, root)
	for range 5000 {
		at := rnd.IntN(len(paths))
		for _, path := range paths[at:min(len(paths), at+rnd.IntN(4))] {
			for _, p := range []string{path, path + "!", path + "/x", path + "/below"} {
				for _, datum := range []string{"default", "other"} {
					c, alone, err := f.File(p, datum)
					want, there := m[p][datum]
					if err != nil || (c != nil) != there || there && (c.Hash != want.Hash || c.Size != want.Size || !slices.Equal(c.Extents, want.Extents)) {
						t.Fatalf("%s of %s: %v, %v, wanted %v", p, datum, c, err, want)
					}
					if others := len(m[p]) - map[bool]int{true: 1}[there]; alone != (others == 0) {
						t.Fatalf("%s of %s: alone is %v beside %d", p, datum, alone, others)
					}
				}
			}
		}
	}
}

func TestApply_WideDirectory(t *testing.T) {
	nodes, m := newMemory(), wide(10000)
	root := apply(t, nodes, tree.Root{}, m.edits()...)
	holds(t, nodes, root, m)
	rnd := rand.New(rand.NewPCG(2, 2))
	for round := range 8 {
		var list []tree.Edit
		from, n := rnd.IntN(70000), rnd.IntN(1+rnd.IntN(10000))
		for k := range n {
			p := fmt.Sprintf("/file-%07d", from+k)
			if round%2 == 0 {
				list = append(list, tree.Delete(p, ""))
				m.remove(p, "")
			} else if k%5 == 0 {
				list = append(list, tree.Put(p, "", content(k, 1)))
				m.put(p, "default", content(k, 1))
			}
		}
		rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		root = apply(t, nodes, root, list...)
		holds(t, nodes, root, m)
	}
	finds(t, nodes, root, m, rnd)
	var none []tree.Edit
	for p := range m {
		none = append(none, tree.Delete(p, ""))
	}
	if root = apply(t, nodes, root, none...); root != (tree.Root{}) {
		t.Fatalf("root of nothing is %+v", root)
	}
}

func TestTree_SameRootInAnyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	e := &edits{rnd: rnd, model: wide(6000), names: names, next: 1 << 20}
	for range 500 {
		e.add(nil)
	}
	m := e.model
	nodes := newMemory()
	want := apply(t, nodes, tree.Root{}, m.edits()...)
	holds(t, nodes, want, m)
	for round := range 8 {
		list, root := m.edits(), tree.Root{}
		rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if round%2 == 0 { // by way of other files
			var detour []tree.Edit
			for k := range 5000 {
				p := fmt.Sprintf("/file-%07d/more/%d", rnd.IntN(70000), k)
				root = apply(t, nodes, root, tree.Put(p, "", content(k, 1)))
				detour = append(detour, tree.Delete(p, ""))
				if k == 300 {
					break
				}
			}
			half := len(list) / 2
			root = apply(t, nodes, root, list[:half]...)
			root = apply(t, nodes, root, detour...)
			list = list[half:]
		}
		for len(list) > 0 {
			n := min(len(list), 1+rnd.IntN(3000))
			root = apply(t, nodes, root, list[:n]...)
			list = list[n:]
		}
		if root != want {
			t.Fatalf("round %d: root is\n%+v, want\n%+v", round, root, want)
		}
	}
}

func TestTree_HashNotOfExtents(t *testing.T) {
	nodes, m := newMemory(), wide(3000)
	other := m.clone()
	for p, datums := range other {
		for d, c := range datums {
			moved := tree.Content{Size: c.Size, Hash: c.Hash}
			for k := range c.Size {
				moved.Extents = append(moved.Extents, tree.Extent{Blob: tree.ID{9}, Offset: 1<<40 + k, Length: 1})
			}
			other.put(p, d, moved)
		}
	}
	a, b := apply(t, nodes, tree.Root{}, m.edits()...), apply(t, nodes, tree.Root{}, other.edits()...)
	if a.Hash != b.Hash || a.Node == b.Node {
		t.Fatalf("hashes %x and %x, nodes %x and %x", a.Hash, b.Hash, a.Node, b.Node)
	}
	changed := apply(t, nodes, b, tree.Put("/file-0000007", "", content(77, 1)))
	if changed.Hash == a.Hash {
		t.Fatal("another file, and the same hash")
	}
}

func TestWalk_ResumedAtEveryPoint(t *testing.T) {
	e := &edits{rnd: rand.New(rand.NewPCG(4, 4)), model: model{}, names: names}
	for range 400 {
		e.add(nil)
	}
	nodes := newMemory()
	root := apply(t, nodes, tree.Root{}, e.list...)
	all := e.model.rows()
	backward := slices.Clone(all)
	slices.Reverse(backward)
	for k, r := range all {
		forward := tree.Page{After: r.path, AfterDatum: r.datum}
		same(t, fmt.Sprintf("after %+v", forward), collect(t, tree.Walk(t.Context(), nodes, root, "/", forward)), all[k+1:])
		back := tree.Page{After: r.path, AfterDatum: r.datum, Reverse: true}
		same(t, fmt.Sprintf("before %+v", back), collect(t, tree.Walk(t.Context(), nodes, root, "/", back)), backward[len(all)-k:])
	}
	// Paths that are not there, ranges, whole paths, and lists.
	places := []string{"", "/", "/a", "/a/", "/a!", "/a/a", "/a/zz/y", "/zzz", "/b.", "/b/c/a!b", "/b/c/", "0", "~"}
	for range 300 {
		p := tree.Page{
			After: places[e.rnd.IntN(len(places))], Lower: places[e.rnd.IntN(len(places))], Upper: places[e.rnd.IntN(len(places))],
			Reverse: e.rnd.IntN(2) == 0,
		}
		dir := []string{"/", "/a/", "/b/c/"}[e.rnd.IntN(3)]
		var walked, listed []row
		for _, r := range all {
			in := r.path >= p.Lower && (p.Upper == "" || r.path < p.Upper) &&
				(p.After == "" || !p.Reverse && r.path > p.After || p.Reverse && r.path < p.After)
			rest, below := strings.CutPrefix(r.path, dir)
			if !in || !below {
				continue
			}
			walked = append(walked, r)
			if rest != "" && !strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
				listed = append(listed, r)
			}
		}
		if p.Reverse {
			slices.Reverse(walked)
			slices.Reverse(listed)
		}
		same(t, fmt.Sprintf("walk %s %+v", dir, p), collect(t, tree.Walk(t.Context(), nodes, root, dir, p)), walked)
		same(t, fmt.Sprintf("list %s %+v", dir, p), collect(t, tree.List(t.Context(), nodes, root, dir, p)), listed)
	}
}

func TestWalk_OfWhatIsNotThere(t *testing.T) {
	nodes := newMemory()
	root := apply(t, nodes, tree.Root{}, tree.Put("/a/b", "", content(1, 1)))
	for name, seq := range map[string]func(func(tree.Entry, error) bool){
		"walk":           tree.Walk(t.Context(), nodes, root, "/b", tree.Page{}),
		"walk in a file": tree.Walk(t.Context(), nodes, root, "/a/b/c", tree.Page{}),
		"file as a dir":  tree.Walk(t.Context(), nodes, root, "/a/b/", tree.Page{}),
		"list":           tree.List(t.Context(), nodes, root, "/b", tree.Page{}),
		"list of a file": tree.List(t.Context(), nodes, root, "/a/b", tree.Page{}),
	} {
		n := 0
		for e, err := range seq {
			n++
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d answers", name, n)
		}
	}
	if got := collect(t, tree.Walk(t.Context(), nodes, tree.Root{}, "/", tree.Page{})); len(got) != 1 || got[0].path != "/" {
		t.Errorf("walk of nothing: %+v", got)
	}
	if got := collect(t, tree.List(t.Context(), nodes, tree.Root{}, "/", tree.Page{})); len(got) != 0 {
		t.Errorf("list of nothing: %+v", got)
	}
}

func TestWalk_StopsWhenTold(t *testing.T) {
	nodes, m := newMemory(), wide(20000)
	root := apply(t, nodes, tree.Root{}, m.edits()...)
	for _, p := range []tree.Page{{}, {Reverse: true}, {After: "/file-0070007"}} {
		nodes.gets = 0
		n := 0
		for _, err := range tree.Walk(t.Context(), nodes, root, "/", p) {
			if n++; err != nil {
				t.Fatal(err)
			}
			if n == 10 {
				break
			}
		}
		// Three levels, another leaf, and a node for each directory on the way.
		if n != 10 || nodes.gets > 4+10 {
			t.Errorf("%+v: %d entries from %d nodes", p, n, nodes.gets)
		}
	}
}

// inAdvance are nodes that note what is asked for in advance.
type inAdvance struct {
	*memory
	times int
	asked map[tree.ID]int
}

func (m *inAdvance) Ahead(_ context.Context, ids []tree.ID) {
	m.times++
	for _, id := range ids {
		m.asked[id]++
	}
}

// Whoever goes through a directory has its nodes read many at a time, each once; whoever
// looks something up, or reads the beginning, has none.
func TestList_ReadsNodesAhead(t *testing.T) {
	nodes := &inAdvance{memory: newMemory(), asked: map[tree.ID]int{}}
	root := apply(t, nodes, tree.Root{}, wide(20_000).edits()...)
	nodes.times, nodes.gets = 0, 0
	if _, err := tree.Lookup(t.Context(), nodes, root, "/file-0000070"); err != nil {
		t.Fatal(err)
	}
	for e, err := range tree.List(t.Context(), nodes, root, "/", tree.Page{}) {
		if err != nil || e.Path > "/file-0000070" {
			break
		}
	}
	if nodes.times != 0 {
		t.Errorf("nodes were read %d times ahead for one file, and for ten", nodes.times)
	}
	nodes.gets = 0
	collect(t, tree.List(t.Context(), nodes, root, "/", tree.Page{}))
	for id, times := range nodes.asked {
		if nodes.nodes[id] == nil || times != 1 {
			t.Errorf("node %v was asked for %d times", id, times)
		}
	}
	if alone := nodes.gets - len(nodes.asked); nodes.gets < 100 || alone > nodes.gets/10 || nodes.times > nodes.gets/10 {
		t.Errorf("of %d nodes %d were read ahead, %d times", nodes.gets, len(nodes.asked), nodes.times)
	}
}

func TestWalk_ReadsTheRangeOnly(t *testing.T) {
	nodes, list := newMemory(), []tree.Edit{}
	for k := range 3000 {
		list = append(list, tree.Put(fmt.Sprintf("/d%04d/f", k), "", content(k, 1)))
	}
	root := apply(t, nodes, tree.Root{}, list...)
	levels := depth(t, nodes, root)
	for _, p := range []tree.Page{
		{Lower: "/d1500/", Upper: "/d1502/"},
		{Lower: "/d1500/", Upper: "/d1502/", Reverse: true},
		{After: "/d1499/f", Upper: "/d1502/"},
		{After: "/d1502/", Lower: "/d1500/", Reverse: true},
	} {
		nodes.gets = 0
		got := collect(t, tree.Walk(t.Context(), nodes, root, "/", p))
		if len(got) != 4 {
			t.Errorf("%+v: %d entries", p, len(got))
		}
		// The way down, one more leaf where the range meets its end with the node above it,
		// and a node for each of two directories and those at the ends of the range.
		if most := levels + 2 + 4; nodes.gets > most {
			t.Errorf("%+v: %d nodes read, want at most %d", p, nodes.gets, most)
		}
	}
	// All of a directory lies outside.
	both := apply(t, nodes, root, tree.Graft("/z", root))
	for _, p := range []tree.Page{{Upper: "/a", Reverse: true}, {Upper: "/a"}, {Lower: "/zz"}, {Lower: "/zz", Reverse: true}} {
		nodes.gets = 0
		if got := collect(t, tree.Walk(t.Context(), nodes, both, "/z", p)); len(got) != 0 || nodes.gets > 2*levels {
			t.Errorf("%+v: %d entries, %d nodes read", p, len(got), nodes.gets)
		}
	}
}
