package dump

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pachyderm/internal/db"
	"pachyderm/internal/db/migrations"
)

// columns are a table's, quoted; ORDER BY is its primary key.
func columns(t migrations.Table) string {
	names := make([]string, len(t.Columns))
	for n, c := range t.Columns {
		names[n] = quoted(c.Name)
	}
	return strings.Join(names, ", ")
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// byKey is the order of a table's primary key. A table without one has no order that
// two databases agree on.
func byKey(tx *db.Tx, t migrations.Table) (string, error) {
	key := slices.DeleteFunc(slices.Clone(t.Columns), func(c migrations.Column) bool { return c.Key == 0 })
	if len(key) == 0 {
		return "", fmt.Errorf("the table %s has no primary key", t.Name)
	}
	slices.SortFunc(key, func(a, b migrations.Column) int { return a.Key - b.Key })
	names := make([]string, len(key))
	for n, c := range key {
		names[n] = quoted(c.Name)
		if c.Type == "TEXT" {
			names[n] += tx.Bytewise()
		}
	}
	return strings.Join(names, ", "), nil
}

func eachRow(ctx context.Context, tx *db.Tx, t migrations.Table, each func(scan func(...any) error) error) error {
	order, err := byKey(tx, t)
	if err != nil {
		return err
	}
	return tx.Rows(ctx, each, `SELECT `+columns(t)+` FROM `+quoted(t.Name)+` ORDER BY `+order)
}

func isEmpty(ctx context.Context, tx *db.Tx, t migrations.Table) (bool, error) {
	some, err := db.Column[int64](ctx, tx, `SELECT 1 FROM `+quoted(t.Name)+` LIMIT 1`)
	return len(some) == 0, err
}

// insert stores rows whose values stand one after the other.
func insert(ctx context.Context, tx *db.Tx, t migrations.Table, values []any) error {
	var rows strings.Builder
	for n := range values {
		switch {
		case n == 0:
			rows.WriteString("(")
		case n%len(t.Columns) == 0:
			rows.WriteString("), (")
		default:
			rows.WriteString(", ")
		}
		fmt.Fprintf(&rows, "$%d", n+1)
	}
	_, err := tx.Exec(ctx, `INSERT INTO `+quoted(t.Name)+` (`+columns(t)+`) VALUES `+rows.String()+`)`, values...)
	return err
}
