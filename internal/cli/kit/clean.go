package kit

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Lines is a text for Printf and Notef that keeps its lines: one of ours, or a document
// in which a stranger's text cannot begin one. It steers no terminal either.
type Lines string

// clean has values print as what may be seen of them. It changes the list itself: go vet
// knows Printf for fmt.Printf's kin only as long as that hands on the list it got.
func clean(values []any) {
	for n, v := range values {
		values[n] = seen{v}
	}
}

// seen prints a value of any type, by any verb, without what would steer a terminal: a
// server may be anybody's.
type seen struct{ value any }

// Format is fmt.Formatter's.
func (s seen) Format(f fmt.State, verb rune) {
	text := fmt.Sprintf(fmt.FormatString(f, verb), s.value)
	if _, ok := s.value.(Lines); !ok {
		text = oneLine(text)
	}
	_, _ = io.WriteString(f, legible(text))
}

// legible is a text without what steers a terminal, other than to a new line.
func legible(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text, ""))
}

// oneLine is a text with spaces for what would begin a line or move to a column.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}
