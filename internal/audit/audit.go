package audit

import (
	"context"
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
	return insert(ctx, tx, b, action, object, detail)
}
