package connectortest

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// insertTest drops the oldest tests of an owner who has too many.
func insertTest(ctx context.Context, tx *db.Tx, id string, owner principal.Name, sealed []byte, expires time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM connector_trials WHERE owner = $1 AND expires_at <=
		(SELECT expires_at FROM connector_trials WHERE owner = $1 ORDER BY expires_at DESC LIMIT 1 OFFSET $2)`, owner, testsOfOne-1)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO connector_trials (id, owner, body, expires_at) VALUES ($1, $2, $3, $4)`,
		secret.Hash(id), owner, sealed, db.Micros(expires))
	return err
}

func readTest(ctx context.Context, tx *db.Tx, id string, now time.Time) (owner principal.Name, sealed []byte, err error) {
	err = tx.Row(ctx, []any{&owner, &sealed}, `SELECT owner, body FROM connector_trials WHERE id = $1 AND expires_at > $2`,
		secret.Hash(id), db.Micros(now))
	return owner, sealed, err
}

func updateTest(ctx context.Context, tx *db.Tx, id string, sealed []byte) error {
	if _, err := tx.Exec(ctx, `UPDATE connector_trials SET body = $2 WHERE id = $1`, secret.Hash(id), sealed); err != nil {
		return err
	}
	return tx.Changed(ctx, topic, secret.Hash(id))
}

func deleteTest(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Exec(ctx, `DELETE FROM connector_trials WHERE id = $1`, secret.Hash(id))
	return err
}

// DeleteExpired deletes tests that nobody finished.
func DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM connector_trials WHERE expires_at < $1`, db.Micros(now))
	return err
}

// Sealed says where the bodies are.
func Sealed() secret.Sealed {
	return secret.Sealed{
		Table: "connector_trials", Column: "body", Key: []string{"id"}, Place: func(k []string) string { return placeOf(k[0]) },
	}
}
