package access

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
)

// table is an immutable map from names. A decision looks for the same few names
// in several tables and mostly finds nothing, which the built-in map is not made
// for: here a name is hashed once for all tables, and an absent one mostly costs
// no access to memory beyond the table itself.
type table[V any] struct {
	// filter has a bit for each name, by its hash: in a small table most absent
	// names end here.
	filter uint64
	// slots hold the upper half of a hash and the place of its entry, counted
	// from 1. At least half of them are 0, which ends a search.
	slots   []uint64
	mask    uint64     // len(slots) - 1
	entries []entry[V] // by name
}

type entry[V any] struct {
	name  string
	value V
}

const placeMask = 1<<32 - 1

func filterBit(hash uint64) uint64 { return 1 << (hash >> 58) }

func newTable[V any](seed maphash.Seed, entries []entry[V]) table[V] {
	if len(entries) == 0 {
		return table[V]{}
	}
	slices.SortFunc(entries, func(a, b entry[V]) int { return strings.Compare(a.name, b.name) })
	t := table[V]{mask: 1<<bits.Len(uint(2*len(entries)-1)) - 1, entries: entries}
	t.slots = make([]uint64, t.mask+1)
	place := uint64(0)
	for _, e := range entries {
		place++
		hash := maphash.String(seed, e.name)
		i := hash & t.mask
		for t.slots[i] != 0 {
			i = (i + 1) & t.mask
		}
		t.slots[i] = hash&^placeMask | place
		t.filter |= filterBit(hash)
	}
	return t
}

// find returns nil when there is no such name. What it points to must not be
// changed.
func (t *table[V]) find(hash uint64, name string) *V {
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
			if e := &t.entries[slot&placeMask-1]; e.name == name {
				return &e.value
			}
		}
	}
}

// with is a table in which name has the value.
func (t *table[V]) with(seed maphash.Seed, name string, value V) table[V] {
	entries := slices.Clone(t.entries)
	i, found := t.place(name)
	if found {
		entries[i].value = value
		return table[V]{filter: t.filter, slots: t.slots, mask: t.mask, entries: entries}
	}
	return newTable(seed, slices.Insert(entries, i, entry[V]{name, value}))
}

// without is a table that lacks name.
func (t *table[V]) without(seed maphash.Seed, name string) table[V] {
	i, found := t.place(name)
	if !found {
		return *t
	}
	return newTable(seed, slices.Delete(slices.Clone(t.entries), i, i+1))
}

func (t *table[V]) place(name string) (int, bool) {
	return slices.BinarySearchFunc(t.entries, name, func(e entry[V], name string) int { return strings.Compare(e.name, name) })
}

const shardCount = 256

// shards is a table in pieces, so that one entry more among a hundred thousand
// copies a few hundred.
type shards[V any] [shardCount]table[V]

// shardOf takes bits that a table uses neither for the slot, unless it is huge,
// nor for the filter.
func shardOf(hash uint64) uint64 { return hash >> 24 % shardCount }

func (s *shards[V]) find(hash uint64, name string) *V { return s[shardOf(hash)].find(hash, name) }

func (s *shards[V]) with(seed maphash.Seed, name string, value V) *shards[V] {
	changed := *s
	i := shardOf(maphash.String(seed, name))
	changed[i] = s[i].with(seed, name, value)
	return &changed
}

func newShards[V any](seed maphash.Seed, values map[string]V) *shards[V] {
	var entries [shardCount][]entry[V]
	for name, value := range values {
		i := shardOf(maphash.String(seed, name))
		entries[i] = append(entries[i], entry[V]{name, value})
	}
	s := new(shards[V])
	for i, e := range entries {
		s[i] = newTable(seed, e)
	}
	return s
}
