package logout

import (
	"context"
	"time"

	"pachyderm/internal/db"
)

// SetURI says where an application hears of ended sign-ins; "" is nowhere.
func SetURI(ctx context.Context, tx *db.Tx, clientID, uri string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM logout_clients WHERE client_id = $1`, clientID); err != nil || uri == "" {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO logout_clients (client_id, uri) VALUES ($1, $2)`, clientID, uri)
	return err
}

// URIs are where applications hear of ended sign-ins, by client.
func URIs(ctx context.Context, tx *db.Tx) (map[string]string, error) {
	all := map[string]string{}
	return all, tx.Rows(ctx, func(scan func(...any) error) error {
		var id, uri string
		err := scan(&id, &uri)
		all[id] = uri
		return err
	}, `SELECT client_id, uri FROM logout_clients`)
}

// Notify has a client hear that a grant has ended, if it wants to, once the
// transaction is committed.
func Notify(ctx context.Context, tx *db.Tx, clientID, grantID, identityID string, now time.Time) error {
	n, err := tx.Exec(ctx, `INSERT INTO logouts (grant_id, client_id, identity_id, uri, attempts, created_at, next_at)
		SELECT $2, client_id, $3, uri, 0, $4, $4 FROM logout_clients WHERE client_id = $1 ON CONFLICT DO NOTHING`,
		clientID, grantID, identityID, db.Micros(now))
	if err != nil || n == 0 {
		return err
	}
	return tx.Changed(ctx, topic, "")
}

// message is one that an application has not heard yet.
type message struct {
	grantID, clientID, identityID, uri string
	attempts                           int64
	created                            time.Time
}

// claim takes messages that are due from all other replicas for a while.
func claim(ctx context.Context, tx *db.Tx, now, until time.Time) (due []message, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var m message
		var created int64
		err := scan(&m.grantID, &m.clientID, &m.identityID, &m.uri, &m.attempts, &created)
		m.created = db.Time(created)
		due = append(due, m)
		return err
	}, `UPDATE logouts SET next_at = $2, attempts = attempts + 1
		WHERE grant_id IN (SELECT grant_id FROM logouts WHERE next_at <= $1 ORDER BY next_at LIMIT 64)
		RETURNING grant_id, client_id, identity_id, uri, attempts, created_at`, db.Micros(now), db.Micros(until))
	return due, err
}

func postpone(ctx context.Context, tx *db.Tx, grantID string, until time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE logouts SET next_at = $2 WHERE grant_id = $1`, grantID, db.Micros(until))
	return err
}

func done(ctx context.Context, tx *db.Tx, grantID string) error {
	_, err := tx.Exec(ctx, `DELETE FROM logouts WHERE grant_id = $1`, grantID)
	return err
}

// nextDue is when the next message is due, or the zero time.
func nextDue(ctx context.Context, tx *db.Tx) (time.Time, error) {
	var at int64
	err := tx.Row(ctx, []any{&at}, `SELECT COALESCE(MIN(next_at), 0) FROM logouts`)
	return db.Time(at), err
}
