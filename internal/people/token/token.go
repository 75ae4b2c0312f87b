package token

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// Topic is what db.Watch calls the end of a token; the key is its hash.
const Topic = "token"

// Info is what is known of a token.
type Info struct {
	Hash       string
	Subject    principal.Name
	IdentityID string // of the person who signed in; empty for robots and root
	// GrantID is the grant of the ID token that a session began from, or the trust
	// that a robot's token did; empty for others.
	GrantID string
	// CreatedBy made a token that is somebody else's: a robot's, or a restored one.
	CreatedBy principal.Name
	Created   time.Time
	// Proved is when the person of a session last proved to their provider who they
	// are; zero: not known.
	Proved  time.Time
	Expires time.Time // zero: never
	Used    time.Time // last, to within an hour; zero: not known
}

// Hash is the form in which a token is stored: lower-case hex of its SHA-256,
// as upstream's extract and restore exchange it.
func Hash(raw secret.Text) string { return secret.Hash(raw.Reveal()) }

// New is 130 random bits, for a token that is not stored yet. Its prefix lets
// secret scanners find one that got into the wrong place.
func New() secret.Text { return secret.Text("pach_" + rand.Text()) }

// Issue makes a token that lives for ttl, or for ever if
// ttl is 0.
func Issue(ctx context.Context, tx *db.Tx, info Info, ttl time.Duration) (secret.Text, error) {
	raw := New()
	return raw, Put(ctx, tx, raw, info, ttl)
}

// Put stores a token that was chosen elsewhere, such as the root token. Faults:
// Invalid, Exists.
func Put(ctx context.Context, tx *db.Tx, raw secret.Text, info Info, ttl time.Duration) error {
	info.Hash = Hash(raw)
	if ttl < 0 {
		return fault.New(fault.Invalid, "a token cannot live for %v", ttl).
			Next("give a positive time, or none for one that never expires")
	}
	if ttl > 0 {
		info.Expires = info.Created.Add(ttl)
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
			Next("log in again with: pachctl auth login")
	}
	return nil
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
	switch {
	case info.Subject.Kind() == principal.Robot:
	case info.Subject.Kind() != principal.User:
		return fault.New(fault.Invalid, "%s has no tokens to restore: robots and users have", info.Subject).At("subject")
	case info.Expires.IsZero():
		return fault.New(fault.Invalid, "a token of %s without end cannot be restored: people's sessions end", info.Subject).
			Next("send an expiration, or have them log in").At("expiration")
	}
	info.IdentityID, info.GrantID, info.Created = "", "", now
	err = insert(ctx, tx, info)
	if fault.Is(err, fault.Exists) {
		return fault.New(fault.Exists, "error restoring auth token: cannot overwrite existing token with same hash")
	}
	return err
}
