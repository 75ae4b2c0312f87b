package limit

import (
	"context"

	"pachyderm/internal/db"
)

// PendingIn are the rows of a table that has the columns network and created_at.
func PendingIn(table string) Pending {
	return Pending{
		Count: func(ctx context.Context, tx *db.Tx) (map[string]int, error) {
			return CountRows(ctx, tx, `SELECT network, COUNT(*) FROM `+table+` WHERE network <> '' GROUP BY network`)
		},
		DropOldest: func(ctx context.Context, tx *db.Tx, network string, keep int) error {
			_, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE network = $1 AND created_at <=
				(SELECT created_at FROM `+table+` WHERE network = $1 ORDER BY created_at DESC LIMIT 1 OFFSET $2)`, network, keep)
			return err
		},
	}
}

// CountRows reads rows of a network and a number.
func CountRows(ctx context.Context, tx *db.Tx, query string, args ...any) (map[string]int, error) {
	counts := map[string]int{}
	err := tx.Rows(ctx, func(scan func(...any) error) error {
		var network string
		var n int
		err := scan(&network, &n)
		counts[network] = n
		return err
	}, query, args...)
	return counts, err
}
