package token

import (
	"context"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

const columns = `hash, subject, identity_id, grant_id, created_by, created_at, expires_at, used_at, auth_at`

func insert(ctx context.Context, tx *db.Tx, info Info) error {
	_, err := tx.Exec(ctx, `INSERT INTO tokens (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8)`,
		info.Hash, info.Subject, info.IdentityID, info.GrantID, info.CreatedBy, db.Micros(info.Created), db.Micros(info.Expires),
		db.Micros(info.Proved))
	return err
}

func byHash(ctx context.Context, tx *db.Tx, hash string) (Info, error) {
	found, err := list(ctx, tx, `hash = $1`, hash)
	if err == nil && len(found) == 0 {
		err = fault.New(fault.NotFound, "there is no such token")
	}
	if err != nil {
		return Info{}, err
	}
	return found[0], nil
}

// Page lists tokens by hash, also those that have expired and are not deleted
// yet.
func Page(ctx context.Context, tx *db.Tx, p db.Page) (all []Info, next string, err error) {
	all, err = list(ctx, tx, `hash > $1 ORDER BY hash LIMIT $2`, p.After, p.Size())
	return all, nextOf(p, all), err
}

// PageOf is Page of one subject's.
func PageOf(ctx context.Context, tx *db.Tx, subject principal.Name, p db.Page) (all []Info, next string, err error) {
	all, err = list(ctx, tx, `subject = $3 AND hash > $1 ORDER BY hash LIMIT $2`, p.After, p.Size(), subject)
	return all, nextOf(p, all), err
}

func nextOf(p db.Page, all []Info) string {
	if len(all) == 0 {
		return ""
	}
	return p.Next(len(all), all[len(all)-1].Hash)
}

func list(ctx context.Context, tx *db.Tx, where string, args ...any) (all []Info, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var i Info
		var created, expires, used, proved int64
		err := scan(&i.Hash, &i.Subject, &i.IdentityID, &i.GrantID, &i.CreatedBy, &created, &expires, &used, &proved)
		i.Created, i.Expires, i.Used, i.Proved = db.Time(created), db.Time(expires), db.Time(used), db.Time(proved)
		all = append(all, i)
		return err
	}, `SELECT `+columns+` FROM tokens WHERE `+where, args...)
	return all, err
}

// Used notes when tokens, by their hashes, were last used, once in a grain of time
// at most, and returns whose they are. Nobody has to forget anything for it.
func Used(ctx context.Context, tx *db.Tx, at map[string]time.Time, grain time.Duration) (map[principal.Name]time.Time, error) {
	by := map[principal.Name]time.Time{}
	for hash, used := range at {
		noted, err := db.Column[principal.Name](ctx, tx, `UPDATE tokens SET used_at = $1 WHERE hash = $2 AND used_at < $3 RETURNING subject`,
			db.Micros(used), hash, db.Micros(used.Truncate(grain)))
		if err != nil {
			return nil, err
		}
		for _, who := range noted {
			if used.After(by[who]) {
				by[who] = used
			}
		}
	}
	return by, nil
}

// CountLive counts, by subject, the tokens that have not expired, of subjects
// from one name to another.
func CountLive(ctx context.Context, tx *db.Tx, first, last principal.Name, now time.Time) (map[principal.Name]int64, error) {
	counts := map[principal.Name]int64{}
	err := tx.Rows(ctx, func(scan func(...any) error) error {
		var who principal.Name
		var n int64
		err := scan(&who, &n)
		counts[who] = n
		return err
	}, `SELECT subject, COUNT(*) FROM tokens WHERE (expires_at = 0 OR expires_at > $1) AND subject >= $2 AND subject <= $3 GROUP BY subject`,
		db.Micros(now), first, last)
	return counts, err
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

// RevokeOfIdentity ends the sessions that one identity of a person began.
func RevokeOfIdentity(ctx context.Context, tx *db.Tx, subject principal.Name, identityID string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM tokens WHERE identity_id = $1`, identityID); err != nil {
		return err
	}
	return tx.Changed(ctx, principal.Topic, subject.String())
}

// RevokeOfGrant ends the sessions that began from an ID token of a grant.
func RevokeOfGrant(ctx context.Context, tx *db.Tx, grantID string) error {
	ended, err := db.Column[string](ctx, tx, `DELETE FROM tokens WHERE grant_id = $1 AND grant_id <> '' RETURNING hash`, grantID)
	for _, hash := range ended {
		if err == nil {
			err = tx.Changed(ctx, Topic, hash)
		}
	}
	return err
}

// ByID finds a token by the first characters of its hash. Fault: NotFound.
func ByID(ctx context.Context, tx *db.Tx, id string) (Info, error) {
	found, err := list(ctx, tx, `hash >= $1 ORDER BY hash LIMIT 1`, id)
	if err == nil && (id == "" || len(found) == 0 || !strings.HasPrefix(found[0].Hash, id)) {
		err = fault.New(fault.NotFound, "there is no such token")
	}
	if err != nil {
		return Info{}, err
	}
	return found[0], nil
}

// DeleteExpired forgets tokens that have expired.
func DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM tokens WHERE expires_at > 0 AND expires_at <= $1`, db.Micros(now))
	return err
}

// DeleteAll ends every token, and who may make which of robots.
func DeleteAll(ctx context.Context, tx *db.Tx) error {
	for _, query := range []string{`DELETE FROM tokens`, `DELETE FROM robot_token_creators`} {
		if _, err := tx.Exec(ctx, query); err != nil {
			return err
		}
	}
	return tx.Changed(ctx, "", "")
}

// AllowCreator lets somebody, or a group, make tokens of a robot.
func AllowCreator(ctx context.Context, tx *db.Tx, robot, creator principal.Name) error {
	_, err := tx.Exec(ctx, `INSERT INTO robot_token_creators (robot, creator) VALUES ($1, $2) ON CONFLICT DO NOTHING`, robot, creator)
	return err
}

// RemoveCreator takes that back.
func RemoveCreator(ctx context.Context, tx *db.Tx, robot, creator principal.Name) error {
	_, err := tx.Exec(ctx, `DELETE FROM robot_token_creators WHERE robot = $1 AND creator = $2`, robot, creator)
	return err
}

// Creators are those who may make tokens of a robot.
func Creators(ctx context.Context, tx *db.Tx, robot principal.Name) ([]principal.Name, error) {
	return db.Column[principal.Name](ctx, tx, `SELECT creator FROM robot_token_creators WHERE robot = $1`, robot)
}

// NotPlain lists the names here that are other than lower-case ASCII: those that
// may be spelled in several ways.
func NotPlain(ctx context.Context, tx *db.Tx) ([]principal.Name, error) {
	return db.Column[principal.Name](ctx, tx, `SELECT name FROM (
			SELECT subject AS name FROM tokens UNION SELECT created_by FROM tokens
			UNION SELECT robot FROM robot_token_creators UNION SELECT creator FROM robot_token_creators
		) names WHERE name <> LOWER(name) OR LENGTH(name) <> OCTET_LENGTH(name)`)
}

// Knows reports whether a name has tokens, made some, or may make some.
func Knows(ctx context.Context, tx *db.Tx, who principal.Name) (bool, error) {
	var n int64
	err := tx.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM (
			SELECT subject FROM tokens WHERE subject = $1 OR created_by = $1
			UNION ALL SELECT robot FROM robot_token_creators WHERE robot = $1 OR creator = $1
		) of_them`, who)
	return n > 0, err
}

// Rename makes one name of several spellings: the tokens of the spelling keep,
// and what it may make of robots', become the name's; those of the others end. The
// caller says that everything has changed.
func Rename(ctx context.Context, tx *db.Tx, spellings []principal.Name, to, keep principal.Name) error {
	for _, spelling := range spellings {
		queries := []string{
			`UPDATE tokens SET subject = $1 WHERE subject = $2`,
			`UPDATE tokens SET created_by = $1 WHERE created_by = $2`,
			`UPDATE robot_token_creators SET robot = $1 WHERE robot = $2`,
			`UPDATE robot_token_creators SET creator = $1 WHERE creator = $2`,
		}
		args := []any{to, spelling}
		if spelling != keep {
			queries = []string{
				`DELETE FROM tokens WHERE subject = $1`,
				`UPDATE tokens SET created_by = '' WHERE created_by = $1`,
				`DELETE FROM robot_token_creators WHERE robot = $1 OR creator = $1`,
			}
			args = []any{spelling}
		}
		for _, query := range queries {
			if _, err := tx.Exec(ctx, query, args...); err != nil {
				return err
			}
		}
	}
	return nil
}
