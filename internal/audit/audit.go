package audit

import (
	"context"
	"crypto/rand"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
)

// By is who changes something, and when.
type By struct {
	Actor principal.Name
	At    time.Time
}

// Record adds to the transaction what it changes: an action such as
// "connector.create" on an object such as "connector/auth0". Nothing of it may
// be secret.
func (b By) Record(ctx context.Context, tx *db.Tx, action, object, detail string) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_events (id, at, actor, action, object, detail) VALUES ($1, $2, $3, $4, $5, $6)`,
		rand.Text(), db.Micros(b.At), b.Actor, action, object, detail)
	return err
}
