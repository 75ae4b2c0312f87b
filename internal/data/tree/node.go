package tree

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

// item is an entry of a leaf, or a child of an inner node, whose key is the last below.
type item struct {
	name  string // a directory's ends with "/"
	datum string // empty for a directory
	// conflict says of an entry that an earlier one has its path.
	conflict  bool
	hash      Hash
	node      ID // of the directory, of the child, or of the extents aside
	size      int64
	files     int64
	conflicts int64 // below, without its own
	longest   int64 // of a directory or child
	extents   []Extent
}

// node is a node of a directory.
type node struct {
	level int // 0 for a leaf
	items []item
	// What is below, in all.
	size, files, conflicts, longest int64
}

func isDir(name string) bool { return strings.HasSuffix(name, "/") }

func (i *item) root() Root {
	return Root{Node: i.node, Hash: i.hash, Size: i.size, Files: i.files, Conflicts: i.conflicts, Longest: i.longest}
}

func (i *item) setRoot(r Root) {
	i.node, i.hash, i.size, i.files, i.conflicts, i.longest = r.Node, r.Hash, r.Size, r.Files, r.Conflicts, r.Longest
}

func (i *item) allConflicts() int64 {
	if i.conflict {
		return i.conflicts + 1
	}
	return i.conflicts
}

// same says whether two items are stored alike.
func (i *item) same(j *item) bool {
	return i.name == j.name && i.datum == j.datum && i.conflict == j.conflict && i.size == j.size && i.hash == j.hash &&
		i.node == j.node && i.files == j.files && i.conflicts == j.conflicts && i.longest == j.longest && slices.Equal(i.extents, j.extents)
}

// compare orders by name, then by datum.
func (i *item) compare(name, datum string) int {
	if c := strings.Compare(i.name, name); c != 0 {
		return c
	}
	return strings.Compare(i.datum, datum)
}

// find is the first item not before the key.
func (n *node) find(name, datum string) int {
	at, _ := slices.BinarySearchFunc(n.items, 0, func(i item, _ int) int {
		if i.compare(name, datum) < 0 {
			return -1
		}
		return 1
	})
	return at
}

// weigh is the weight of an item, in bytes.
func (i *item) weigh() int { return fixed + len(i.name) + len(i.datum) }

// ends says whether a node may end after an item. A longer one is more likely to, so
// that nodes have the same length whatever the names.
func ends(nodes Nodes, buf *[]byte, level int, i *item) bool {
	b := append((*buf)[:0], byte(level)) //nolint:gosec // at most maxLevel
	b = append(append(append(b, i.name...), 0), i.datum...)
	*buf = b
	s := nodes.Sum(b)
	return uint64(binary.BigEndian.Uint32(s[:]))*wanted < uint64(i.weigh())<<32 //nolint:gosec // a length
}

// encode is the stored form of a node.
func (n *node) encode() []byte {
	b := make([]byte, 0, most*2)
	kind := byte(kindLeaf)
	if n.level > 0 {
		kind = kindInner
	}
	b = append(b, version, kind, byte(n.level)) //nolint:gosec // at most maxLevel
	b = binary.AppendUvarint(b, uint64(len(n.items)))
	before := ""
	for k := range n.items {
		i := &n.items[k]
		b = i.encode(b, before, n.level)
		before = i.name
	}
	return b
}

func (i *item) encode(b []byte, before string, level int) []byte {
	entry := level == 0 && !isDir(i.name)
	var flags byte
	if i.datum != DefaultDatum && !isDir(i.name) {
		flags |= hasDatum
	}
	if i.conflict {
		flags |= hasConflict
	}
	if entry {
		parts := len(i.extents)
		if i.node != (ID{}) {
			parts = partsAside
		}
		flags |= byte(parts) << partsShift //nolint:gosec // at most partsAside
	}
	shared := 0
	for shared < len(before) && shared < len(i.name) && before[shared] == i.name[shared] {
		shared++
	}
	b = append(b, flags)
	b = appendCounts(b, int64(shared), int64(len(i.name)-shared))
	b = append(b, i.name[shared:]...)
	if flags&hasDatum != 0 {
		b = append(appendCounts(b, int64(len(i.datum))), i.datum...)
	}
	b = append(b, i.hash[:]...)
	b = appendCounts(b, i.size)
	if !entry {
		return appendCounts(append(b, i.node[:]...), i.files, i.conflicts, i.longest)
	}
	if i.node != (ID{}) {
		return append(b, i.node[:]...)
	}
	return appendExtents(b, i.extents)
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
func (n *node) content(nodes Nodes) Hash {
	b := make([]byte, 0, wanted*2)
	b = append(b, version, kindLeaf)
	if n.level > 0 {
		b[1] = kindInner
	}
	for k := range n.items {
		i := &n.items[k]
		b = append(b, i.hash[:]...)
		if n.level > 0 {
			continue
		}
		b = append(appendCounts(b, i.size, int64(len(i.name))), i.name...)
		b = append(appendCounts(b, int64(len(i.datum))), i.datum...)
	}
	return nodes.Sum(b)
}

// count adds up what is below.
func (n *node) count() bool {
	n.size, n.files, n.conflicts, n.longest = 0, 0, 0, 0
	for k := range n.items {
		i := &n.items[k]
		var a, b, c bool
		n.size, a = sum(n.size, i.size)
		n.files, b = sum(n.files, i.files)
		n.conflicts, c = sum(n.conflicts, i.allConflicts())
		if !a || !b || !c {
			return false
		}
		long := i.longest
		if n.level == 0 {
			long += int64(len(i.name))
		}
		n.longest = max(n.longest, long)
	}
	return n.longest <= MaxPath
}

// decoder reads bytes that may be damaged: after the first fault it gives zeros.
type decoder struct {
	b   []byte
	bad bool
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
	all := make([]Extent, n)
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

// decode reads a node of a directory.
func decode(data []byte) (*node, error) {
	d := &decoder{b: data}
	kind, level, count := d.head()
	if d.bad || kind != kindLeaf && kind != kindInner || (kind == kindLeaf) != (level == 0) {
		return nil, damaged("a node does not begin as one does")
	}
	n := &node{level: level, items: make([]item, count)}
	ends := make([]int, count)
	var names []byte
	from := 0
	for k := range n.items {
		next := d.item(&n.items[k], names, from, level)
		from, names = len(names), next
		ends[k] = len(names)
		if d.bad {
			return nil, damaged("item %d of %d of a node", k+1, count)
		}
	}
	if len(d.b) != 0 {
		return nil, damaged("%d bytes after the end of a node", len(d.b))
	}
	from = 0
	all := string(names)
	for k := range n.items {
		i := &n.items[k]
		i.name = all[from:ends[k]]
		from = ends[k]
		if !i.sound(level) || k > 0 && i.compare(n.items[k-1].name, n.items[k-1].datum) <= 0 {
			return nil, damaged("item %d of %d of a node", k+1, count)
		}
	}
	if !n.count() {
		return nil, damaged("a node counts more than there can be")
	}
	return n, nil
}

// item reads one and gives the names with its own at the end; the one before begins
// at from.
func (d *decoder) item(i *item, names []byte, from, level int) []byte {
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
		i.datum = string(d.take(n))
	case !dir:
		i.datum = DefaultDatum
	}
	i.conflict = flags&hasConflict != 0
	i.hash, i.size = d.sum(), d.count()
	parts := int(flags >> partsShift)
	switch {
	case level > 0 || dir:
		i.node, i.files, i.conflicts, i.longest = d.sum(), d.count(), d.count(), d.count()
		d.bad = d.bad || parts != 0 || i.longest > MaxPath
	case parts == partsAside:
		i.node, i.files = d.sum(), 1
		d.bad = d.bad || i.node == ID{}
	default:
		i.extents, i.files = d.extents(parts), 1
	}
	return names
}

// sound says whether an item could be one of ours by itself.
func (i *item) sound(level int) bool {
	name := strings.TrimSuffix(i.name, "/")
	if name == "" || strings.Contains(name, "/") {
		return false
	}
	if level > 0 {
		return i.node != ID{} && i.files > 0 && !i.conflict
	}
	if isDir(i.name) {
		return i.node != ID{} && i.files > 0
	}
	if i.node != (ID{}) {
		return true
	}
	return total(i.extents) == i.size
}

// total is the length of extents together, in bytes, or -1 if no file is as long.
func total(extents []Extent) int64 {
	var size int64
	for _, e := range extents {
		var ok bool
		if size, ok = sum(size, e.Length); !ok || e.Length <= 0 || e.Offset < 0 {
			return -1
		}
	}
	return size
}
