package reseal

import (
	"context"
	"fmt"
	"strings"

	"pachyderm/internal/db"
	"pachyderm/internal/secret"
)

// next reads the rows that follow a key, in its order.
func next(ctx context.Context, tx *db.Tx, at secret.Sealed, after []string) (rows []row, err error) {
	query := `SELECT ` + strings.Join(at.Key, ", ") + `, ` + at.Column + ` FROM ` + at.Table + ` WHERE ` + at.Column + ` IS NOT NULL`
	var args []any
	if after != nil {
		marks := make([]string, len(after))
		for n, k := range after {
			marks[n], args = fmt.Sprintf("$%d", n+1), append(args, k)
		}
		query += ` AND (` + strings.Join(at.Key, ", ") + `) > (` + strings.Join(marks, ", ") + `)`
	}
	query += ` ORDER BY ` + strings.Join(at.Key, ", ") + fmt.Sprintf(` LIMIT %d`, batch)
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		r := row{key: make([]string, len(at.Key))}
		dest := make([]any, 0, len(at.Key)+1)
		for n := range r.key {
			dest = append(dest, &r.key[n])
		}
		if err := scan(append(dest, &r.value)...); err != nil {
			return err
		}
		rows = append(rows, r)
		return nil
	}, query, args...)
	return rows, err
}

// store replaces a value. Whoever has changed the row since it was read has it stay
// as they left it: transactions are serializable, and one of the two is tried again.
func store(ctx context.Context, tx *db.Tx, at secret.Sealed, r row, anew []byte) error {
	args := []any{anew}
	var where []string
	for n, k := range r.key {
		where, args = append(where, fmt.Sprintf("%s = $%d", at.Key[n], n+2)), append(args, k)
	}
	_, err := tx.Exec(ctx, `UPDATE `+at.Table+` SET `+at.Column+` = $1 WHERE `+strings.Join(where, " AND "), args...)
	return err
}
