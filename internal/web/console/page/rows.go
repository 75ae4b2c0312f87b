package page

import (
	"cmp"
	"strings"
	"time"
)

// Row is one line of a table with a form in it.
type Row struct {
	View      any
	ID, Label string
}

func row(v any, id, label string) Row { return Row{v, id, label} }

// moment is what a part of a page shows, and the time that it is.
type moment struct {
	Now  time.Time
	View any
}

func at(now time.Time, v any) moment { return moment{now, v} }

// ByName is the order of names in lists.
func ByName(a, b string) int {
	return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
}
