package strict

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

func mismatch(n *yaml.Node, path string, t reflect.Type) error {
	return problem(n, path, "expected %s, got %s", wanted(t), describe(n))
}

func wanted(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "keys with values"
	case reflect.String:
		return "text"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

func describe(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!map":
		return "keys with values"
	case "!!seq":
		return "a list"
	case "!!null":
		return "nothing"
	case "!!bool":
		return n.Value
	case "!!int", "!!float":
		return "the number " + shorten(n.Value)
	}
	// A mistyped "false," helps whoever reads it; a long text in the wrong place
	// may be a secret.
	if runes := utf8.RuneCountInString(n.Value); runes > showText {
		return fmt.Sprintf("a text of %d characters", runes)
	}
	return fmt.Sprintf("the text %q", shorten(n.Value))
}

// showText is the longest text that an error repeats, in characters.
const showText = 8

// shorten makes a stranger's text fit for a message.
func shorten(s string) string {
	const limit = 60
	printable := func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}
	runes := []rune(strings.Map(printable, s))
	if len(runes) > limit {
		return string(runes[:limit]) + "..."
	}
	return string(runes)
}

// Suggest says which of the known keys an unknown one may be meant to be.
func Suggest(key string, known []string) string {
	best, distance := "", len(key)/3+2
	for _, name := range known {
		if d := edits(fold(key), fold(name)); d < distance {
			best, distance = name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "unknown key; known are " + strings.Join(known, ", ")
}

// fold makes client_id, client-id and clientId one with clientID.
func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(shorten(s)))
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
