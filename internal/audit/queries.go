package audit

import (
	"context"
	"crypto/rand"

	"pachyderm/internal/db"
	"pachyderm/internal/requestid"
)

func insert(ctx context.Context, tx *db.Tx, by By, action, object, detail string) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_events (id, at, actor, action, object, detail, request) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		rand.Text(), db.Micros(by.At), by.Actor, action, object, detail, requestid.Of(ctx))
	return err
}
