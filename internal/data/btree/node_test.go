package btree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

type store map[ID][]byte

func (s store) Get(_ context.Context, id ID) ([]byte, error) {
	if data, ok := s[id]; ok {
		return data, nil
	}
	return nil, errors.New("no such node")
}

func (s store) Put(_ context.Context, data []byte) (ID, error) {
	id := ID(sha256.Sum256(data))
	s[id] = bytes.Clone(data)
	return id, nil
}

func (store) Sum(data []byte) [32]byte { return sha256.Sum256(data) }

// thirtyTwo is a hash, or an id, of one byte again and again.
func thirtyTwo(b byte) (s [32]byte) {
	for k := range s {
		s[k] = b
	}
	return s
}

// Nodes are kept for ever, so their form must not change unless the version does. The
// bytes are written by hand.
func TestNode_Form(t *testing.T) {
	h := func(b string) string { return strings.Repeat(b, 32) }
	for name, c := range map[string]struct {
		node Node
		want string
	}{
		"leaf": {
			Node{Items: []Item{
				{Name: "ab", Datum: DefaultDatum, Hash: thirtyTwo(0x11), Size: 0, Files: 1},
				{Name: "ab", Datum: "x", Conflict: true, Hash: thirtyTwo(0x22), Size: 300, Files: 1, Extents: []Extent{{Blob: thirtyTwo(0x33), Offset: 1, Length: 300}}},
				{Name: "abc", Datum: DefaultDatum, Hash: thirtyTwo(0x44), Size: 9, Files: 1, Node: thirtyTwo(0x55)},
				{Name: "b/", Hash: thirtyTwo(0x66), Node: thirtyTwo(0x77), Size: 5, Files: 4, Conflicts: 3, Longest: 2},
			}},
			"01010004" +
				"0000026162" + h("11") + "00" +
				"070200" + "0178" + h("22") + "ac02" + h("33") + "01" + "ac02" +
				"0c020163" + h("44") + "09" + h("55") +
				"000002622f" + h("66") + "05" + h("77") + "040302",
		},
		"inner": {
			Node{Level: 1, Items: []Item{
				{Name: "ab", Datum: DefaultDatum, Hash: thirtyTwo(0x11), Node: thirtyTwo(0x22), Size: 1, Files: 2, Conflicts: 3, Longest: 4},
				{Name: "ac/", Hash: thirtyTwo(0x33), Node: thirtyTwo(0x44), Size: 5, Files: 6, Conflicts: 7, Longest: 8},
			}},
			"01020102" + "0000026162" + h("11") + "01" + h("22") + "020304" + "000102632f" + h("33") + "05" + h("44") + "060708",
		},
	} {
		if got := hex.EncodeToString(c.node.encode()); got != c.want {
			t.Errorf("%s: \n%s, want\n%s", name, got, c.want)
		}
		data, err := hex.DecodeString(c.want)
		if err != nil {
			t.Fatal(err)
		}
		n, err := Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n.Level != c.node.Level || !reflect.DeepEqual(n.Items, c.node.Items) {
			t.Errorf("%s: %+v, want %+v", name, n.Items, c.node.Items)
		}
	}
	parts := parts{items: []Extent{{Blob: thirtyTwo(1), Offset: 2, Length: 3}, {Blob: thirtyTwo(4), Offset: 0, Length: 128}}}
	if got, want := hex.EncodeToString(parts.encode()), "01030002"+h("01")+"0203"+h("04")+"008001"; got != want {
		t.Errorf("parts: %s, want %s", got, want)
	}
}

func TestNode_Malformed(t *testing.T) {
	item := Item{Name: "b", Datum: DefaultDatum, Files: 1}
	dir := Item{Name: "b/", Node: thirtyTwo(1), Files: 1, Longest: 1}
	for name, n := range map[string]Node{
		"nothing":           {},
		"order":             {Items: []Item{{Name: "c", Datum: DefaultDatum}, item}},
		"twice":             {Items: []Item{item, item}},
		"empty name":        {Items: []Item{{Datum: DefaultDatum}}},
		"only a slash":      {Items: []Item{{Name: "/", Node: thirtyTwo(1), Files: 1}}},
		"path":              {Items: []Item{{Name: "a/b", Datum: DefaultDatum}}},
		"empty datum":       {Items: []Item{{Name: "b"}}},
		"long name":         {Items: []Item{{Name: strings.Repeat("n", MaxPath+1), Datum: DefaultDatum}}},
		"long datum":        {Items: []Item{{Name: "b", Datum: strings.Repeat("n", MaxDatum+1)}}},
		"size":              {Items: []Item{{Name: "b", Datum: DefaultDatum, Size: 1}}},
		"empty directory":   {Items: []Item{{Name: "b/", Node: thirtyTwo(1)}}},
		"no node":           {Items: []Item{{Name: "b/", Files: 1}}},
		"deep":              {Items: []Item{{Name: "b/", Node: thirtyTwo(1), Files: 1, Longest: MaxPath}}},
		"child without":     {Level: 1, Items: []Item{{Name: "b/", Files: 1}}},
		"child of conflict": {Level: 1, Items: []Item{{Name: "b/", Files: 1, Node: thirtyTwo(1), Conflict: true}}},
		"level":             {Level: maxLevel + 1, Items: []Item{dir}},
		"counts":            {Items: []Item{{Name: "a/", Node: thirtyTwo(1), Files: 1 << 62}, {Name: "b/", Node: thirtyTwo(1), Files: 1 << 62}}},
	} {
		if _, err := Decode(n.encode()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	good := Node{Items: []Item{item, dir}}
	data := good.encode()
	if _, err := Decode(data); err != nil {
		t.Fatal(err)
	}
	for k := range data {
		if _, err := Decode(data[:k]); err == nil {
			t.Errorf("the first %d bytes: no error", k)
		}
	}
	if _, err := Decode(append(data, make([]byte, maxNode)...)); err == nil {
		t.Error("too long: no error")
	}
	for k, b := range [][]byte{{2, 1, 0, 1}, {1, 9, 0, 1}, {1, 1, 1, 1}, {1, 2, 0, 1}, {1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f}} {
		if _, err := Decode(append(b, data[4:]...)); err == nil {
			t.Errorf("head %d: no error", k)
		}
	}
}

// What can be read is written alike, and can be used as the root of a directory.
func FuzzDecode(f *testing.F) {
	for _, n := range []Node{
		{Items: []Item{
			{Name: "ab", Datum: DefaultDatum, Files: 1},
			{Name: "ab", Datum: "x", Conflict: true, Size: 3, Extents: []Extent{{Blob: thirtyTwo(3), Offset: 1, Length: 3}}},
			{Name: "abc", Datum: DefaultDatum, Size: 9, Node: thirtyTwo(5)},
			{Name: "b/", Node: thirtyTwo(7), Size: 5, Files: 4, Longest: 2},
		}},
		{Level: 1, Items: []Item{{Name: "ab", Datum: DefaultDatum, Node: thirtyTwo(2), Files: 2}, {Name: "ac/", Node: thirtyTwo(4), Files: 6}}},
	} {
		f.Add(n.encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Decode(n.encode())
		if err != nil || !reflect.DeepEqual(n, again) {
			t.Fatalf("%+v, %v, want %+v", again, err, n)
		}
		s := store{}
		id, _ := s.Put(t.Context(), data)
		for _, i := range n.Items { // whatever is below is the same node
			s[i.Node] = data
		}
		root := Root{Node: id, Hash: n.content(s), Size: n.Size, Files: n.Files, Conflicts: n.Conflicts, Longest: n.Longest}
		r := NewReader(t.Context(), s)
		_, _ = r.Check(root, nil, -1, true)
		c, err := r.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.End(1); err != nil {
			return
		}
		steps := 1
		for more, err := c.Step(1); more && err == nil; more, err = c.Step(1) {
			steps++
		}
		if n.Level == 0 && steps != len(n.Items) {
			t.Errorf("%d of %d items", steps, len(n.Items))
		}
		l, err := r.Edit(root)
		if err != nil {
			return
		}
		if err := l.Push(&Item{Name: "abb", Datum: DefaultDatum, Files: 1}, false); err == nil {
			_, _ = l.Finish(root)
		}
	})
}

// A level that does not become lower would never be the last.
func TestReader_ChildInAnothersPlace(t *testing.T) {
	s := store{}
	put := func(n Node) Item {
		t.Helper()
		if !n.count() {
			t.Fatal("too much")
		}
		id, _ := s.Put(t.Context(), n.encode())
		last := n.Items[len(n.Items)-1]
		return Item{Name: last.Name, Datum: last.Datum, Node: id, Size: n.Size, Files: n.Files, Conflicts: n.Conflicts, Longest: n.Longest}
	}
	leaf := put(Node{Items: []Item{{Name: "a", Datum: DefaultDatum, Files: 1}, {Name: "b", Datum: DefaultDatum, Files: 1}}})
	moved := leaf
	moved.Name = "c"
	for name, c := range map[string]struct {
		node Node
		fine bool
	}{
		"its own":       {Node{Level: 1, Items: []Item{leaf}}, true},
		"another level": {Node{Level: 2, Items: []Item{leaf}}, false},
		"another key":   {Node{Level: 1, Items: []Item{moved}}, false},
	} {
		top := put(c.node)
		cursor, err := NewReader(t.Context(), s).Open(top.Root())
		if err != nil {
			t.Fatal(err)
		}
		if err := cursor.Seek("a", ""); (err == nil) != c.fine {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
