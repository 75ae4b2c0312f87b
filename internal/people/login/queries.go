package login

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/limit"
	"pachyderm/internal/secret"
)

// attemptTopic is what db.Watch calls a change of an attempt; the key is the
// hash of its state.
const attemptTopic = "login-attempt"

// configTopic is what db.Watch calls a change of the configuration.
const configTopic = "oidc-config"

func insertAttempt(ctx context.Context, tx *db.Tx, a attempt, sealed []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO login_attempts
		(state_hash, secrets, requester, address, stage, identity_id, reason, created_at, expires_at, network)
		VALUES ($1, $2, $3, $4, $5, '', '', $6, $7, $8)`,
		a.stateHash, sealed, a.requester, a.address, a.stage, db.Micros(a.created), db.Micros(a.created.Add(waitFor)),
		limit.NetworkOf(ctx))
	return err
}

func readAttempt(ctx context.Context, tx *db.Tx, stateHash string, now time.Time) (a attempt, sealed []byte, err error) {
	a.stateHash = stateHash
	var created int64
	err = tx.Row(ctx, []any{&sealed, &a.requester, &a.address, &a.stage, &a.identityID, &a.grantID, &a.reason, &a.browser, &created},
		`SELECT secrets, requester, address, stage, identity_id, grant_id, reason, browser, created_at
		FROM login_attempts WHERE state_hash = $1 AND expires_at > $2`,
		stateHash, db.Micros(now))
	a.created = db.Time(created)
	return a, sealed, err
}

func advanceAttempt(ctx context.Context, tx *db.Tx, a attempt, from, to, identityID, reason string) (moved bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE login_attempts SET stage = $3, identity_id = $4, reason = $5 WHERE state_hash = $1 AND stage = $2`,
		a.stateHash, from, to, identityID, reason)
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.Changed(ctx, attemptTopic, a.stateHash)
}

func askAttempt(ctx context.Context, tx *db.Tx, a attempt, identityID, grantID, browser string) (moved bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE login_attempts SET stage = $3, identity_id = $4, browser = $5, grant_id = $6
		WHERE state_hash = $1 AND stage = $2`,
		a.stateHash, waiting, asking, identityID, browser, grantID)
	return n > 0, err
}

func deleteAttempt(ctx context.Context, tx *db.Tx, a attempt) (there bool, err error) {
	n, err := tx.Exec(ctx, `DELETE FROM login_attempts WHERE state_hash = $1`, a.stateHash)
	return n > 0, err
}

// insertUsed fails with a fault.Exists for a token that was used before.
func insertUsed(ctx context.Context, tx *db.Tx, digest string, expires time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO used_id_tokens (hash, expires_at) VALUES ($1, $2)`, digest, db.Micros(expires))
	return err
}

// DeleteExpired deletes attempts that nobody finished, and what is remembered
// of ID tokens that have expired.
func DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM login_attempts WHERE expires_at < $1`, db.Micros(now)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM used_id_tokens WHERE expires_at < $1`, db.Micros(now.Add(-skew)))
	return err
}

func readOIDCConfig(ctx context.Context, tx *db.Tx) (sealed []byte, err error) {
	return sealed, tx.Row(ctx, []any{&sealed}, `SELECT body FROM oidc_config WHERE id = $1`, configID)
}

func deleteOIDCConfig(ctx context.Context, tx *db.Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM oidc_config WHERE id = $1`, configID); err != nil {
		return err
	}
	return tx.Changed(ctx, configTopic, configID)
}

func insertOIDCConfig(ctx context.Context, tx *db.Tx, sealed []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO oidc_config (id, body) VALUES ($1, $2)`, configID, sealed)
	return err
}

// Pending are the sign-ins that clients wait for, of each network.
func Pending() limit.Pending { return limit.PendingIn("login_attempts") }

// Sealed says where the secrets of attempts and the configuration are.
func Sealed() []secret.Sealed {
	return []secret.Sealed{
		{Table: "login_attempts", Column: "secrets", Key: []string{"state_hash"}, Place: func(k []string) string { return attemptPlace(k[0]) }},
		{Table: "oidc_config", Column: "body", Key: []string{"id"}, Place: func([]string) string { return configPlace }},
	}
}
