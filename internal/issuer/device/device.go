package device

import (
	"context"
	"strings"
	"time"
	"unicode"

	"pachyderm/internal/db"
	"pachyderm/internal/secret"
)

// Asker is who asks, for the person to recognise: a name that the client
// claims, and the address that it came from.
type Asker struct{ Name, Address string }

// Request is one sign-in.
type Request struct {
	Asker
	UserCode    string
	DeviceCode  string // only when it is created; its hash is stored
	ClientID    string
	ConfirmedBy string // hash of the browser in which the person said yes
	Refused     string // why it ended, in words for the device
	Created     time.Time
	Expires     time.Time
}

// CleanName makes the name that a client gives itself fit for display.
func CleanName(name string) string { return clean(name, 100) }

// CleanReason does so with a reason, which tells what to do next at its end.
func CleanReason(reason string) string { return clean(reason, 600) }

func clean(text string, limit int) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			return -1
		}
		return c
	}, text)
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit])
	}
	return strings.TrimSpace(text)
}

// NormalUserCode forgives lower case, spaces and a missing dash.
func NormalUserCode(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == '-' || unicode.IsSpace(c) {
			return -1
		}
		return unicode.ToUpper(c)
	}, s)
	if len(s) != 8 {
		return s
	}
	return s[:4] + "-" + s[4:]
}

// Create stores a new request.
func Create(ctx context.Context, tx *db.Tx, r Request) error {
	_, err := tx.Exec(ctx, `INSERT INTO device_requests (user_code, device_hash, client_id, requester, address, confirmed_by, refused, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, '', '', $6, $7)`,
		r.UserCode, secret.Hash(r.DeviceCode), r.ClientID, r.Name, r.Address, db.Micros(r.Created), db.Micros(r.Expires))
	return err
}

func scan(ctx context.Context, tx *db.Tx, where string, args ...any) (r Request, err error) {
	var created, expires int64
	err = tx.Row(ctx, []any{&r.UserCode, &r.ClientID, &r.Name, &r.Address, &r.ConfirmedBy, &r.Refused, &created, &expires},
		`SELECT user_code, client_id, requester, address, confirmed_by, refused, created_at, expires_at FROM device_requests WHERE `+where, args...)
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
