package page

// Row is one line of a table with a form in it.
type Row struct {
	View      any
	ID, Label string
}

func row(v any, id, label string) Row { return Row{v, id, label} }
