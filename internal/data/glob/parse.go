package glob

import (
	"slices"
	"strings"
	"unicode/utf8"

	"pachyderm/internal/fault"
)

type kind uint8

const (
	literal  kind = iota
	one           // ?
	class         // [...]
	many          // *
	anything      // **
	group         // (...), @(...), ?(...), *(...), +(...), !(...) and {...}
)

// cell is a part of a pattern, and leads to the part behind it.
type cell struct {
	kind kind
	id   int
	next *cell

	text string // of a literal
	// Of a class: pairs of first and last characters, ascending; it never has "/".
	ranges  []rune
	negated bool

	// Of a group: how often it stands, what may stand in its place (nil is nothing), and
	// which number it has, from 1; 0 for braces.
	often  byte
	either []*cell
	number int
}

type parser struct {
	pattern string
	rest    string
	cells   int
	groups  int
	// without says that there is a !(...).
	without bool
}

func (p *parser) fail(what, next string) *fault.Error {
	return fault.New(fault.Invalid, "glob (%s) invalid: %s", shown(p.pattern), what).Next("%s", next)
}

// shown is a pattern as errors have it.
func shown(pattern string) string { return fault.Clean(pattern, maxShown) }

func (p *parser) add(c *cell) *cell {
	c.id = p.cells
	p.cells++
	return c
}

// sequence reads up to one of the stops, which it leaves, or to the end.
func (p *parser) sequence(stops string, depth int) ([]*cell, error) {
	if depth > MaxNesting {
		return nil, p.fail("its groups are nested too deeply", "nest fewer")
	}
	var all []*cell
	for p.rest != "" && !strings.ContainsRune(stops, rune(p.rest[0])) {
		c, err := p.cell(depth)
		if err != nil {
			return nil, err
		}
		if last := len(all) - 1; c.kind == literal && last >= 0 && all[last].kind == literal {
			all[last].text += c.text
			continue
		}
		all = append(all, p.add(c))
	}
	return all, nil
}

// link makes cells lead to one another.
func link(all []*cell) *cell {
	for k := 1; k < len(all); k++ {
		all[k-1].next = all[k]
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// cell reads one part, which is yet to be added.
func (p *parser) cell(depth int) (*cell, error) {
	c := p.rest[0]
	if len(p.rest) > 1 && p.rest[1] == '(' && strings.IndexByte("@?*+!", c) >= 0 {
		p.rest = p.rest[2:]
		return p.group(c, ")", depth)
	}
	switch c {
	case '(':
		p.rest = p.rest[1:]
		return p.group('@', ")", depth)
	case '{':
		p.rest = p.rest[1:]
		return p.group('{', "}", depth)
	case '[':
		p.rest = p.rest[1:]
		return p.class()
	case ')', '}', ']':
		return nil, p.fail("its "+string(c)+" closes nothing", "write \\"+string(c)+" for the character")
	case '*':
		return p.stars(), nil
	case '?':
		p.rest = p.rest[1:]
		return &cell{kind: one}, nil
	}
	r, err := p.character()
	return &cell{kind: literal, text: string(r)}, err
}

// stars reads as many as stand together: more than two are two, since each costs time in
// every path. The last before a bracket is that group's.
func (p *parser) stars() *cell {
	rest := strings.TrimLeft(p.rest, "*")
	n := len(p.rest) - len(rest)
	if strings.HasPrefix(rest, "(") {
		n--
	}
	p.rest = p.rest[n:]
	if n > 1 {
		return &cell{kind: anything}
	}
	return &cell{kind: many}
}

// character reads one, which a backslash may stand before.
func (p *parser) character() (rune, error) {
	if p.rest[0] == '\\' {
		if p.rest = p.rest[1:]; p.rest == "" {
			return 0, p.fail("nothing follows its last \\", "write \\\\ for the character")
		}
	}
	r, n := utf8.DecodeRuneInString(p.rest)
	p.rest = p.rest[n:]
	return r, nil
}

// group reads what may stand in one place, up to its closing bracket.
func (p *parser) group(often byte, closing string, depth int) (*cell, error) {
	c := cell{kind: group, often: often}
	between := ","
	if closing == ")" {
		between = "|"
		p.groups++
		c.number = p.groups
	}
	p.without = p.without || often == '!'
	for {
		all, err := p.sequence(between+closing, depth+1)
		if err != nil {
			return nil, err
		}
		c.either = append(c.either, link(all))
		if p.rest == "" {
			return nil, p.fail("a group is not closed", "end it with "+closing+", or write \\ before its first bracket")
		}
		end := p.rest[:1]
		p.rest = p.rest[1:]
		if end == closing {
			return &c, nil
		}
	}
}

// class reads the characters of one up to its bracket.
func (p *parser) class() (*cell, error) {
	c := cell{kind: class}
	if p.rest != "" && (p.rest[0] == '!' || p.rest[0] == '^') {
		c.negated = true
		p.rest = p.rest[1:]
	}
	var pairs [][2]rune
	for p.rest != "" && p.rest[0] != ']' {
		first, last, err := p.span()
		if err != nil {
			return nil, err
		}
		if first <= '/' && last >= '/' { // no class has the separator
			pairs = append(pairs, [2]rune{first, '/' - 1}, [2]rune{'/' + 1, last})
		} else {
			pairs = append(pairs, [2]rune{first, last})
		}
	}
	if p.rest == "" {
		return nil, p.fail("a [ is not closed", "end it with ], or write \\[ for the character")
	}
	p.rest = p.rest[1:]
	slices.SortFunc(pairs, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	for _, pair := range pairs {
		if pair[0] <= pair[1] {
			c.ranges = append(c.ranges, pair[0], pair[1])
		}
	}
	if len(pairs) == 0 || len(c.ranges) == 0 && !c.negated {
		return nil, p.fail("a [] has no characters that can be in a name", "name some")
	}
	return &c, nil
}

// span reads a character of a class, or a range of them.
func (p *parser) span() (first, last rune, err error) {
	if first, err = p.character(); err != nil {
		return 0, 0, err
	}
	last = first
	if len(p.rest) > 1 && p.rest[0] == '-' && p.rest[1] != ']' {
		p.rest = p.rest[1:]
		if last, err = p.character(); err != nil {
			return 0, 0, err
		}
	}
	if last < first {
		return 0, 0, p.fail("a range of its characters is backwards", "write the smaller one first")
	}
	return first, last, nil
}

// has says whether a class has a character.
func (c *cell) has(r rune) bool {
	if r == '/' {
		return false
	}
	for k := 0; k < len(c.ranges); k += 2 {
		if c.ranges[k] <= r && r <= c.ranges[k+1] {
			return !c.negated
		}
	}
	return c.negated
}
