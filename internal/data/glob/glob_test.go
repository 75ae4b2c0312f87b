package glob

import (
	"path"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pachyderm/internal/fault"
)

// Each row is derived from the grammar by hand.
var matches = []struct {
	pattern  string
	yes, no  []string
	captures []string // of the first of yes
}{
	// The root, and slashes at the ends.
	{"/", []string{"/"}, []string{"/a", "/a/b"}, []string{}},
	{"", []string{"/"}, []string{"/a"}, []string{}},
	{"//", []string{"/"}, []string{"/a"}, []string{}},
	{"/a/", []string{"/a"}, []string{"/", "/a/b", "/aa"}, []string{}},
	{"a", []string{"/a"}, []string{"/b/a", "/"}, []string{}},
	{"/*/", []string{"/a", "/b.c"}, []string{"/", "/a/b"}, []string{}},
	// Literals.
	{"/a", []string{"/a"}, []string{"/A", "/ab", "/b", "/a/a", "/"}, []string{}},
	{"/a/b.txt", []string{"/a/b.txt"}, []string{"/a/bxtxt", "/a/b.txt/c", "/a", "/a/b"}, []string{}},
	{"/a b", []string{"/a b"}, []string{"/ab"}, []string{}},
	{"/a.b$c", []string{"/a.b$c"}, []string{"/axb$c"}, []string{}},
	{"/a,b|c-d", []string{"/a,b|c-d"}, []string{"/a", "/c-d"}, []string{}},
	{"/é", []string{"/é"}, []string{"/e"}, []string{}},
	{"/a@b", []string{"/a@b"}, []string{"/ab"}, []string{}},
	{"/a+b", []string{"/a+b"}, []string{"/ab", "/aab"}, []string{}},
	{"/a!b", []string{"/a!b"}, []string{"/ab"}, []string{}},
	{"/a^b", []string{"/a^b"}, []string{"/ab"}, []string{}},
	// *
	{"/*", []string{"/a", "/abc", "/.x", "/é"}, []string{"/", "/a/b"}, []string{}},
	{"*", []string{"/a"}, []string{"/a/b", "/"}, []string{}},
	{"/a*", []string{"/a", "/ab", "/abc"}, []string{"/ba", "/a/b", "/"}, []string{}},
	{"/*a", []string{"/a", "/ba"}, []string{"/ab", "/b/a"}, []string{}},
	{"/a*b*c", []string{"/abc", "/axbyc", "/abbcc"}, []string{"/ab", "/ab/c", "/acb"}, []string{}},
	{"/*/*", []string{"/a/b"}, []string{"/a", "/a/b/c", "/"}, []string{}},
	{"/a/*/c", []string{"/a/b/c"}, []string{"/a/c", "/a/b/d/c", "/a/b/c/d"}, []string{}},
	{"/*.txt", []string{"/a.txt", "/.txt"}, []string{"/a.txt/b", "/atxt"}, []string{}},
	// **
	{"/**", []string{"/a", "/a/b", "/a/b/c"}, []string{"/"}, []string{}},
	{"**", []string{"/a", "/a/b"}, []string{"/"}, []string{}},
	{"/a/**", []string{"/a/b", "/a/b/c"}, []string{"/a", "/b/c"}, []string{}},
	{"/**/b", []string{"/a/b", "/a/a/b"}, []string{"/b", "/a/b/c"}, []string{}},
	{"/**b", []string{"/b", "/a/b", "/ab"}, []string{"/a/bc"}, []string{}},
	{"/a**b", []string{"/ab", "/axb", "/a/x/b"}, []string{"/a/x/bc", "/xb"}, []string{}},
	{"/***", []string{"/a", "/a/b"}, []string{"/"}, []string{}},
	{"/a*****b", []string{"/ab", "/axb", "/a/x/b"}, []string{"/xb"}, []string{}},
	{"/(***)-b", []string{"/a/x-b", "/-b"}, []string{"/a-c"}, []string{"a/x"}},
	{"**.txt", []string{"/a.txt", "/a/b.txt"}, []string{"/a.txt/b"}, []string{}},
	// ?
	{"/?", []string{"/a", "/é", "/?"}, []string{"/", "/ab", "/a/b"}, []string{}},
	{"/a?c", []string{"/abc", "/a.c"}, []string{"/ac", "/a/c", "/abbc"}, []string{}},
	{"/??", []string{"/ab"}, []string{"/a", "/abc", "/a/b"}, []string{}},
	{"/a?", []string{"/ab"}, []string{"/a", "/abc"}, []string{}},
	// Classes.
	{"/[abc]", []string{"/a", "/b", "/c"}, []string{"/d", "/ab", "/"}, []string{}},
	{"/[!abc]", []string{"/d", "/A"}, []string{"/a", "/b", "/dd", "/"}, []string{}},
	{"/[^abc]", []string{"/d"}, []string{"/a"}, []string{}},
	{"/[a-c]x", []string{"/ax", "/bx", "/cx"}, []string{"/dx", "/-x"}, []string{}},
	{"/[!a-c]x", []string{"/dx", "/-x"}, []string{"/ax", "/cx", "/x"}, []string{}},
	{"/[a-cx-z0]", []string{"/b", "/y", "/0"}, []string{"/d", "/w", "/1", "/-"}, []string{}},
	{"/a[!b]c", []string{"/axc"}, []string{"/abc", "/a/c", "/ac"}, []string{}},
	{"/a[+-9]c", []string{"/a.c", "/a-c", "/a0c"}, []string{"/a/c", "/a:c"}, []string{}},
	{"/[*?]", []string{"/*", "/?"}, []string{"/a"}, []string{}},
	{"/[a-]", []string{"/a", "/-"}, []string{"/b"}, []string{}},
	{"/[\\]]", []string{"/]"}, []string{"/\\", "/a"}, []string{}},
	{"/[\\!a]", []string{"/!", "/a"}, []string{"/b"}, []string{}},
	{"/[a\\-c]", []string{"/a", "/-", "/c"}, []string{"/b"}, []string{}},
	{"/[ab][cd]", []string{"/ac", "/bd"}, []string{"/ab", "/a", "/acd"}, []string{}},
	{"/[é-ë]", []string{"/ê"}, []string{"/e"}, []string{}},
	// Braces.
	{"/{a,b}", []string{"/a", "/b"}, []string{"/c", "/ab", "/a,b"}, []string{}},
	{"/{a,b}c", []string{"/ac", "/bc"}, []string{"/c", "/abc"}, []string{}},
	{"/x{,a}", []string{"/x", "/xa"}, []string{"/xb", "/x,a"}, []string{}},
	{"/{a}", []string{"/a"}, []string{"/{a}"}, []string{}},
	{"/{a,{b,c}d}", []string{"/a", "/bd", "/cd"}, []string{"/d", "/b", "/ad"}, []string{}},
	{"/{*.txt,b?}", []string{"/a.txt", "/bx"}, []string{"/b", "/bxx"}, []string{}},
	{"/{a/b,c}/d", []string{"/a/b/d", "/c/d"}, []string{"/a/d", "/b/d", "/a/b"}, []string{}},
	{"/{a|b}", []string{"/a|b"}, []string{"/a", "/b"}, []string{}},
	{"/{a\\,b,c}", []string{"/a,b", "/c"}, []string{"/a", "/b"}, []string{}},
	{"/{[ab],c}", []string{"/a", "/b", "/c"}, []string{"/[ab]"}, []string{}},
	// Groups: one.
	{"/(a|b)", []string{"/a", "/b"}, []string{"/c", "/ab", "/"}, []string{"a"}},
	{"/@(a|b)c", []string{"/ac", "/bc"}, []string{"/c", "/abc", "/@ac"}, []string{"a"}},
	{"/(*)", []string{"/abc"}, []string{"/", "/a/b"}, []string{"abc"}},
	{"/(*)/(*)", []string{"/a/b"}, []string{"/a", "/a/b/c"}, []string{"a", "b"}},
	{"/(*)-(*).txt", []string{"/x-y.txt", "/-.txt"}, []string{"/xy.txt"}, []string{"x", "y"}},
	{"/a(?)c", []string{"/abc"}, []string{"/ac"}, []string{"b"}},
	{"/(**)/c", []string{"/a/b/c"}, []string{"/c"}, []string{"a/b"}},
	{"/(a(b|c))d", []string{"/abd", "/acd"}, []string{"/ad"}, []string{"ab", "b"}},
	{"/((a)(b))", []string{"/ab"}, []string{"/a"}, []string{"ab", "a", "b"}},
	{"/(a,b)", []string{"/a,b"}, []string{"/a"}, []string{"a,b"}},
	{"/x()y", []string{"/xy"}, []string{"/x"}, []string{""}},
	{"/(a|)b", []string{"/b", "/ab"}, []string{"/a", "/bb"}, []string{""}},
	{"/{(a),(b)}", []string{"/b", "/a"}, []string{"/c"}, []string{"", "b"}},
	// Groups: none or one, any number, one or more.
	{"/?(a|b)c", []string{"/c", "/ac", "/bc"}, []string{"/abc", "/aac", "/?c"}, []string{""}},
	{"/x?(ab)", []string{"/xab", "/x"}, []string{"/xa", "/xabab"}, []string{"ab"}},
	{"/x*(ab)y", []string{"/xababy", "/xy", "/xaby"}, []string{"/xay", "/xabx"}, []string{"abab"}},
	{"/*(a|b)", []string{"/abba", "/a"}, []string{"/", "/abc", "/a/b"}, []string{"abba"}},
	{"/+(a|b)", []string{"/ab", "/a", "/b"}, []string{"/", "/c", "/abc"}, []string{"ab"}},
	{"/x+(ab)y", []string{"/xababy", "/xaby"}, []string{"/xy", "/xay"}, []string{"abab"}},
	{"/+([0-9]).csv", []string{"/0123.csv", "/1.csv"}, []string{"/.csv", "/a.csv", "/1a.csv"}, []string{"0123"}},
	{"/+(a/b|c)", []string{"/a/bc", "/ca/b"}, []string{"/a", "/a/bb"}, []string{"a/bc"}},
	{"/*(+(a)b)", []string{"/aabab", "/ab"}, []string{"/aba", "/b"}, []string{"aabab", "a"}},
	{"/**(a)", []string{"/xaa", "/x", "/aa"}, []string{"/", "/x/a"}, nil},
	{"/****(a)b", []string{"/x/aab", "/b", "/x/b"}, []string{"/", "/x/a"}, []string{""}},
	// Groups: what is not.
	{"/!(a)", []string{"/b", "/aa", "/ab"}, []string{"/", "/a", "/b/c"}, []string{"b"}},
	{"/!(a|b)", []string{"/c", "/ab", "/ba"}, []string{"/a", "/b", "/c/d"}, []string{"c"}},
	{"/!(*.txt)", []string{"/a.csv", "/a.txt.gz", "/txt"}, []string{"/a.txt", "/.txt"}, []string{"a.csv"}},
	{"/x!(a)y", []string{"/xby", "/xy", "/xaay"}, []string{"/xay", "/xa/y", "/x"}, []string{"b"}},
	{"/!(a)/b", []string{"/c/b", "/ab/b"}, []string{"/a/b", "/b", "/c/d/b"}, []string{"c"}},
	{"/*.!(txt)", []string{"/a.csv", "/a.txt.gz", "/a."}, []string{"/a.txt", "/a"}, []string{"csv"}},
	{"/!(!(a))", []string{"/a"}, []string{"/b", "/aa"}, []string{"a", ""}},
	{"/!(a)!(b)", []string{"/ab", "/c", "/a", "/b"}, []string{"/", "/a/b"}, []string{"ab", ""}},
	{"/!(**)", nil, []string{"/", "/a", "/a/b"}, nil},
	{"/+(!(a)b)", []string{"/xb", "/b", "/abb"}, []string{"/a", "/ab"}, []string{"xb", "x"}},
	{"/(?)!(x)", []string{"/ab", "/a", "/xy"}, []string{"/ax", "/"}, []string{"a", "b"}},
	{"/{!(a),b}c", []string{"/bc", "/c", "/xc"}, []string{"/ac"}, []string{"b"}},
	{"/!(a)*(b)", []string{"/cbb", "/b", "/ab"}, []string{"/", "/a", "/c/b"}, []string{"cbb", ""}},
	// Escapes.
	{"/\\*", []string{"/*"}, []string{"/a", "/\\*"}, []string{}},
	{"/a\\?", []string{"/a?"}, []string{"/ab"}, []string{}},
	{"/\\[a\\]", []string{"/[a]"}, []string{"/a"}, []string{}},
	{"/\\{a,b\\}", []string{"/{a,b}"}, []string{"/a", "/b"}, []string{}},
	{"/\\(a\\)", []string{"/(a)"}, []string{"/a"}, []string{}},
	{"/\\@(a)", []string{"/@a"}, []string{"/a"}, []string{"a"}},
	{"/\\a", []string{"/a"}, []string{"/\\a"}, []string{}},
	{"/\\\\", []string{"/\\"}, []string{"/", "/a"}, []string{}},
	{"/(a\\|b)", []string{"/a|b"}, []string{"/a", "/b"}, []string{"a|b"}},
}

func compile(t testing.TB, pattern string) *Glob {
	t.Helper()
	g, err := Compile(pattern)
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	return g
}

func TestGlob_Grammar(t *testing.T) {
	for _, c := range matches {
		g := compile(t, c.pattern)
		for k, p := range c.yes {
			if !g.Match(p) {
				t.Errorf("%s does not match %s", c.pattern, p)
				continue
			}
			if got := g.Captures(p); k == 0 && c.captures != nil && !slices.Equal(got, c.captures) || got == nil {
				t.Errorf("%s captures %q of %s, want %q", c.pattern, got, p, c.captures)
			}
			sound(t, g, c.pattern, p)
		}
		for _, p := range c.no {
			if g.Match(p) || g.Captures(p) != nil {
				t.Errorf("%s matches %s", c.pattern, p)
			}
		}
	}
}

// sound checks what holds of each path that matches.
func sound(t *testing.T, g *Glob, pattern, p string) {
	t.Helper()
	if !strings.HasPrefix(p, g.Prefix()) {
		t.Errorf("%s: %s does not begin with %s", pattern, p, g.Prefix())
	}
	for dir := p; dir != "/"; {
		if dir = path.Dir(dir); !g.MayContain(dir) {
			t.Errorf("%s matches %s, but %s may not contain it", pattern, p, dir)
		}
	}
}

func TestGlob_Malformed(t *testing.T) {
	for _, pattern := range []string{
		"/[a", "/[", "/[]", "/[!]", "/[b-a]", "/[/]", "/a]", "/{a", "/{a,b", "/a}", "/(a", "/(a|b", "/a)", "/!(a", "/+(", "/a\\", "/[a\\", "/(a}",
		"/{a)", "/{(a}", "/\xff", "/\\[a]\\", strings.Repeat("a", MaxLength+1), strings.Repeat("(", 40) + strings.Repeat(")", 40),
		"/!(a)" + strings.Repeat("a", MaxWithout), strings.Repeat("!(a)", MaxGroups+1), strings.Repeat("{", 4000),
	} {
		_, err := Compile(pattern)
		if !fault.Is(err, fault.Invalid) || fault.NextOf(err) == "" {
			t.Errorf("%.40q: got %v", pattern, err)
		}
	}
}

func TestGlob_Prefix(t *testing.T) {
	for pattern, want := range map[string]string{
		"/": "/", "": "/", "/a/b": "/a/b", "/a/b/": "/a/b", "a*": "/a", "/*": "/", "/a/b*c": "/a/b", "/a?": "/a", "/a[b]": "/a", "/a{b,c}": "/a",
		"/a(b)": "/a", "/a@(b)": "/a", "/a/!(b)": "/a/", "/a+(b)": "/a", "/\\*a*": "/*a", "**": "/",
	} {
		if got := compile(t, pattern).Prefix(); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

func TestGlob_MayContain(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"/", nil, []string{"/", "/a"}},
		{"/a", []string{"/"}, []string{"/a", "/b", "/a/b"}},
		{"/a/b/c", []string{"/", "/a", "/a/b"}, []string{"/b", "/a/c", "/a/b/c", "/ab"}},
		{"/*", []string{"/"}, []string{"/a", "/a/b"}},
		{"/*/x", []string{"/", "/a"}, []string{"/a/b", "/a/x"}},
		{"/a*/x", []string{"/", "/a", "/ab"}, []string{"/b", "/ab/x"}},
		{"/**", []string{"/", "/a", "/a/b"}, nil},
		{"/a/**", []string{"/", "/a", "/a/b"}, []string{"/b", "/ab"}},
		{"/{a,b/c}/d", []string{"/", "/a", "/b", "/b/c"}, []string{"/c", "/a/d", "/b/d", "/b/c/d"}},
		{"/!(a)/b", []string{"/", "/b", "/aa"}, []string{"/a", "/b/b"}},
		{"/[ab]/c", []string{"/", "/a", "/b"}, []string{"/c", "/ab"}},
		{"/+(a/)b", []string{"/", "/a", "/a/a"}, []string{"/b", "/a/b"}},
		{"/?/c", []string{"/", "/x"}, []string{"/xx"}},
	} {
		g := compile(t, c.pattern)
		for _, dir := range c.yes {
			if !g.MayContain(dir) {
				t.Errorf("%s: %s may not contain a match", c.pattern, dir)
			}
		}
		for _, dir := range c.no {
			if g.MayContain(dir) {
				t.Errorf("%s: %s may contain a match", c.pattern, dir)
			}
		}
	}
}

// Patterns that a matcher that tries everything would not end with.
func TestGlob_NoBlowUp(t *testing.T) {
	long := "/" + strings.Repeat("a", 300)
	for _, pattern := range []string{
		strings.Repeat("*a", 50) + "b", strings.Repeat("**a", 40) + "b", "/*(*(*(*(a))))b", "/+(a|aa|+(a|aaa))b", "/!(!(!(*a)*a)*a)b",
		"/+(!(b)a|!(c)a)b", strings.Repeat("!(a)", 16) + "/b", "/" + strings.Repeat("*(*a)", 15) + "!(x)b",
	} {
		g := compile(t, pattern)
		if g.Match(long) {
			t.Errorf("%s matches", pattern)
		}
		g.MayContain(long)
	}
}

// What a pattern costs in every path is bounded by its cells.
func TestGlob_RunIsOneCell(t *testing.T) {
	for pattern, like := range map[string]string{
		"/" + strings.Repeat("*", 4000) + "q.zip": "/**q.zip",
		strings.Repeat("*", 4000) + "(a)":         "***(a)",
		"/a" + strings.Repeat("b", 4000) + "*":    "/ab*",
		"/" + strings.Repeat("\\*", 2000) + "*":   "/a*",
		"/" + strings.Repeat("a/", 2000) + "b":    "/a",
		"/{" + strings.Repeat("a", 4000) + ",b}":  "/{a,b}",
	} {
		if g, h := compile(t, pattern), compile(t, like); g.cells != h.cells {
			t.Errorf("%.20s has %d cells, and %s has %d", pattern, g.cells, like, h.cells)
		}
	}
	if g := compile(t, "/"+strings.Repeat("a/", 2000)+"b"); !g.Match("/" + strings.Repeat("a/", 2000) + "b") {
		t.Error("a long path is not matched")
	}
}

// To find where groups match can take forty times as long as to find that all does.
func TestGlob_MatchesWithoutGroups(t *testing.T) {
	g := compile(t, "/(a|*)+(?)?([bc])*(d)@(e|f)")
	if n, m := g.expression.NumSubexp(), g.capturing.NumSubexp(); n != 0 || m != g.groups {
		t.Errorf("%d groups where something is matched, and %d of %d where they are captured", n, m, g.groups)
	}
}

func TestGlob_CellsBounded(t *testing.T) {
	for _, c := range []struct {
		part string
		each int // cells
	}{
		{"?", 1},
		{"*?", 2},
		{"[ab]", 1},
		{"(a)", 2},
		{"@(n|*|?)", 4},
		{"+(*)", 2},
		{"{,a}?", 3},
	} {
		most := MaxCells / c.each
		compile(t, strings.Repeat(c.part, most))
		_, err := Compile(strings.Repeat(c.part, most+1))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.NextOf(err), "256") {
			t.Errorf("%d of %s: got %v", most+1, c.part, err)
		}
	}
}

func TestGlob_ErrorShowsLittleOfThePattern(t *testing.T) {
	for _, pattern := range []string{
		"/\x1b[31m]" + strings.Repeat("a", 4000) + "]", "/a\nlevel=ERROR)", strings.Repeat("?", 4000), "/\x1b" + strings.Repeat("\xff", 4000),
		"/[" + strings.Repeat("\x07", 4000),
	} {
		_, err := Compile(pattern)
		text := fault.Message(err) + fault.NextOf(err)
		if err == nil || len(text) > 400 || strings.ContainsAny(text, "\x1b\x07\n") || !utf8.ValidString(text) {
			t.Errorf("%.20q: got %q", pattern, text)
		}
	}
}

func FuzzGlob(f *testing.F) {
	for _, c := range matches {
		for _, p := range append(slices.Clone(c.yes), c.no...) {
			f.Add(c.pattern, p)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, p string) {
		if len(p) > 60 || len(pattern) > 80 {
			return
		}
		g, err := Compile(pattern)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("got %v", err)
			}
			return
		}
		p = path.Clean("/" + p)
		got := g.Match(p)
		if (g.Captures(p) != nil) != got {
			t.Errorf("%q matches %q: %v, but captures %q", pattern, p, got, g.Captures(p))
		}
		g.MayContain(p)
		if got {
			sound(t, g, pattern, p)
		}
		// Both ways to match say the same.
		if g.expression == nil || g.first == nil || p == "/" {
			return
		}
		x := newText(g, p)
		if other := x.ends(g.first, 0).has(len(p)); other != got {
			t.Errorf("%q matches %q: %v by regular expression, %v without", pattern, p, got, other)
		}
		if got {
			x.captures = make([]string, g.groups)
			x.capture(g.first, 0, len(p))
		}
	})
}
