package btree

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// The kinds of nodes, after the version in the first two bytes.
const (
	version = 1

	kindLeaf    = 1 // entries of a directory
	kindInner   = 2 // nodes of a directory
	kindParts   = 3 // extents of a file
	kindPartsOf = 4 // nodes with extents
)

const (
	// wanted is about how long a node is on average, in bytes, and most is after how
	// many bytes it ends at the latest. Both count an entry's weight, which is about
	// what it takes and never depends on where bytes lie.
	wanted = 8 << 10
	most   = 16 << 10
	// fixed is the weight of an entry beside its key.
	fixed = 80
	// inline is how many extents an entry has itself.
	inline = 2
	// maxNode is longer than any node of ours, in bytes.
	maxNode = 64 << 10
	// maxLevel is deeper than any tree of ours: a level has at most half of the nodes
	// of the one below.
	maxLevel = 63
)

// What the first byte of an item says.
const (
	hasDatum    = 1 << 0
	hasConflict = 1 << 1
	partsShift  = 2 // two bits: so many extents, or aside
	partsAside  = inline + 1
	flagsKnown  = 1<<4 - 1
)

// Item is an entry of a leaf, or a child of an inner node, whose key is the last below.
type Item struct {
	Name  string // a directory's ends with "/"
	Datum string // empty for a directory
	// conflict says of an entry that an earlier one has its path.
	Conflict  bool
	Hash      Hash
	Node      ID // of the directory, of the child, or of the extents aside
	Size      int64
	Files     int64
	Conflicts int64 // below, without its own
	Longest   int64 // of a directory or child
	Extents   []Extent
}

// Node is a node of a directory.
type Node struct {
	Level int // 0 for a leaf
	Items []Item
	// What is below, in all.
	Size, Files, Conflicts, Longest int64
}

// IsDir says whether a name is a directory's.
func IsDir(name string) bool { return strings.HasSuffix(name, "/") }

// Root is the directory, or the part of one, that an item is of.
func (i *Item) Root() Root {
	return Root{Node: i.Node, Hash: i.Hash, Size: i.Size, Files: i.Files, Conflicts: i.Conflicts, Longest: i.Longest}
}

// SetRoot makes it an item of a directory.
func (i *Item) SetRoot(r Root) {
	i.Node, i.Hash, i.Size, i.Files, i.Conflicts, i.Longest = r.Node, r.Hash, r.Size, r.Files, r.Conflicts, r.Longest
}

// AllConflicts are those of the item itself and below.
func (i *Item) AllConflicts() int64 {
	if i.Conflict {
		return i.Conflicts + 1
	}
	return i.Conflicts
}

// Same says whether two items are stored alike.
func (i *Item) Same(j *Item) bool {
	return i.Name == j.Name && i.Datum == j.Datum && i.Conflict == j.Conflict && i.Size == j.Size && i.Hash == j.Hash &&
		i.Node == j.Node && i.Files == j.Files && i.Conflicts == j.Conflicts && i.Longest == j.Longest && slices.Equal(i.Extents, j.Extents)
}

// Compare orders by name, then by datum.
func (i *Item) Compare(name, datum string) int {
	if c := strings.Compare(i.Name, name); c != 0 {
		return c
	}
	return strings.Compare(i.Datum, datum)
}

// find is the first item not before the key.
func (n *Node) find(name, datum string) int {
	at, _ := slices.BinarySearchFunc(n.Items, 0, func(i Item, _ int) int {
		if i.Compare(name, datum) < 0 {
			return -1
		}
		return 1
	})
	return at
}

// spans says whether the first item not before a key is in the node, whatever is in others.
func (n *Node) spans(name, datum string) bool {
	return n.Items[0].Compare(name, datum) <= 0 && n.Items[len(n.Items)-1].Compare(name, datum) >= 0
}

// weigh is the weight of an item, in bytes.
func (i *Item) weigh() int { return fixed + len(i.Name) + len(i.Datum) }

// ending says where nodes of a level end, given their items one after the other.
type ending struct {
	nodes Nodes
	level int
	// What the node has so far.
	items, weight int
	buf           []byte
}

// after says whether the node ends with an item. A longer item is more likely to be the
// last, so that nodes have the same length whatever the names.
func (e *ending) after(i *Item) bool {
	w := i.weigh()
	e.items++
	e.weight += w
	// An inner node has two children, so that each level is shorter than the one below.
	if e.weight < most && (e.level > 0 && e.items < 2 || !e.hits(i, w)) {
		return false
	}
	e.items, e.weight = 0, 0
	return true
}

func (e *ending) hits(i *Item, weight int) bool {
	b := append(e.buf[:0], byte(e.level)) //nolint:gosec // at most maxLevel
	e.buf = append(append(append(b, i.Name...), 0), i.Datum...)
	s := e.nodes.Sum(e.buf)
	return uint64(binary.BigEndian.Uint32(s[:]))*wanted < uint64(weight)<<32 //nolint:gosec // a length
}

// encode is the stored form of a node.
func (n *Node) encode() []byte {
	long := 16
	for k := range n.Items {
		long += n.Items[k].weigh() + 32
	}
	b := make([]byte, 0, long)
	kind := byte(kindLeaf)
	if n.Level > 0 {
		kind = kindInner
	}
	b = append(b, version, kind, byte(n.Level)) //nolint:gosec // at most maxLevel
	b = binary.AppendUvarint(b, uint64(len(n.Items)))
	before := ""
	for k := range n.Items {
		i := &n.Items[k]
		b = i.encode(b, before, n.Level)
		before = i.Name
	}
	return b
}

func (i *Item) encode(b []byte, before string, level int) []byte {
	entry := level == 0 && !IsDir(i.Name)
	var flags byte
	if i.Datum != DefaultDatum && !IsDir(i.Name) {
		flags |= hasDatum
	}
	if i.Conflict {
		flags |= hasConflict
	}
	if entry {
		parts := len(i.Extents)
		if i.Node != (ID{}) {
			parts = partsAside
		}
		flags |= byte(parts) << partsShift
	}
	shared := 0
	for shared < len(before) && shared < len(i.Name) && before[shared] == i.Name[shared] {
		shared++
	}
	b = append(b, flags)
	b = appendCounts(b, int64(shared), int64(len(i.Name)-shared))
	b = append(b, i.Name[shared:]...)
	if flags&hasDatum != 0 {
		b = append(appendCounts(b, int64(len(i.Datum))), i.Datum...)
	}
	b = append(b, i.Hash[:]...)
	b = appendCounts(b, i.Size)
	if !entry {
		return appendCounts(append(b, i.Node[:]...), i.Files, i.Conflicts, i.Longest)
	}
	if i.Node != (ID{}) {
		return append(b, i.Node[:]...)
	}
	return appendExtents(b, i.Extents)
}

func appendCounts(b []byte, counts ...int64) []byte {
	for _, n := range counts {
		b = binary.AppendUvarint(b, uint64(n)) //nolint:gosec // a count is never negative
	}
	return b
}

func appendExtents(b []byte, extents []Extent) []byte {
	for _, e := range extents {
		b = appendCounts(append(b, e.Blob[:]...), e.Offset, e.Length)
	}
	return b
}

// content is the hash of what a node stands for.
func (n *Node) content(nodes Nodes) Hash {
	b := make([]byte, 0, wanted*2)
	b = append(b, version, kindLeaf)
	if n.Level > 0 {
		b[1] = kindInner
	}
	for k := range n.Items {
		i := &n.Items[k]
		b = append(b, i.Hash[:]...)
		if n.Level > 0 {
			continue
		}
		b = append(appendCounts(b, i.Size, int64(len(i.Name))), i.Name...)
		b = append(appendCounts(b, int64(len(i.Datum))), i.Datum...)
	}
	return nodes.Sum(b)
}

// count adds up what is below.
func (n *Node) count() bool {
	n.Size, n.Files, n.Conflicts, n.Longest = 0, 0, 0, 0
	for k := range n.Items {
		i := &n.Items[k]
		var a, b, c bool
		n.Size, a = sum(n.Size, i.Size)
		n.Files, b = sum(n.Files, i.Files)
		n.Conflicts, c = sum(n.Conflicts, i.AllConflicts())
		if !a || !b || !c {
			return false
		}
		long := i.Longest
		if n.Level == 0 {
			long += int64(len(i.Name))
		}
		n.Longest = max(n.Longest, long)
	}
	return n.Longest <= MaxPath
}

// holds says whether a node counts what its root does.
func (n *Node) holds(of Root) bool {
	return n.Size == of.Size && n.Files == of.Files && n.Conflicts == of.Conflicts && n.Longest == of.Longest
}

// decoder reads bytes that may be damaged: after the first fault it gives zeros.
type decoder struct {
	b   []byte
	bad bool
	// spare is room for extents of further items.
	spare []Extent
}

func (d *decoder) take(n int64) []byte {
	if d.bad || n < 0 || n > int64(len(d.b)) {
		d.bad = true
		return nil
	}
	taken := d.b[:n]
	d.b = d.b[n:]
	return taken
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) count() int64 {
	v, n := binary.Uvarint(d.b)
	if d.bad || n <= 0 || v > math.MaxInt64 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return int64(v)
}

func (d *decoder) sum() (s [32]byte) {
	copy(s[:], d.take(32))
	return s
}

func (d *decoder) extents(n int) []Extent {
	if n == 0 || n > len(d.b)/34 {
		d.bad = d.bad || n != 0
		return nil
	}
	if n > len(d.spare) {
		d.spare = make([]Extent, n)
	}
	all := d.spare[:n:n]
	d.spare = d.spare[n:]
	for k := range all {
		e := &all[k]
		e.Blob, e.Offset, e.Length = d.sum(), d.count(), d.count()
		if _, ok := sum(e.Offset, e.Length); !ok || e.Length == 0 {
			d.bad = true
		}
	}
	return all
}

// head reads what each node begins with; smallest is the length of an item.
func (d *decoder) head() (kind byte, level, count int) {
	if len(d.b) > maxNode || d.byte() != version {
		d.bad = true
		return 0, 0, 0
	}
	kind, level = d.byte(), int(d.byte())
	n := d.count()
	// An item has a hash and two counts at least.
	if n == 0 || n > int64(len(d.b)/34) || level > maxLevel {
		d.bad = true
		return 0, 0, 0
	}
	return kind, level, int(n)
}

// Decode reads a node of a directory.
func Decode(data []byte) (*Node, error) {
	d := &decoder{b: data}
	kind, level, count := d.head()
	if d.bad || kind != kindLeaf && kind != kindInner || (kind == kindLeaf) != (level == 0) {
		return nil, Damaged("a node does not begin as one does")
	}
	n := &Node{Level: level, Items: make([]Item, count)}
	if level == 0 {
		d.spare = make([]Extent, count) // most have one
	}
	ends := make([]int, count)
	var names []byte
	from := 0
	for k := range n.Items {
		next := d.Item(&n.Items[k], names, from, level)
		from, names = len(names), next
		ends[k] = len(names)
		if d.bad {
			return nil, Damaged("item %d of %d of a node", k+1, count)
		}
	}
	if len(d.b) != 0 {
		return nil, Damaged("%d bytes after the end of a node", len(d.b))
	}
	from = 0
	all := string(names)
	for k := range n.Items {
		i := &n.Items[k]
		i.Name = all[from:ends[k]]
		from = ends[k]
		if !i.sound(level) || k > 0 && i.Compare(n.Items[k-1].Name, n.Items[k-1].Datum) <= 0 {
			return nil, Damaged("item %d of %d of a node", k+1, count)
		}
	}
	if !n.count() {
		return nil, Damaged("a node counts more than there can be")
	}
	return n, nil
}

// item reads one and gives the names with its own at the end; the one before begins
// at from.
func (d *decoder) Item(i *Item, names []byte, from, level int) []byte {
	flags := d.byte()
	shared, more := d.count(), d.count()
	if flags&^flagsKnown != 0 || shared > int64(len(names)-from) || shared+more > MaxPath || more < 0 {
		d.bad = true
		return names
	}
	at := len(names)
	names = append(names, names[from:from+int(shared)]...)
	names = append(names, d.take(more)...)
	dir := len(names) > at && names[len(names)-1] == '/'
	switch {
	case flags&hasDatum != 0:
		n := d.count()
		if n == 0 || n > MaxDatum || dir {
			d.bad = true
		}
		i.Datum = string(d.take(n))
	case !dir:
		i.Datum = DefaultDatum
	}
	i.Conflict = flags&hasConflict != 0
	i.Hash, i.Size = d.sum(), d.count()
	parts := int(flags >> partsShift)
	switch {
	case level > 0 || dir:
		i.Node, i.Files, i.Conflicts, i.Longest = d.sum(), d.count(), d.count(), d.count()
		d.bad = d.bad || parts != 0 || i.Longest > MaxPath
	case parts == partsAside:
		i.Node, i.Files = d.sum(), 1
		d.bad = d.bad || i.Node == ID{}
	default:
		i.Extents, i.Files = d.extents(parts), 1
	}
	return names
}

// sound says whether an item could be one of ours by itself.
func (i *Item) sound(level int) bool {
	name := strings.TrimSuffix(i.Name, "/")
	if name == "" || strings.Contains(name, "/") {
		return false
	}
	if level > 0 {
		return i.Node != ID{} && i.Files > 0 && !i.Conflict
	}
	if IsDir(i.Name) {
		return i.Node != ID{} && i.Files > 0
	}
	if i.Node != (ID{}) {
		return true
	}
	return Total(i.Extents) == i.Size
}

// Total is the length of extents together, in bytes, or -1 if no file is as long.
func Total(extents []Extent) int64 {
	var size int64
	for _, e := range extents {
		var ok bool
		if size, ok = sum(size, e.Length); !ok || e.Length <= 0 || e.Offset < 0 {
			return -1
		}
	}
	return size
}
