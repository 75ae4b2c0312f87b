package device

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/limit"
	"pachyderm/internal/secret"
)

// Create stores a new request.
func Create(ctx context.Context, tx *db.Tx, r Request) error {
	_, err := tx.Exec(ctx, `INSERT INTO device_requests
		(user_code, device_hash, client_id, requester, address, confirmed_by, refused, created_at, expires_at, network)
		VALUES ($1, $2, $3, $4, $5, '', '', $6, $7, $8)`,
		r.UserCode, secret.Hash(r.DeviceCode), r.ClientID, r.Name, r.Address, db.Micros(r.Created), db.Micros(r.Expires), limit.NetworkOf(ctx))
	return err
}

func scan(ctx context.Context, tx *db.Tx, where string, args ...any) (r Request, err error) {
	var created, expires int64
	err = tx.Row(ctx, []any{&r.UserCode, &r.ClientID, &r.Name, &r.Address, &r.ConfirmedBy, &r.Refused, &created, &expires},
		`SELECT user_code, client_id, requester, address, confirmed_by, refused, created_at, expires_at
		FROM device_requests WHERE `+where, args...)
	r.Created, r.Expires = db.Time(created), db.Time(expires)
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

// DeleteExpired forgets what nobody can wait for any more.
func DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM device_requests WHERE expires_at < $1`, db.Micros(now))
	return err
}

// Pending are the requests that have not expired, of each network.
func Pending() limit.Pending {
	return limit.Pending{
		Count: func(ctx context.Context, tx *db.Tx) (map[string]int, error) {
			return limit.CountRows(ctx, tx, `SELECT network, COUNT(*) FROM device_requests WHERE network <> '' GROUP BY network`)
		},
		DropOldest: func(ctx context.Context, tx *db.Tx, network string, keep int) error {
			_, err := tx.Exec(ctx, `DELETE FROM device_requests WHERE network = $1 AND created_at <=
				(SELECT created_at FROM device_requests WHERE network = $1 ORDER BY created_at DESC LIMIT 1 OFFSET $2)`, network, keep)
			return err
		},
	}
}
