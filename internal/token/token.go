package token

import (
	"context"
	"crypto/rand"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// Topic is what db.Watch calls the end of a token; the key is its hash.
const Topic = "token"

// prefix lets secret scanners find a token that got into the wrong place.
const prefix = "pach_"

// Info is what is known of a token.
type Info struct {
	Hash       string
	Subject    principal.Name
	IdentityID string // of the person who signed in; empty for robots and root
	Created    time.Time
	Expires    time.Time // zero: never
}

// Hash is the form in which a token is stored: lower-case hex of its SHA-256,
// as upstream's extract and restore exchange it.
func Hash(raw secret.Text) string { return secret.Hash(raw.Reveal()) }

// Issue makes a token of 130 random bits that lives for ttl, or for ever if
// ttl is 0.
func Issue(ctx context.Context, tx *db.Tx, subject principal.Name, identityID string, now time.Time, ttl time.Duration) (secret.Text, error) {
	raw := secret.Text(prefix + rand.Text())
	return raw, Put(ctx, tx, raw, subject, identityID, now, ttl)
}

// Put stores a token that was chosen elsewhere, such as the root token. Faults:
// Invalid, Exists.
func Put(ctx context.Context, tx *db.Tx, raw secret.Text, subject principal.Name, identityID string, now time.Time, ttl time.Duration) error {
	info := Info{Hash: Hash(raw), Subject: subject, IdentityID: identityID, Created: now}
	if ttl < 0 {
		return fault.New(fault.Invalid, "a token cannot live for %v", ttl).
			Next("give a positive time, or none for one that never expires")
	}
	if ttl > 0 {
		info.Expires = now.Add(ttl)
	}
	return insert(ctx, tx, info)
}

// Verify finds a token. The texts are upstream's, which clients look for.
// Fault: Unauthenticated for one that is unknown, revoked or expired.
func Verify(ctx context.Context, tx *db.Tx, raw secret.Text, now time.Time) (Info, error) {
	info, err := byHash(ctx, tx, Hash(raw))
	if fault.Is(err, fault.NotFound) {
		return Info{}, fault.New(fault.Unauthenticated, "provided auth token is corrupted or has expired (try logging in again)")
	}
	if err != nil {
		return Info{}, err
	}
	if err := info.CheckExpiry(now); err != nil {
		return Info{}, err
	}
	return info, nil
}

// CheckExpiry refuses a token whose time is over. Fault: Unauthenticated.
func (i Info) CheckExpiry(now time.Time) error {
	if !i.Expires.IsZero() && !now.Before(i.Expires) {
		return fault.New(fault.Unauthenticated, "token expiration is in the past").
			Next("log in again")
	}
	return nil
}

// Revoke ends one token and reports whether there was one.
func Revoke(ctx context.Context, tx *db.Tx, hash string) (bool, error) {
	n, err := tx.Exec(ctx, `DELETE FROM tokens WHERE hash = $1`, hash)
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.Changed(ctx, Topic, hash)
}

// RevokeAllOf ends all tokens of a subject and returns how many there were.
func RevokeAllOf(ctx context.Context, tx *db.Tx, subject principal.Name) (int64, error) {
	n, err := tx.Exec(ctx, `DELETE FROM tokens WHERE subject = $1`, subject)
	if err != nil {
		return 0, err
	}
	return n, tx.Changed(ctx, principal.Topic, subject.String())
}

// DeleteExpired forgets tokens that have expired.
func DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM tokens WHERE expires_at > 0 AND expires_at <= $1`, db.Micros(now))
}

func insert(ctx context.Context, tx *db.Tx, info Info) error {
	_, err := tx.Exec(ctx, `INSERT INTO tokens (hash, subject, identity_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		info.Hash, info.Subject, info.IdentityID, db.Micros(info.Created), db.Micros(info.Expires))
	return err
}

func byHash(ctx context.Context, tx *db.Tx, hash string) (Info, error) {
	info := Info{Hash: hash}
	var created, expires int64
	err := tx.Row(ctx, []any{&info.Subject, &info.IdentityID, &created, &expires},
		`SELECT subject, identity_id, created_at, expires_at FROM tokens WHERE hash = $1`, hash)
	info.Created, info.Expires = db.Time(created), db.Time(expires)
	return info, err
}
