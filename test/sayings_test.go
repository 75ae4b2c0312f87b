package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// saying is one text that pachd or pachctl can say, from its source: a literal,
// what is wrong and what to do about it (fault.New(...).Next(...)) as they are
// shown, or a line of a page. It is in runes, with hole for what is filled in.
type saying []rune

const (
	hole   = '\uFFFC' // one word, or what stands between quotation marks
	elided = '\u2026' // in a guide: anything
)

// verb is of package fmt, with its quotation marks if it has some.
var verb = regexp.MustCompile(`%(?:\[\d+\])?[+#]?[.\d]*[a-z]|\{\{[^{}]*\}\}`)

func newSaying(text string) saying {
	return saying(strings.ReplaceAll(verb.ReplaceAllString(text, string(hole)), "%%", "%"))
}

func sayings(t *testing.T) (all []saying) {
	t.Helper()
	err := filepath.WalkDir("../internal", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		switch filepath.Ext(path) {
		case ".html":
			data, err := os.ReadFile(path)
			for line := range strings.Lines(string(data)) {
				all = append(all, newSaying(line))
			}
			return err
		case ".go":
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err == nil {
				all = append(all, sayingsOf(file)...)
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sayingsOf(file *ast.File) (all []saying) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				all = append(all, newSaying(literal(n)))
			}
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Next" || len(n.Args) == 0 {
				break
			}
			for _, what := range whats(s.X) {
				all = append(all, newSaying(what+": "+literal(n.Args[0])))
			}
		}
		return true
	})
	return all
}

// whats are the literals that a chain of calls began with; one of them is the
// format.
func whats(e ast.Expr) (all []string) {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return nil
	}
	if s, ok := call.Fun.(*ast.SelectorExpr); ok {
		if all = whats(s.X); all != nil {
			return all
		}
	}
	for _, arg := range call.Args {
		if text := literal(arg); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// literal is the text of a literal, or of several that are added up.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		return literal(e.X) + literal(e.Y)
	}
	return ""
}

// contains reports whether pachd can say a text of a guide, in one go. At least
// half of it must be there to the letter.
func (s saying) contains(text string) bool {
	want := []rune(strings.ReplaceAll(text, "...", string(elided)))
	known := map[[2]int]int{}
	for start := range s {
		if 2*s.match(want, 0, start, known) >= len(want) {
			return true
		}
	}
	return false
}

// match counts the letters that want, from its rune i on, shares with the
// saying, from its rune j on; it is very negative if they differ.
func (s saying) match(want []rune, i, j int, known map[[2]int]int) int {
	const never = -1 << 20
	if i == len(want) {
		return 0
	}
	at := [2]int{i, j}
	if n, ok := known[at]; ok {
		return n
	}
	best := never
	inside := j < len(s)
	switch {
	case want[i] == elided:
		best = s.match(want, i+1, j, known)
		if inside {
			best = max(best, s.match(want, i, j+1, known))
		}
	case inside && s[j] == hole:
		best = s.match(want, i, j+1, known) // filled with all that it can be
		for end := i; end < len(want) && fills(want[i:end+1]); end++ {
			best = max(best, s.match(want, end+1, j+1, known))
		}
	case inside && s[j] == want[i]:
		best = 1 + s.match(want, i+1, j+1, known)
	}
	known[at] = best
	return best
}

// fills reports whether text may stand in a hole: a word, or what is quoted.
func fills(text []rune) bool {
	word := string(text)
	return !strings.ContainsAny(word, " \"") || strings.HasPrefix(word, `"`) && strings.Count(word, `"`) <= 2
}
