package token

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Robots lists the tokens of robots, also those that have expired and are not
// forgotten yet: what a backup of them consists of.
func Robots(ctx context.Context, tx *db.Tx) ([]Info, error) {
	return list(ctx, tx, `subject LIKE $1`, string(principal.Robot)+":%")
}

// Live lists the tokens that have not expired: of one subject, or of "" all.
func Live(ctx context.Context, tx *db.Tx, subject principal.Name, now time.Time) ([]Info, error) {
	return list(ctx, tx, `(subject = $1 OR $1 = '') AND (expires_at = 0 OR expires_at > $2)`, subject, db.Micros(now))
}

func list(ctx context.Context, tx *db.Tx, where string, args ...any) (all []Info, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var i Info
		var created, expires int64
		err := scan(&i.Hash, &i.Subject, &i.IdentityID, &created, &expires)
		i.Created, i.Expires = db.Time(created), db.Time(expires)
		all = append(all, i)
		return err
	}, `SELECT hash, subject, identity_id, created_at, expires_at FROM tokens WHERE `+where+` ORDER BY subject, created_at, hash`, args...)
	return all, err
}

// CountLive counts, by subject, the tokens that have not expired.
func CountLive(ctx context.Context, tx *db.Tx, now time.Time) (map[principal.Name]int64, error) {
	counts := map[principal.Name]int64{}
	err := tx.Rows(ctx, func(scan func(...any) error) error {
		var who principal.Name
		var n int64
		if err := scan(&who, &n); err != nil {
			return err
		}
		counts[who] = n
		return nil
	}, `SELECT subject, COUNT(*) FROM tokens WHERE expires_at = 0 OR expires_at > $1 GROUP BY subject`, db.Micros(now))
	return counts, err
}

// Restore brings back a token of which only the hash is known. One that has
// expired is refused, and so is one that is about to: rounded to nothing, its
// time would be no limit. The texts are upstream's. Faults: Invalid, Exists.
func Restore(ctx context.Context, tx *db.Tx, info Info, now time.Time) error {
	const shortest = time.Second
	raw, err := hex.DecodeString(info.Hash)
	switch {
	case err != nil || len(raw) != 32 || strings.ToLower(info.Hash) != info.Hash:
		return fault.New(fault.Invalid, "the hash is not one").
			Next("send the SHA-256 of the token in 64 lower-case hexadecimal digits").At("hashed_token")
	case info.Expires.IsZero():
	case !now.Before(info.Expires):
		return fault.New(fault.Invalid, "token expiration is in the past: there is nothing to restore").At("expiration")
	case info.Expires.Sub(now) < shortest:
		return fault.New(fault.Invalid, "the token expires in less than %v: there is nothing to restore", shortest).At("expiration")
	}
	switch info.Subject.Kind() {
	case principal.User, principal.Robot, principal.Pipeline, principal.Pach:
	default:
		return fault.New(fault.Invalid, "%s has no tokens: users, robots and pipelines have", info.Subject).At("subject")
	}
	info.IdentityID, info.Created = "", now
	err = insert(ctx, tx, info)
	if fault.Is(err, fault.Exists) {
		return fault.New(fault.Exists, "error restoring auth token: cannot overwrite existing token with same hash")
	}
	return err
}

// RevokeOfIdentity ends the sessions that one identity of a person began.
func RevokeOfIdentity(ctx context.Context, tx *db.Tx, subject principal.Name, identityID string) (int64, error) {
	n, err := tx.Exec(ctx, `DELETE FROM tokens WHERE identity_id = $1`, identityID)
	if err != nil {
		return 0, err
	}
	return n, tx.Changed(ctx, principal.Topic, subject.String())
}

// DeleteAll ends every token.
func DeleteAll(ctx context.Context, tx *db.Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM tokens`); err != nil {
		return err
	}
	return tx.Changed(ctx, "", "")
}
