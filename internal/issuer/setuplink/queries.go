package setuplink

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// columns are all, and shown those of a list, which has no body: that may be long.
const (
	shown   = `id, connector_id, name, type, preset, public_only, created_by, created_at, expires_at, changed_at, state, attempts`
	columns = shown + `, key_hash, body`
)

// scan reads what is shown, and more.
func (l *Link) scan(scan func(...any) error, more ...any) error {
	var created, expires, changed int64
	err := scan(append([]any{
		&l.ID, &l.Connector, &l.Name, &l.Type, &l.Preset, &l.PublicOnly, &l.By, &created, &expires, &changed, &l.State, &l.Attempts,
	}, more...)...)
	l.Created, l.Expires, l.Changed = db.Time(created), db.Time(expires), db.Time(changed)
	return err
}

func insertLink(ctx context.Context, tx *db.Tx, l Link) error {
	var have int64
	if err := tx.Row(ctx, []any{&have}, `SELECT COUNT(*) FROM setup_links WHERE expires_at > $1`, db.Micros(l.Created)); err != nil {
		return err
	}
	if have >= together {
		return fault.New(fault.Exhausted, "there are %d set-up links that have not ended", have).
			Next("delete some: pachctl idp setup-link list shows them")
	}
	_, err := tx.Exec(ctx, `INSERT INTO setup_links (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		l.ID, l.Connector, l.Name, l.Type, l.Preset, l.PublicOnly, l.By, db.Micros(l.Created), db.Micros(l.Expires),
		db.Micros(l.Changed), l.State, l.Attempts, l.keyHash, l.sealed)
	return err
}

func linkByID(ctx context.Context, tx *db.Tx, id string) (Link, error) {
	return readLink(ctx, tx, `WHERE id = $1`, id)
}

// linkByKey finds the link of a key that is still good.
func linkByKey(ctx context.Context, tx *db.Tx, hash string, now time.Time) (Link, error) {
	return readLink(ctx, tx, `WHERE key_hash = $1 AND expires_at > $2`, hash, db.Micros(now))
}

func readLink(ctx context.Context, tx *db.Tx, where string, args ...any) (l Link, err error) {
	err = l.scan(func(dest ...any) error {
		return tx.Row(ctx, dest, `SELECT `+columns+` FROM setup_links `+where, args...)
	}, &l.keyHash, &l.sealed)
	return l, err
}

func links(ctx context.Context, tx *db.Tx, p db.Page) (all []Link, next string, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var l Link
		err := l.scan(scan)
		all = append(all, l)
		return err
	}, `SELECT `+shown+` FROM setup_links WHERE id > $1 ORDER BY id LIMIT $2`, p.After, p.Size())
	if err != nil || len(all) == 0 {
		return nil, "", err
	}
	return all, p.Next(len(all), all[len(all)-1].ID), nil
}

func updateLink(ctx context.Context, tx *db.Tx, l Link) error {
	_, err := tx.Exec(ctx, `UPDATE setup_links SET key_hash = $2, state = $3, attempts = $4, body = $5, changed_at = $6 WHERE id = $1`,
		l.ID, l.keyHash, l.State, l.Attempts, l.sealed, db.Micros(l.Changed))
	if err != nil {
		return err
	}
	return tx.Changed(ctx, topic, l.ID)
}

func deleteLink(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM setup_links WHERE id = $1`, id); err != nil {
		return err
	}
	return tx.Changed(ctx, topic, id)
}

// DeleteExpired deletes links that ended a while ago.
func DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM setup_links WHERE expires_at < $1`, db.Micros(now.Add(-keptFor)))
	return err
}

// DeleteAll deletes all.
func DeleteAll(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM setup_links`)
	return err
}

// Sealed says where the bodies are.
func Sealed() secret.Sealed {
	return secret.Sealed{
		Table: "setup_links", Column: "body", Key: []string{"id"}, Place: func(k []string) string { return placeOf(k[0]) },
	}
}
