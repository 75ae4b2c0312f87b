package page

import (
	"cmp"
	"strings"
)

// Row is one line of a table with a form in it.
type Row struct {
	View      any
	ID, Label string
}

func row(v any, id, label string) Row { return Row{v, id, label} }

// ByName is the order of names in lists.
func ByName(a, b string) int {
	return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
}
