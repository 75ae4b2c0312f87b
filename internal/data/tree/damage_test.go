package tree_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pachyderm/internal/data/tree"
)

// use reads all of a tree in each way, and says whether all went well.
func use(nodes tree.Nodes, root, other tree.Root) (fine bool) {
	ctx := context.Background()
	fine = true
	count := func(_ tree.Entry, err error) bool {
		fine = fine && err == nil
		return true
	}
	tree.Walk(ctx, nodes, root, "/", tree.Page{})(func(e tree.Entry, err error) bool {
		for _, err := range tree.Extents(ctx, nodes, e, 0) {
			if err != nil && !e.Dir {
				fine = false
			}
		}
		return count(e, err)
	})
	tree.Walk(ctx, nodes, root, "/", tree.Page{Reverse: true, After: "/file-0000700/x"})(count)
	tree.List(ctx, nodes, root, "/file-0000700/", tree.Page{After: "/file-0000700/a"})(count)
	for _, pair := range [][2]tree.Root{{root, other}, {other, root}} {
		for _, err := range tree.Diff(ctx, nodes, pair[0], pair[1], "/", false) {
			fine = fine && err == nil
		}
	}
	_, err := tree.FirstConflict(ctx, nodes, root)
	fine = fine && err == nil
	_, err = tree.Apply(ctx, nodes, root, []tree.Edit{
		tree.Put("/file-0000700/new", "", tree.Content{}), tree.Delete("/file-0000007", ""), tree.DeleteTree("/file-0000350"),
	})
	return fine && err == nil
}

// forged gives damaged bytes for some nodes, as a store would that does not look.
type forged struct {
	*memory
	with map[tree.ID][]byte
}

func (f forged) Get(ctx context.Context, id tree.ID) ([]byte, error) {
	if data, ok := f.with[id]; ok {
		return data, nil
	}
	return f.memory.Get(ctx, id)
}

func (f forged) Put(_ context.Context, data []byte) (tree.ID, error) { return sha256.Sum256(data), nil }

func TestNodes_Damaged(t *testing.T) {
	nodes, m := newMemory(), model{}
	for k := range 250 {
		m.put(fmt.Sprintf("/file-%07d", k*7), "default", content(k, k%3))
		if k%50 == 0 {
			m.put(fmt.Sprintf("/file-%07d", k*7), "other", content(k, 3))
			m.put(fmt.Sprintf("/file-%07d/below", k*7), "other", content(k, 1))
		}
	}
	root := apply(t, nodes, tree.Root{}, m.edits()...)
	other := apply(t, nodes, root, tree.Put("/file-0000007", "", content(1000, 1)))
	if !use(nodes, root, other) {
		t.Fatal("the tree cannot be used as it is")
	}
	rnd := rand.New(rand.NewPCG(8, 8))
	found, tried, want := 0, 0, m.rows()
	try := func(id tree.ID, data []byte) {
		f := forged{nodes, map[tree.ID][]byte{id: data}}
		tried++
		if !use(f, root, other) {
			found++
		}
		// Where bytes lie is not content, so only the store can know if that is damaged.
		err := tree.Check(t.Context(), f, root)
		both := tree.NewChecker(f)
		_ = both.Check(t.Context(), other)
		if after := both.Check(t.Context(), root); (after == nil) != (err == nil) {
			t.Errorf("with %x damaged: %v, and after another tree %v", id[:4], err, after)
		}
		if err == nil {
			same(t, fmt.Sprintf("with %x damaged", id[:4]), collect(t, tree.Walk(t.Context(), f, root, "/", tree.Page{})), want)
		}
	}
	for _, id := range slices.SortedFunc(keys(nodes.nodes), func(a, b tree.ID) int { return bytes.Compare(a[:], b[:]) }) {
		data := nodes.nodes[id]
		step := 1 + len(data)/60
		for at := rnd.IntN(step); at < len(data); at += step {
			flipped := bytes.Clone(data)
			flipped[at] ^= byte(1 << rnd.IntN(8))
			try(id, flipped)
			try(id, data[:at])
		}
		try(id, append(bytes.Clone(data), 0))
		try(id, data[:0])
		for of := range nodes.nodes {
			if of != id {
				try(id, nodes.nodes[of])
				break
			}
		}
	}
	if found < tried/3 {
		t.Errorf("%d of %d damages were found in use", found, tried)
	}
}

func keys(m map[tree.ID][]byte) func(func(tree.ID) bool) {
	return func(yield func(tree.ID) bool) {
		for id := range m {
			if !yield(id) {
				return
			}
		}
	}
}

// A node that contains itself would be walked for ever.
func TestNodes_OfItself(t *testing.T) {
	nodes := newMemory()
	below := apply(t, nodes, tree.Root{}, tree.Put("/a", "", content(1, 1)))
	root := apply(t, nodes, tree.Root{}, tree.Graft("/d", below), tree.Graft("/e", below))
	data := bytes.ReplaceAll(nodes.nodes[root.Node], below.Node[:], root.Node[:])
	if bytes.Equal(data, nodes.nodes[root.Node]) {
		t.Fatal("the node does not name the one below")
	}
	f := forged{nodes, map[tree.ID][]byte{root.Node: data}}
	for e, err := range tree.Walk(t.Context(), f, root, "/", tree.Page{}) {
		if err != nil {
			return
		}
		if len(e.Path) > 10 {
			t.Fatalf("walked to %s", e.Path)
		}
	}
	t.Error("no error")
}

func FuzzNode(f *testing.F) {
	nodes, m := newMemory(), wide(300)
	m.put("/large", "default", content(1, 600))
	root := apply(f, nodes, tree.Root{}, m.edits()...)
	for _, data := range nodes.nodes {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		below, blobs, err := tree.References(data)
		if err == nil && 34*(len(below)+len(blobs)) > 2*len(data) {
			t.Errorf("%d and %d references in %d bytes", len(below), len(blobs), len(data))
		}
		use(forged{nodes, map[tree.ID][]byte{root.Node: data}}, root, tree.Root{})
		// And with a root that counts what the node does, as far as it can be guessed.
		of := root
		of.Node = sha256.Sum256(data)
		for _, files := range []int64{1, int64(len(below) + len(blobs))} {
			of.Files = files
			use(forged{nodes, map[tree.ID][]byte{of.Node: data}}, of, root)
		}
	})
}

func FuzzApply(f *testing.F) {
	f.Add([]byte("a script of edits, one of each few bytes"), uint16(3))
	f.Add(bytes.Repeat([]byte{1, 2, 3, 5, 8, 13, 21, 34, 55, 89}, 20), uint16(7))
	f.Fuzz(func(t *testing.T, script []byte, cut uint16) {
		nodes := newMemory()
		e := &edits{rnd: rand.New(&scripted{script: script}), model: model{}, names: names}
		for range min(len(script)/4, 200) {
			e.add(nil)
		}
		at := int(cut) % (len(e.list) + 1)
		root := apply(t, nodes, apply(t, nodes, tree.Root{}, e.list[:at]...), e.list[at:]...)
		holds(t, nodes, root, e.model)
		if again := apply(t, nodes, tree.Root{}, e.model.edits()...); again != root {
			t.Errorf("roots differ by history:\n%+v\n%+v", root, again)
		}
	})
}

// scripted gives the numbers that a fuzzer chose.
type scripted struct {
	script []byte
	n      uint64
}

func (s *scripted) Uint64() uint64 {
	s.n++
	if len(s.script) == 0 {
		return s.n * 0x9e3779b97f4a7c15
	}
	var b [8]byte
	b[3], b[7] = s.script[0], s.script[0]
	s.script = s.script[1:]
	return binary.LittleEndian.Uint64(b[:])
}

// elsewhere ends nodes at other places, and hashes contents alike.
type elsewhere struct {
	*memory
	ends tree.Nodes
}

func (e elsewhere) Sum(data []byte) [32]byte {
	if data[0] == 1 && (data[1] == 1 || data[1] == 2) { // a version and a kind: a content
		return e.memory.Sum(data)
	}
	return e.ends.Sum(data)
}

func TestCheck_WhereNodesEnd(t *testing.T) {
	nodes := newMemory()
	root := apply(t, nodes, tree.Root{}, wide(1000).edits()...)
	for name, other := range map[string]tree.Nodes{"earlier": eager{nodes}, "later": mute{nodes}} {
		if err := tree.Check(t.Context(), elsewhere{nodes, other}, root); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	few := apply(t, nodes, tree.Root{}, tree.Put("/a", "", content(1, 1)), tree.Put("/b", "", content(2, 1)))
	if err := tree.Check(t.Context(), elsewhere{nodes, eager{nodes}}, few); err == nil {
		t.Error("earlier in a single node: no error")
	}
	for _, r := range []tree.Root{root, few} {
		if err := tree.Check(t.Context(), elsewhere{nodes, nodes}, r); err != nil {
			t.Error(err)
		}
	}
}

// The same node in other bytes would be stored twice.
func TestCheck_OtherBytes(t *testing.T) {
	nodes := newMemory()
	root := apply(t, nodes, tree.Root{}, tree.Put("/a", "", content(1, 1)), tree.Put("/b", "", content(2, 1)))
	data := nodes.nodes[root.Node]
	long := append(append(bytes.Clone(data[:3]), 0x82, 0), data[4:]...) // the count 2 in two bytes
	f := forged{nodes, map[tree.ID][]byte{root.Node: long}}
	if got := collect(t, tree.Walk(t.Context(), f, root, "/", tree.Page{})); len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	if err := tree.Check(t.Context(), f, root); err == nil {
		t.Error("no error")
	}
}

// A conflict is not content, so no hash tells whether one is counted that is not there.
func TestCheck_ConflictThatIsNone(t *testing.T) {
	nodes := newMemory()
	root := apply(t, nodes, tree.Root{}, tree.Put("/a", "", content(1, 1)))
	data := bytes.Clone(nodes.nodes[root.Node])
	data[4] |= 2 // what the first item says of itself
	root.Conflicts = 1
	f := forged{nodes, map[tree.ID][]byte{root.Node: data}}
	if got := collect(t, tree.Walk(t.Context(), f, root, "/", tree.Page{})); len(got) != 2 || got[0].conflicts != 1 {
		t.Fatalf("%+v", got)
	}
	if err := tree.Check(t.Context(), f, root); err == nil {
		t.Error("no error")
	}
}

// A tree that differs by little from one that was checked is checked by reading little,
// and what is wrong with it is found.
func TestChecker_ReadsWhatIsNew(t *testing.T) {
	nodes, m := newMemory(), model{}
	for k := range 3000 {
		m.put(fmt.Sprintf("/dir-%d/file-%07d", k%3, k), "default", content(k, 1))
	}
	root := apply(t, nodes, tree.Root{}, m.edits()...)
	other := apply(t, nodes, root, tree.Put("/dir-1/file-0001000", "", content(4000, 1)))
	c := tree.NewChecker(nodes)
	if err := c.Check(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	nodes.gets = 0
	if err := c.Check(t.Context(), other); err != nil || nodes.gets == 0 || nodes.gets > 6 {
		t.Errorf("it reads %d nodes, %v", nodes.gets, err)
	}
	nodes.gets = 0
	if err := c.Check(t.Context(), other); err != nil || nodes.gets != 0 {
		t.Errorf("again it reads %d nodes, %v", nodes.gets, err)
	}
	wrong := other
	wrong.Files++
	if err := c.Check(t.Context(), wrong); err == nil {
		t.Error("a root that counts wrongly is right")
	}
	c = tree.NewChecker(nodes)
	if err := c.Check(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	delete(nodes.nodes, other.Node)
	if err := c.Check(t.Context(), other); err == nil {
		t.Error("a tree without its first node is right")
	}
}
