package glob

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"pachyderm/internal/fault"
)

// Limits of a pattern.
const (
	MaxLength  = 4096 // bytes
	MaxWithout = 128  // bytes, with a !(...)
	MaxGroups  = 16   // groups, with a !(...)
	MaxNesting = 32   // groups in one another
	// MaxCells bounds what a path costs, whose every character each may have to be held
	// against: text without a meaning is one of any length, and so is a run of "*".
	MaxCells = 256

	maxShown = 200 // characters of a pattern in an error
)

// Glob is a compiled pattern. It is safe for concurrent use.
type Glob struct {
	// first is nil for the pattern of the root.
	first  *cell
	cells  int
	groups int
	prefix string
	// expression is nil for a pattern with !(...), which regular expressions lack. It
	// matches as capturing does, but where that has groups it takes a small part of the time.
	expression, capturing *regexp.Regexp
}

// Compile reads a pattern: "*" stands for any characters but "/", "**" for any, "?" for
// one but "/", [a-z] and [!a-z] for one of a class, {a,b} for either; of groups, (a|b)
// and @(a|b) stand for one of what is in them, ?(a|b) for none or one, *(a|b) for any
// number, +(a|b) for one or more, and !(a|b) for characters but "/" that are neither.
// "\" takes the meaning from the character behind it. Slashes at the ends do not count,
// and "/" is the root. A malformed pattern is fault.Invalid.
func Compile(pattern string) (*Glob, error) {
	p := &parser{pattern: pattern, rest: strings.TrimLeft(pattern, "/")}
	if len(pattern) > MaxLength {
		return nil, fault.New(fault.Invalid, "glob of %d bytes", len(pattern)).Next("use at most %d", MaxLength)
	}
	if !utf8.ValidString(pattern) {
		return nil, fault.New(fault.Invalid, "glob (%s) invalid: it is not UTF-8", shown(pattern)).Next("write it in UTF-8")
	}
	all, err := p.sequence("", 0)
	if err != nil {
		return nil, err
	}
	if p.without && len(pattern) > MaxWithout {
		return nil, fault.New(fault.Invalid, "glob of %d bytes with !(...)", len(pattern)).Next("use at most %d", MaxWithout)
	}
	if p.cells > MaxCells {
		return nil, p.fail(fmt.Sprintf("it has %d parts", p.cells), fmt.Sprintf("use at most %d, in several patterns if it has to be", MaxCells))
	}
	if p.without && p.groups > MaxGroups {
		return nil, fault.New(fault.Invalid, "glob of %d groups with !(...)", p.groups).Next("use at most %d", MaxGroups)
	}
	if last := len(all) - 1; last >= 0 && all[last].kind == literal {
		if all[last].text = strings.TrimRight(all[last].text, "/"); all[last].text == "" {
			all = all[:last]
		}
	}
	g := &Glob{groups: p.groups, prefix: "/"}
	if len(all) == 0 {
		return g, nil
	}
	if all[0].kind != literal {
		all = append([]*cell{p.add(&cell{kind: literal})}, all...)
	}
	all[0].text = "/" + all[0].text
	g.first, g.prefix, g.cells = link(all), all[0].text, p.cells
	if p.without {
		return g, nil
	}
	g.expression, err = g.first.compile("(?:")
	if err == nil {
		g.capturing, err = g.first.compile("(")
	}
	if err != nil {
		return nil, p.fail("it is too large", "write a shorter one").Because(err)
	}
	return g, nil
}

// compile makes a regular expression of a cell and those behind it, whose groups with a
// number begin as given.
func (c *cell) compile(begin string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	c.express(&b, begin)
	b.WriteString(`\z`)
	return regexp.Compile(b.String())
}

func (c *cell) express(b *strings.Builder, begin string) {
	for ; c != nil; c = c.next {
		switch c.kind {
		case literal:
			b.WriteString(regexp.QuoteMeta(c.text))
		case one:
			b.WriteString("[^/]")
		case many:
			b.WriteString("[^/]*")
		case anything:
			b.WriteString(".*")
		case class:
			b.WriteString("[")
			if c.negated {
				b.WriteString("^/")
			}
			for k := 0; k < len(c.ranges); k += 2 {
				fmt.Fprintf(b, `\x{%x}-\x{%x}`, c.ranges[k], c.ranges[k+1])
			}
			b.WriteString("]")
		case group:
			c.expressGroup(b, begin)
		}
	}
}

func (c *cell) expressGroup(b *strings.Builder, begin string) {
	if c.number > 0 {
		b.WriteString(begin)
	}
	b.WriteString("(?:")
	for k, e := range c.either {
		if k > 0 {
			b.WriteString("|")
		}
		e.express(b, begin)
	}
	b.WriteString(")")
	if strings.IndexByte("?*+", c.often) >= 0 {
		b.WriteByte(c.often)
	}
	if c.number > 0 {
		b.WriteString(")")
	}
}

// Match says whether the pattern matches a path, which is clean, begins with "/" and
// does not end with one unless it is the root. Only the root's pattern matches the root.
func (g *Glob) Match(path string) bool {
	switch {
	case path == "/" || g.first == nil:
		return path == "/" && g.first == nil
	case g.expression != nil:
		return g.expression.MatchString(path)
	case !strings.HasPrefix(path, g.prefix):
		return false
	}
	return newText(g, path).ends(g.first, 0).has(len(path))
}

// Captures are what the groups in parentheses matched, in the order in which they open;
// empty for one that took no part. It is nil if the pattern does not match. Of several
// ways to match, earlier parts take more.
func (g *Glob) Captures(path string) []string {
	if !g.Match(path) {
		return nil
	}
	if g.first == nil {
		return []string{}
	}
	if g.expression != nil {
		return g.capturing.FindStringSubmatch(path)[1:]
	}
	t := newText(g, path)
	t.captures = make([]string, g.groups)
	t.capture(g.first, 0, len(path))
	return t.captures
}

// Prefix is what all paths that match begin with.
func (g *Glob) Prefix() string { return g.prefix }

// MayContain says whether something in a directory, at any depth, may match; it is true
// at times though nothing does. The directory's path is like one for Match.
func (g *Glob) MayContain(dir string) bool {
	if g.first == nil {
		return false
	}
	if dir != "/" {
		dir += "/"
	}
	if !strings.HasPrefix(dir, g.prefix) && !strings.HasPrefix(g.prefix, dir) {
		return false
	}
	return newText(g, dir).goesOn(g.first, 0)
}
