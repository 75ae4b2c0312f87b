package tree_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pachyderm/internal/data/tree"
	"pachyderm/internal/fault"
)

func TestApply_FewEditsOfMany(t *testing.T) {
	const files, few = 200000, 100
	nodes, list := newMemory(), make([]tree.Edit, 0, files)
	for k := range files {
		list = append(list, tree.Put(fmt.Sprintf("/%07d", k*5), "", content(k, 1)))
	}
	root := apply(t, nodes, tree.Root{}, list...)
	levels := depth(t, nodes, root)
	// A file takes about 80 bytes and a node about 8 KiB of them, so two levels above the
	// leaves name all of them.
	if levels < 2 || levels > 4 {
		t.Fatalf("%d levels", levels)
	}
	if got, most := nodes.puts, files/80*3; got > most {
		t.Errorf("%d nodes written for %d files, want at most %d", got, files, most)
	}
	nodes.gets, nodes.puts = 0, 0
	rnd := rand.New(rand.NewPCG(7, 7))
	list = nil
	for k := range few {
		switch p := fmt.Sprintf("/%07d", rnd.IntN(files*5)); k % 3 {
		case 0:
			list = append(list, tree.Put(p, "", content(k, 1)))
		case 1:
			list = append(list, tree.Put(fmt.Sprintf("/%07d", rnd.IntN(files)*5), "", content(k+1000000, 1)))
		default:
			list = append(list, tree.Delete(fmt.Sprintf("/%07d", rnd.IntN(files)*5), ""))
		}
	}
	root = apply(t, nodes, root, list...)
	// Each edit rewrites a node of each level, and now and then the next, or one in two.
	if most := few * levels * 3 / 2; nodes.puts > most {
		t.Errorf("%d nodes written, want at most %d", nodes.puts, most)
	}
	// It looks for the file, for a directory of its name, and reads what it rewrites.
	if most := few * levels * 3; nodes.gets > most {
		t.Errorf("%d nodes read, want at most %d", nodes.gets, most)
	}
	if err := tree.Check(t.Context(), nodes, root); err != nil {
		t.Error(err)
	}
}

func TestApply_WritesNothingForTheSame(t *testing.T) {
	nodes, m := newMemory(), wide(5000)
	root := apply(t, nodes, tree.Root{}, m.edits()...)
	for _, d := range []string{"/x", "/x/y"} {
		root = apply(t, nodes, root, tree.Graft(d, root))
	}
	nodes.puts = 0
	var list []tree.Edit
	for p, datums := range wide(5000) {
		if c := datums["default"]; len(c.Extents) <= 2 {
			list = append(list, tree.Put(p, "", c), tree.Put("/x"+p, "", c))
		}
	}
	list = append(list, tree.Delete("/none", ""), tree.DeleteTree("/none/at/all"))
	if again := apply(t, nodes, root, list...); again != root || nodes.puts != 0 {
		t.Errorf("%d nodes written, roots\n%+v and\n%+v", nodes.puts, again, root)
	}
}

func TestApply_InOrder(t *testing.T) {
	nodes := newMemory()
	sub := apply(t, nodes, tree.Root{}, tree.Put("/s", "", content(9, 1)))
	for name, c := range map[string]struct {
		list []tree.Edit
		want string
	}{
		"later put wins":        {[]tree.Edit{tree.Put("/a", "", content(1, 1)), tree.Put("a", "default", content(2, 1))}, "/a=2"},
		"delete then put":       {[]tree.Edit{tree.Delete("/a", ""), tree.Put("/a", "", content(1, 1))}, "/a=1"},
		"put then delete":       {[]tree.Edit{tree.Put("/b/c", "", content(1, 1)), tree.Delete("/b/c", "")}, ""},
		"delete of a datum":     {[]tree.Edit{tree.Put("/a", "x", content(1, 1)), tree.Put("/a", "y", content(2, 1)), tree.Delete("/a", "x")}, "/a=2"},
		"tree then put below":   {[]tree.Edit{tree.Put("/d/a", "", content(1, 1)), tree.DeleteTree("/d"), tree.Put("/d/b", "", content(2, 1))}, "/d/b=2"},
		"graft then put below":  {[]tree.Edit{tree.Put("/d/a", "", content(1, 1)), tree.Graft("/d/", sub), tree.Put("/d/b", "", content(2, 1))}, "/d/b=2 /d/s=9"},
		"put below, graft":      {[]tree.Edit{tree.Put("/d/e/a", "", content(1, 1)), tree.Graft("/d", sub)}, "/d/s=9"},
		"graft below, then all": {[]tree.Edit{tree.Graft("/d/e/f", sub), tree.DeleteTree("/"), tree.Put("/z", "", content(3, 1))}, "/z=3"},
		"graft of the root":     {[]tree.Edit{tree.Put("/a", "", content(1, 1)), tree.Graft("", sub)}, "/s=9"},
		"graft of nothing":      {[]tree.Edit{tree.Put("/d/a", "", content(1, 1)), tree.Graft("/d", tree.Root{})}, ""},
		"file stays":            {[]tree.Edit{tree.Put("/d", "", content(1, 1)), tree.Put("/d/a", "", content(2, 1)), tree.DeleteTree("/d")}, "/d=1"},
		"directory stays":       {[]tree.Edit{tree.Put("/d", "", content(1, 1)), tree.Put("/d/a", "", content(2, 1)), tree.Delete("/d", "")}, "/d/a=2"},
	} {
		root := apply(t, nodes, tree.Root{}, c.list...)
		var got []string
		for e, err := range tree.Walk(t.Context(), nodes, root, "/", tree.Page{}) {
			if err != nil {
				t.Fatal(err)
			}
			if !e.Dir {
				got = append(got, fmt.Sprintf("%s=%d", e.Path, binary.BigEndian.Uint64(e.Hash[:])-1))
			}
		}
		if strings.Join(got, " ") != c.want || (c.want == "") != (root == tree.Root{}) {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

func TestApply_Refuses(t *testing.T) {
	deep := strings.Repeat("/a", 255)
	nodes := newMemory()
	long := apply(t, nodes, tree.Root{}, tree.Put("/"+strings.Repeat("n", 4000), "", content(1, 1)), tree.Put(deep, "", content(1, 1)))
	for name, e := range map[string]tree.Edit{
		"empty path":           tree.Put("", "", content(1, 1)),
		"root":                 tree.Put("/", "", content(1, 1)),
		"directory":            tree.Put("/a/", "", content(1, 1)),
		"empty element":        tree.Put("/a//b", "", content(1, 1)),
		"empty first":          tree.Delete("//b", ""),
		"empty last":           tree.DeleteTree("/b//"),
		"too many elements":    tree.Put(deep+"/a", "", content(1, 1)),
		"too long":             tree.Put("/"+strings.Repeat("n", 4096), "", content(1, 1)),
		"long datum":           tree.Put("/a", strings.Repeat("n", 1025), content(1, 1)),
		"fewer bytes":          tree.Put("/a", "", tree.Content{Size: 5, Extents: []tree.Extent{{Length: 4}}}),
		"no bytes of a part":   tree.Put("/a", "", tree.Content{Extents: []tree.Extent{{Length: 0}}}),
		"before the beginning": tree.Put("/a", "", tree.Content{Size: 4, Extents: []tree.Extent{{Offset: -1, Length: 4}}}),
		"long graft":           tree.Graft("/"+strings.Repeat("m", 100), long),
		"nothing":              {},
	} {
		if _, err := tree.Apply(t.Context(), nodes, tree.Root{}, []tree.Edit{e}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	most := tree.Content{Size: math.MaxInt64, Extents: []tree.Extent{{Length: math.MaxInt64}}}
	list := []tree.Edit{tree.Put("/a", "", most), tree.Put("/b", "", content(1, 1))}
	if _, err := tree.Apply(t.Context(), nodes, tree.Root{}, list); !fault.Is(err, fault.Invalid) {
		t.Errorf("too many bytes: got %v", err)
	}
}

func TestApply_PassesErrorsOn(t *testing.T) {
	nodes, m := newMemory(), wide(3000)
	root := apply(t, nodes, tree.Root{}, m.edits()...)
	broken := errors.New("store")
	for after := range 40 {
		f := &failing{memory: nodes, after: after, err: broken}
		_, err := tree.Apply(t.Context(), f, root, []tree.Edit{tree.Put("/x/y", "", content(1, 5)), tree.Delete("/file-0000700", "")})
		if f.after < 0 && !errors.Is(err, broken) {
			t.Errorf("after %d calls: got %v", after, err)
		}
		if f.after >= 0 && err != nil {
			t.Error(err)
		}
	}
}

type failing struct {
	*memory
	after int
	err   error
}

func (f *failing) Get(ctx context.Context, id tree.ID) ([]byte, error) {
	if f.after--; f.after < 0 {
		return nil, f.err
	}
	return f.memory.Get(ctx, id)
}

func (f *failing) Put(ctx context.Context, data []byte) (tree.ID, error) {
	if f.after--; f.after < 0 {
		return tree.ID{}, f.err
	}
	return f.memory.Put(ctx, data)
}

// mute never says that a node may end.
type mute struct{ *memory }

func (mute) Sum(data []byte) [32]byte {
	s := sha256.Sum256(data)
	s[0] = 0xff
	return s
}

// eager says so everywhere.
type eager struct{ *memory }

func (eager) Sum(data []byte) [32]byte {
	s := sha256.Sum256(data)
	clear(s[:8])
	return s
}

func TestApply_WithNamesThatNeverEndANode(t *testing.T) {
	for name, nodes := range map[string]struct {
		tree.Nodes
		m *memory
	}{"never": {}, "always": {}} {
		nodes.m = newMemory()
		nodes.Nodes = mute{nodes.m}
		if name == "always" {
			nodes.Nodes = eager{nodes.m}
		}
		m := model{}
		for k := range 6000 {
			p := fmt.Sprintf("/%05d", k)
			switch {
			case k%100 == 0:
				p += strings.Repeat("long", 1000)
			case k%7 == 0:
				p += "/d"
			}
			c := content(k, 2)
			if len(p) < 10 {
				c.Extents[0].Offset, c.Extents[1].Offset = 1<<40, 1<<40
			}
			m.put(p, "default", c)
		}
		root := apply(t, nodes.Nodes, tree.Root{}, m.edits()...)
		holds(t, nodes.Nodes, root, m)
		if nodes.m.longest > 36<<10 {
			t.Errorf("%s: a node of %d bytes", name, nodes.m.longest)
		}
		var list []tree.Edit
		for k := 0; k < 6000; k += 9 {
			p := fmt.Sprintf("/%05d", k)
			list = append(list, tree.Delete(p, ""))
			m.remove(p, "")
		}
		changed := apply(t, nodes.Nodes, root, list...)
		holds(t, nodes.Nodes, changed, m)
		if again := apply(t, nodes.Nodes, tree.Root{}, m.edits()...); again != changed {
			t.Errorf("%s: roots differ by history", name)
		}
	}
}

func TestNodes_AreAboutEightKiB(t *testing.T) {
	nodes, list := newMemory(), []tree.Edit{}
	for k := range 50000 {
		list = append(list, tree.Put(fmt.Sprintf("/images/%x.jpeg", sha256.Sum256([]byte{byte(k), byte(k >> 8)})), "", content(k, 1)))
	}
	apply(t, nodes, tree.Root{}, list...)
	bytes := 0
	for _, data := range nodes.nodes {
		bytes += len(data)
	}
	if mean := bytes / len(nodes.nodes); mean < 5<<10 || mean > 11<<10 {
		t.Errorf("%d nodes of %d bytes on average", len(nodes.nodes), mean)
	}
}

func TestExtents_FromAnyByteOn(t *testing.T) {
	nodes := newMemory()
	const parts = 512*3 + 7
	c := tree.Content{Hash: tree.Hash{1}}
	for k := range parts {
		e := tree.Extent{Blob: tree.ID{byte(k), byte(k >> 8), 1}, Offset: int64(k), Length: int64(1 + k%5)}
		c.Extents, c.Size = append(c.Extents, e), c.Size+e.Length
	}
	for _, n := range []int{0, 1, 2, 3, 512, 513, parts} {
		some := tree.Content{Hash: tree.Hash{2}, Extents: c.Extents[:n]}
		for _, e := range some.Extents {
			some.Size += e.Length
		}
		root := apply(t, nodes, tree.Root{}, tree.Put("/f", "", some))
		found, err := tree.Lookup(t.Context(), nodes, root, "/f")
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		whole, err := tree.ContentOf(t.Context(), nodes, found[0])
		if err != nil || whole.Size != some.Size || whole.Hash != some.Hash || !slices.Equal(whole.Extents, some.Extents) {
			t.Fatalf("%d parts: %v, %v", n, whole, err)
		}
		if again := apply(t, nodes, root, tree.Put("/f", "", whole)); again != root {
			t.Errorf("%d parts: another root", n)
		}
		if err := tree.Check(t.Context(), nodes, root); err != nil {
			t.Error(err)
		}
		for at := int64(0); at <= some.Size+1; at += 1 + some.Size/97 {
			from, want := int64(0), []tree.Extent(nil)
			for _, e := range some.Extents {
				if cut := at - from; cut < e.Length {
					cut = max(cut, 0)
					want = append(want, tree.Extent{Blob: e.Blob, Offset: e.Offset + cut, Length: e.Length - cut})
				}
				from += e.Length
			}
			var got []tree.Extent
			for e, err := range tree.Extents(t.Context(), nodes, found[0], at) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%d parts from %d: %d, want %d", n, at, len(got), len(want))
			}
		}
	}
	for _, err := range tree.Extents(t.Context(), nodes, tree.Entry{}, -1) {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("got %v", err)
		}
	}
}

func TestReferences_LeadToEverything(t *testing.T) {
	nodes, m := newMemory(), wide(3000)
	m.put("/large", "default", content(1, 1500))
	root := apply(t, nodes, tree.Root{}, m.edits()...)
	blobs, seen := map[tree.ID]bool{}, map[tree.ID]bool{}
	for todo := []tree.ID{root.Node}; len(todo) > 0; {
		id := todo[0]
		todo = todo[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		below, some, err := tree.References(nodes.nodes[id])
		if err != nil {
			t.Fatal(err)
		}
		todo = append(todo, below...)
		for _, b := range some {
			blobs[b] = true
		}
	}
	want := map[tree.ID]bool{}
	for _, datums := range m {
		for _, c := range datums {
			for _, e := range c.Extents {
				want[e.Blob] = true
			}
		}
	}
	// All nodes were written for this tree but those of levels that it did not need.
	if len(seen) < len(nodes.nodes)-3 || len(blobs) != len(want) {
		t.Errorf("%d of %d nodes, %d of %d blobs", len(seen), len(nodes.nodes), len(blobs), len(want))
	}
	for b := range want {
		if !blobs[b] {
			t.Errorf("blob %x is missing", b)
		}
	}
}

func TestFirstConflict_InOrder(t *testing.T) {
	nodes := newMemory()
	for name, c := range map[string]struct {
		list []tree.Edit
		want tree.Conflict
	}{
		"none": {[]tree.Edit{tree.Put("/a", "x", content(1, 1)), tree.Put("/b/a", "y", content(1, 1))}, tree.Conflict{}},
		"datums": {
			[]tree.Edit{tree.Put("/b/a", "y", content(1, 1)), tree.Put("/b/a", "x", content(1, 1)), tree.Put("/b/a", "z", content(1, 1))},
			tree.Conflict{Path: "/b/a", First: "x", Second: "y"},
		},
		"file and directory": {[]tree.Edit{tree.Put("/b/a/c", "y", content(1, 1)), tree.Put("/b/a", "x", content(1, 1))}, tree.Conflict{Path: "/b/a"}},
		"the first": {
			[]tree.Edit{
				tree.Put("/b", "x", content(1, 1)), tree.Put("/b/z", "x", content(1, 1)), tree.Put("/a/c", "y", content(1, 1)), tree.Put("/a/c", "x", content(1, 1)),
			},
			tree.Conflict{Path: "/a/c", First: "x", Second: "y"},
		},
	} {
		root := apply(t, nodes, tree.Root{}, c.list...)
		got, err := tree.FirstConflict(t.Context(), nodes, root)
		if err != nil {
			t.Fatal(err)
		}
		if (got == nil) != (c.want == tree.Conflict{}) || got != nil && *got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	m := wide(4000)
	for p := range m {
		if p != "/file-0021000" {
			delete(m[p], "other")
			m.removeTree(p + "/")
		}
	}
	root := apply(t, nodes, tree.Root{}, m.edits()...)
	got, err := tree.FirstConflict(t.Context(), nodes, root)
	if want := (tree.Conflict{Path: "/file-0021000", First: "default", Second: "other"}); err != nil || got == nil || *got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestRoot_Binary(t *testing.T) {
	want := tree.Root{Node: tree.ID{1}, Hash: tree.Hash{2}, Size: 3, Files: 4, Conflicts: 5, Longest: 6}
	for _, r := range []tree.Root{want, {}} {
		data, err := r.MarshalBinary()
		if err != nil || len(data) != tree.RootSize {
			t.Fatal(data, err)
		}
		var got tree.Root
		if err := got.UnmarshalBinary(data); err != nil || got != r {
			t.Errorf("%+v, %v", got, err)
		}
	}
	data, _ := want.MarshalBinary()
	for name, b := range map[string][]byte{
		"short": data[1:], "long": append(bytes.Clone(data), 0), "negative": append(bytes.Clone(data[:64]), bytes.Repeat([]byte{0xff}, 32)...),
		"without a node": append(make([]byte, 32), data[32:]...), "without files": append(bytes.Clone(data[:64]), make([]byte, 32)...),
	} {
		var got tree.Root
		if err := got.UnmarshalBinary(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestApply_ShrinksToWhatIsLeft(t *testing.T) {
	nodes := newMemory()
	m := wide(9000)
	root := apply(t, nodes, tree.Root{}, m.edits()...)
	if levels := depth(t, nodes, root); levels < 3 {
		t.Fatalf("%d levels", levels)
	}
	for _, left := range []int{2000, 200, 10, 1} {
		var list []tree.Edit
		k := 0
		for p := range m {
			if k++; k <= left {
				continue
			}
			list = append(list, tree.Delete(p, ""))
			delete(m, p)
		}
		root = apply(t, nodes, root, list...)
		holds(t, nodes, root, m)
		if fresh := apply(t, nodes, tree.Root{}, m.edits()...); fresh != root {
			t.Errorf("with %d left the root is\n%+v, want\n%+v", left, root, fresh)
		}
	}
}
