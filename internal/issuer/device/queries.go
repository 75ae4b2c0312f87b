package device

import (
	"context"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/limit"
	"pachyderm/internal/secret"
)

// Create stores a new request. Fault: Exists for a user code that is in use.
func Create(ctx context.Context, tx *db.Tx, r Request) error {
	_, err := tx.Exec(ctx, `INSERT INTO device_requests
		(user_code, device_hash, client_id, scopes, challenge, requester, address, confirmed_by, refused, created_at, expires_at,
		polled_at, poll_seconds, network)
		VALUES ($1, $2, $3, $4, $5, $6, $7, '', '', $8, $9, 0, $10, $11)`,
		r.UserCode, r.DeviceHash, r.ClientID, strings.Join(r.Scopes, " "), r.Challenge, r.Name, r.Address,
		db.Micros(r.Created), db.Micros(r.Expires), int64(PollEvery/time.Second), limit.NetworkOf(ctx))
	return err
}

func scan(ctx context.Context, tx *db.Tx, where string, args ...any) (r Request, err error) {
	var scopes string
	var created, expires, polled, seconds int64
	err = tx.Row(ctx, []any{
		&r.UserCode, &r.DeviceHash, &r.ClientID, &scopes, &r.Challenge, &r.Name, &r.Address, &r.ConfirmedBy, &r.Refused,
		&created, &expires, &polled, &seconds,
	}, `SELECT user_code, device_hash, client_id, scopes, challenge, requester, address, confirmed_by, refused,
		created_at, expires_at, polled_at, poll_seconds
		FROM device_requests WHERE `+where, args...)
	r.Scopes, r.Interval = strings.Fields(scopes), time.Duration(seconds)*time.Second
	r.Created, r.Expires, r.Polled = db.Time(created), db.Time(expires), db.Time(polled)
	return r, err
}

// ByUserCode finds a request that has not expired. Fault: NotFound.
func ByUserCode(ctx context.Context, tx *db.Tx, userCode string, now time.Time) (Request, error) {
	return scan(ctx, tx, `user_code = $1 AND expires_at > $2`, userCode, db.Micros(now))
}

// ByDeviceCode finds a request. Fault: NotFound.
func ByDeviceCode(ctx context.Context, tx *db.Tx, deviceCode string) (Request, error) {
	return scan(ctx, tx, `device_hash = $1`, secret.Hash(deviceCode))
}

// Confirm notes that the person said yes in a browser.
func Confirm(ctx context.Context, tx *db.Tx, userCode, browser string) error {
	_, err := tx.Exec(ctx, `UPDATE device_requests SET confirmed_by = $2 WHERE user_code = $1`, userCode, browser)
	return err
}

// Refuse ends a request for a reason that its device will be told.
func Refuse(ctx context.Context, tx *db.Tx, userCode, why string) error {
	_, err := tx.Exec(ctx, `UPDATE device_requests SET refused = $2 WHERE user_code = $1`, userCode, why)
	return err
}

// StorePoll stores what Poll noted.
func StorePoll(ctx context.Context, tx *db.Tx, r Request) error {
	_, err := tx.Exec(ctx, `UPDATE device_requests SET polled_at = $2, poll_seconds = $3 WHERE device_hash = $1`,
		r.DeviceHash, db.Micros(r.Polled), int64(r.Interval/time.Second))
	return err
}

// Delete forgets a request whose person has signed in: its grant has the rest.
func Delete(ctx context.Context, tx *db.Tx, userCode string) error {
	_, err := tx.Exec(ctx, `DELETE FROM device_requests WHERE user_code = $1`, userCode)
	return err
}

// DeleteExpired forgets what nobody can wait for any more.
func DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM device_requests WHERE expires_at < $1`, db.Micros(now))
	return err
}

// Pending are the requests that have not expired, of each network.
func Pending() limit.Pending { return limit.PendingIn("device_requests") }
