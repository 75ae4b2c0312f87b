package identity

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
)

const identityColumns = `id, user_name, connector_id, instance, issuer, subject, token_sub, ended`

func scanIdentity(ctx context.Context, tx *db.Tx, where string, args ...any) (who Identity, err error) {
	err = tx.Row(ctx, []any{&who.ID, &who.User, &who.ConnectorID, &who.Instance, &who.Issuer, &who.Subject, &who.TokenSub, &who.Ended},
		`SELECT `+identityColumns+` FROM identities WHERE `+where, args...)
	return who, err
}

func identityBySubject(ctx context.Context, tx *db.Tx, instance, issuer, subject string) (Identity, error) {
	return scanIdentity(ctx, tx, `instance = $1 AND issuer = $2 AND subject = $3`, instance, issuer, subject)
}

func identityByTokenSub(ctx context.Context, tx *db.Tx, sub string) (Identity, error) {
	return scanIdentity(ctx, tx, `token_sub = $1`, sub)
}

func identityByID(ctx context.Context, tx *db.Tx, id string) (Identity, error) {
	return scanIdentity(ctx, tx, `id = $1`, id)
}

func createIdentity(ctx context.Context, tx *db.Tx, who Identity, email string, now time.Time) error {
	if who.TokenSub == "" {
		return errNoSub
	}
	_, err := tx.Exec(ctx, `INSERT INTO identities (`+identityColumns+`, email, created_at, login_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)`,
		who.ID, who.User, who.ConnectorID, who.Instance, who.Issuer, who.Subject, who.TokenSub, who.Ended, email, db.Micros(now))
	return err
}

func hasIdentity(ctx context.Context, tx *db.Tx, user principal.Name) (bool, error) {
	var n int64
	err := tx.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM identities WHERE user_name = $1`, user)
	return n > 0, err
}

func createUser(ctx context.Context, tx *db.Tx, user principal.Name, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO users (name, disabled, created_at, login_at) VALUES ($1, FALSE, $2, 0) ON CONFLICT (name) DO NOTHING`,
		user, db.Micros(now))
	return err
}

func isDisabled(ctx context.Context, tx *db.Tx, user principal.Name) (disabled bool, err error) {
	err = tx.Row(ctx, []any{&disabled}, `SELECT disabled FROM users WHERE name = $1`, user)
	return disabled, err
}

func touchLogin(ctx context.Context, tx *db.Tx, who Identity, email string, now time.Time) error {
	if _, err := tx.Exec(ctx, `UPDATE identities SET login_at = $2, email = $3 WHERE id = $1`, who.ID, db.Micros(now), email); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE users SET login_at = $2 WHERE name = $1`, who.User, db.Micros(now))
	return err
}

func replaceMemberships(ctx context.Context, tx *db.Tx, member principal.Name, source string, groups []principal.Name, now time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM memberships WHERE member = $1 AND source = $2`, member, source); err != nil {
		return err
	}
	for _, g := range groups {
		_, err := tx.Exec(ctx, `INSERT INTO memberships (member, group_name, source, seen_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			member, g, source, db.Micros(now))
		if err != nil {
			return err
		}
	}
	return tx.Changed(ctx, principal.Topic, member.String())
}

func groupsOf(ctx context.Context, tx *db.Tx, who principal.Name) (groups []principal.Name, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var g principal.Name
		if err := scan(&g); err != nil {
			return err
		}
		groups = append(groups, g)
		return nil
	}, `SELECT group_name FROM memberships WHERE member = $1`, who)
	return groups, err
}
