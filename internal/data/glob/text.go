package glob

import (
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// text is a path that a pattern is held against. What it finds out about a cell and a
// place in the text it keeps, so it finds it out once.
type text struct {
	path     string
	size     int // of what is kept by cells and places, once there is any
	ended    []places
	repeated []places // by groups
	going    []int8   // 1 for no, 2 for yes
	captures []string
	nowhere  places
}

// places are some in the text.
type places []uint64

func (p places) has(at int) bool { return p[at/64]>>(at%64)&1 != 0 }

func (p places) add(at int) { p[at/64] |= 1 << (at % 64) }

func (p places) or(q places) {
	for k, w := range q {
		p[k] |= w
	}
}

// each calls f for all places, the first one first, until it is false.
func (p places) each(f func(at int) bool) {
	for k, w := range p {
		for ; w != 0; w &= w - 1 {
			if !f(k*64 + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

func newText(g *Glob, path string) *text {
	t := &text{path: path, size: g.cells * (len(path) + 1)}
	t.nowhere = t.none()
	return t
}

func (t *text) none() places { return make(places, len(t.path)/64+1) }

func (t *text) index(c *cell, at int) int { return c.id*(len(t.path)+1) + at }

// length is that of the character at a place if the cell takes it, or 0.
func (t *text) length(c *cell, at int) int {
	if at == len(t.path) {
		return 0
	}
	r, n := utf8.DecodeRuneInString(t.path[at:])
	if c.kind == class && !c.has(r) || c.kind != anything && r == '/' {
		return 0
	}
	return n
}

// ends are the places where a cell and all behind it may end if it begins at a place.
func (t *text) ends(c *cell, at int) places {
	if c == nil {
		p := t.none()
		p.add(at)
		return p
	}
	if t.ended == nil {
		t.ended = make([]places, t.size)
	}
	if p := t.ended[t.index(c, at)]; p != nil {
		return p
	}
	p := t.nowhere
	switch c.kind {
	case literal:
		if strings.HasPrefix(t.path[at:], c.text) {
			p = t.ends(c.next, at+len(c.text))
		}
	case one, class:
		if n := t.length(c, at); n > 0 {
			p = t.ends(c.next, at+n)
		}
	case many, anything:
		p = t.ends(c.next, at)
		if n := t.length(c, at); n > 0 {
			p = t.union(p, t.ends(c, at+n))
		}
	case group:
		p = t.none()
		t.after(c, at).each(func(end int) bool {
			p.or(t.ends(c.next, end))
			return true
		})
	}
	t.ended[t.index(c, at)] = p
	return p
}

// union has the places of both; what it is given may be part of it.
func (t *text) union(p, q places) places {
	switch {
	case slices.Equal(p, t.nowhere) || slices.Equal(p, q):
		return q
	case slices.Equal(q, t.nowhere):
		return p
	}
	u := slices.Clone(p)
	u.or(q)
	return u
}

// either are the places where one of what is in a group may end.
func (t *text) either(c *cell, at int) places {
	p := t.none()
	for _, e := range c.either {
		p.or(t.ends(e, at))
	}
	return p
}

// after are the places where a group alone may end.
func (t *text) after(c *cell, at int) places {
	switch c.often {
	case '?':
		p := t.either(c, at)
		p.add(at)
		return p
	case '*', '+':
		p := slices.Clone(t.again(c, at))
		if c.often == '*' {
			p.add(at)
		}
		return p
	case '!':
		not, p, name := t.either(c, at), t.none(), &cell{kind: many}
		for {
			if !not.has(at) {
				p.add(at)
			}
			n := t.length(name, at)
			if n == 0 {
				return p
			}
			at += n
		}
	}
	return t.either(c, at)
}

// again are the places where one or more of what is in a group may end.
func (t *text) again(c *cell, at int) places {
	k := t.index(c, at)
	if t.repeated == nil {
		t.repeated = make([]places, t.size)
	}
	if t.repeated[k] == nil {
		all := t.either(c, at)
		slices.Clone(all).each(func(end int) bool {
			if end > at {
				all.or(t.again(c, end))
			}
			return true
		})
		t.repeated[k] = all
	}
	return t.repeated[k]
}

// capture finds what the groups matched between two places, which is known to match.
func (t *text) capture(c *cell, at, end int) {
	for c != nil {
		switch c.kind {
		case literal:
			at, c = at+len(c.text), c.next
		case one, class:
			at, c = at+t.length(c, at), c.next
		case many, anything:
			if n := t.length(c, at); n > 0 && t.ends(c, at+n).has(end) {
				at += n
			} else {
				c = c.next
			}
		case group:
			to := -1
			t.after(c, at).each(func(place int) bool {
				if t.ends(c.next, place).has(end) {
					to = place
				}
				return true
			})
			if c.number > 0 {
				t.captures[c.number-1] = t.path[at:to]
			}
			if c.often != '!' {
				t.inside(c, at, to)
			}
			at, c = to, c.next
		}
	}
}

// inside finds what the groups in a group matched.
func (t *text) inside(c *cell, at, end int) {
	for {
		to := end
		if c.often == '*' || c.often == '+' {
			to = at
			t.either(c, at).each(func(place int) bool {
				if place == end || place > at && t.again(c, place).has(end) {
					to = place
				}
				return true
			})
		}
		for _, e := range c.either {
			if t.ends(e, at).has(to) {
				t.capture(e, at, to)
				break
			}
		}
		if to == end || to == at {
			return
		}
		at = to
	}
}

// goesOn says whether the text from a place on may be the beginning, but not all, of
// what a cell and those behind it match.
func (t *text) goesOn(c *cell, at int) bool {
	if c == nil || at == len(t.path) {
		return c != nil
	}
	if t.going == nil {
		t.going = make([]int8, t.size)
	}
	k := t.index(c, at)
	if t.going[k] == 0 {
		t.going[k] = 1
		if t.mayGoOn(c, at) {
			t.going[k] = 2
		}
	}
	return t.going[k] == 2
}

func (t *text) mayGoOn(c *cell, at int) bool {
	switch c.kind {
	case anything:
		return true
	case literal:
		rest := t.path[at:]
		if len(rest) < len(c.text) {
			return strings.HasPrefix(c.text, rest)
		}
		return strings.HasPrefix(rest, c.text) && t.goesOn(c.next, at+len(c.text))
	case one, class:
		n := t.length(c, at)
		return n > 0 && t.goesOn(c.next, at+n)
	case many:
		n := t.length(c, at)
		return t.goesOn(c.next, at) || n > 0 && t.goesOn(c, at+n)
	}
	begins := t.none()
	begins.add(at)
	if c.often == '*' || c.often == '+' {
		begins.or(t.again(c, at))
	}
	on := false
	begins.each(func(place int) bool {
		for _, e := range c.either {
			on = on || c.often != '!' && t.goesOn(e, place)
		}
		return !on
	})
	t.after(c, at).each(func(place int) bool {
		on = on || place == len(t.path) || t.goesOn(c.next, place)
		return !on
	})
	return on
}
