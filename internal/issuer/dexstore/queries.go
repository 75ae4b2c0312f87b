package dexstore

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/limit"
)

// object is a row, sealed.
type object struct {
	id   string
	body []byte
}

func insertObject(ctx context.Context, tx *db.Tx, kind, id, network string, body []byte, expires any) error {
	_, err := tx.Exec(ctx, `INSERT INTO dex_objects (kind, id, body, version, expires_at, network) VALUES ($1, $2, $3, 1, $4, $5)`,
		kind, id, body, expires, network)
	return err
}

func readObject(ctx context.Context, tx *db.Tx, kind, id string) (body []byte, version int64, err error) {
	err = tx.Row(ctx, []any{&body, &version}, `SELECT body, version FROM dex_objects WHERE kind = $1 AND id = $2`, kind, id)
	return body, version, err
}

func listObjects(ctx context.Context, tx *db.Tx, kind string, p db.Page) (all []object, next string, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var o object
		err := scan(&o.id, &o.body)
		all = append(all, o)
		return err
	}, `SELECT id, body FROM dex_objects WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3`, kind, p.After, p.Size())
	if err != nil || len(all) == 0 {
		return nil, "", err
	}
	return all, p.Next(len(all), all[len(all)-1].id), nil
}

func deleteObject(ctx context.Context, tx *db.Tx, kind, id string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM dex_objects WHERE kind = $1 AND id = $2`, kind, id)
}

// replaceObject changes nothing unless the object is still of that version.
func replaceObject(ctx context.Context, tx *db.Tx, kind, id string, version int64, body []byte, expires any) (int64, error) {
	return tx.Exec(ctx, `UPDATE dex_objects SET body = $4, version = version + 1, expires_at = $5
		WHERE kind = $1 AND id = $2 AND version = $3`,
		kind, id, version, body, expires)
}

func deleteExpired(ctx context.Context, tx *db.Tx, kind string, now time.Time) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM dex_objects WHERE kind = $1 AND expires_at < $2`, kind, db.Micros(now))
}

// countPending counts a long body, such as one with a SAML response, as one
// more for each 16 KiB.
func countPending(ctx context.Context, tx *db.Tx, kind string) (map[string]int, error) {
	return limit.CountRows(ctx, tx, `SELECT network, SUM(1 + LENGTH(body) / 16384) FROM dex_objects
		WHERE kind = $1 AND network <> '' GROUP BY network`, kind)
}

// dropOldest leaves the newest of a kind and network: all live equally long.
func dropOldest(ctx context.Context, tx *db.Tx, kind, network string, keep int) error {
	_, err := tx.Exec(ctx, `DELETE FROM dex_objects WHERE kind = $1 AND id IN
		(SELECT id FROM (SELECT id, SUM(1 + LENGTH(body) / 16384) OVER (ORDER BY expires_at DESC) AS so_far
			FROM dex_objects WHERE kind = $1 AND network = $2 AND network <> '') AS newest WHERE so_far > $3)`, kind, network, keep)
	return err
}
