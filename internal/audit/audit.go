package audit

import (
	"context"
	"crypto/rand"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
)

// Event is one entry. Nothing in it may be secret.
type Event struct {
	At     time.Time
	Actor  principal.Name
	Action string // such as "connector.create"
	Object string // such as "connector/auth0"
	Detail string
}

// Record adds an event to the transaction.
func Record(ctx context.Context, tx *db.Tx, e Event) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_events (id, at, actor, action, object, detail) VALUES ($1, $2, $3, $4, $5, $6)`,
		rand.Text(), db.Micros(e.At), e.Actor, e.Action, e.Object, e.Detail)
	return err
}
