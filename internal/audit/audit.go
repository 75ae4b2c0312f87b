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

// Event is one thing that happened. Request finds it in the log.
type Event struct {
	At                                     time.Time
	Actor, Action, Object, Detail, Request string

	id string
}

// Filter says which events are wanted; an empty field is any. Action may be the
// beginning of one. Of a person who was renamed, what happened under the name of the
// time is found as well.
type Filter struct {
	Actor, Object, Action string
}
