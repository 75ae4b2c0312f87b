package table

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
)

// Table is an immutable map from names. A decision looks for the same few names
// in several tables and mostly finds nothing, which the built-in map is not made
// for: here a name is hashed once for all tables, and an absent one mostly costs
// no access to memory beyond the table itself.
type Table[V any] struct {
	// filter has a bit for each name, by its hash: in a small table most absent
	// names end here.
	filter uint64
	// slots hold the upper half of a hash and the place of its entry, counted
	// from 1. At least half of them are 0, which ends a search.
	slots   []uint64
	mask    uint64     // len(slots) - 1
	entries []Entry[V] // by name
}

type Entry[V any] struct {
	Name  string
	Value V
}

const placeMask = 1<<32 - 1

func filterBit(hash uint64) uint64 { return 1 << (hash >> 58) }

// New makes a table; it takes the slice over.
func New[V any](seed maphash.Seed, entries []Entry[V]) Table[V] {
	if len(entries) == 0 {
		return Table[V]{}
	}
	slices.SortFunc(entries, func(a, b Entry[V]) int { return strings.Compare(a.Name, b.Name) })
	t := Table[V]{mask: 1<<bits.Len(uint(2*len(entries)-1)) - 1, entries: entries}
	t.slots = make([]uint64, t.mask+1)
	place := uint64(0)
	for _, e := range entries {
		place++
		hash := maphash.String(seed, e.Name)
		i := hash & t.mask
		for t.slots[i] != 0 {
			i = (i + 1) & t.mask
		}
		t.slots[i] = hash&^placeMask | place
		t.filter |= filterBit(hash)
	}
	return t
}

// Find returns nil when there is no such name. What it points to must not be
// changed.
func (t *Table[V]) Find(hash uint64, name string) *V {
	if t.filter&filterBit(hash) == 0 {
		return nil
	}
	for i := hash & t.mask; ; i = (i + 1) & t.mask {
		slot := t.slots[i]
		if slot == 0 {
			return nil
		}
		// Halves of hashes may agree by chance; names decide.
		if (slot^hash)&^placeMask == 0 {
			if e := &t.entries[slot&placeMask-1]; e.Name == name {
				return &e.Value
			}
		}
	}
}

// with is a table in which name has the value.
func (t *Table[V]) with(seed maphash.Seed, name string, value V) Table[V] {
	entries := slices.Clone(t.entries)
	i, found := t.place(name)
	if found {
		entries[i].Value = value
		return Table[V]{filter: t.filter, slots: t.slots, mask: t.mask, entries: entries}
	}
	return New(seed, slices.Insert(entries, i, Entry[V]{name, value}))
}

// without is a table that lacks name.
func (t *Table[V]) without(seed maphash.Seed, name string) Table[V] {
	i, found := t.place(name)
	if !found {
		return *t
	}
	return New(seed, slices.Delete(slices.Clone(t.entries), i, i+1))
}

// Entries are all names with their values, by name; they must not be changed.
func (t *Table[V]) Entries() []Entry[V] { return t.entries }

func (t *Table[V]) place(name string) (int, bool) {
	return slices.BinarySearchFunc(t.entries, name, func(e Entry[V], name string) int { return strings.Compare(e.Name, name) })
}

const shardCount = 256

// Shards is a table in pieces, so that one entry more among a hundred thousand
// copies a few hundred.
type Shards[V any] [shardCount]Table[V]

// shardOf takes bits that a table uses neither for the slot, unless it is huge,
// nor for the filter.
func shardOf(hash uint64) uint64 { return hash >> 24 % shardCount }

// Find, With and Without are as those of Table.
func (s *Shards[V]) Find(hash uint64, name string) *V { return s[shardOf(hash)].Find(hash, name) }

func (s *Shards[V]) With(seed maphash.Seed, name string, value V) *Shards[V] {
	changed := *s
	i := shardOf(maphash.String(seed, name))
	changed[i] = s[i].with(seed, name, value)
	return &changed
}

func (s *Shards[V]) Without(seed maphash.Seed, name string) *Shards[V] {
	changed := *s
	i := shardOf(maphash.String(seed, name))
	changed[i] = s[i].without(seed, name)
	return &changed
}

// NewShards makes a table in pieces.
func NewShards[V any](seed maphash.Seed, values map[string]V) *Shards[V] {
	var entries [shardCount][]Entry[V]
	for name, value := range values {
		i := shardOf(maphash.String(seed, name))
		entries[i] = append(entries[i], Entry[V]{name, value})
	}
	s := new(Shards[V])
	for i, e := range entries {
		s[i] = New(seed, e)
	}
	return s
}

// Names are those that were met: one that a thousand rows repeat is kept once, and stays
// in the cache.
type Names map[string]string

// Keep is the name, without whatever it was read with.
func (n Names) Keep(name string) string {
	kept, met := n[name]
	if !met {
		kept = strings.Clone(name)
		n[kept] = kept
	}
	return kept
}
