package cluster

import (
	"context"
	"time"

	"pachyderm/internal/db"
)

func insert(ctx context.Context, tx *db.Tx, c Cluster, secretHash string, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO clusters (id, address, user_address, deployment_id, enterprise_server, secret_hash,
		version, auth_enabled, client_id, created_at, heartbeat_at) VALUES ($1, $2, $3, $4, $5, $6, '', FALSE, '', $7, 0)`,
		c.ID, c.Address, c.UserAddress, c.DeploymentID, c.EnterpriseServer, secretHash, db.Micros(now))
	return err
}

func update(ctx context.Context, tx *db.Tx, c Cluster, secretHash string) (int64, error) {
	return tx.Exec(ctx, `UPDATE clusters SET
		address = CASE WHEN $2 = '' THEN address ELSE $2 END,
		user_address = CASE WHEN $3 = '' THEN user_address ELSE $3 END,
		deployment_id = CASE WHEN $4 = '' THEN deployment_id ELSE $4 END,
		secret_hash = CASE WHEN $5 = '' THEN secret_hash ELSE $5 END
		WHERE id = $1`, c.ID, c.Address, c.UserAddress, c.DeploymentID, secretHash)
}

func remove(ctx context.Context, tx *db.Tx, id string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM clusters WHERE id = $1`, id)
}

func removeAll(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM clusters`)
	return err
}

func secretHash(ctx context.Context, tx *db.Tx, id string) (stored string, err error) {
	err = tx.Row(ctx, []any{&stored}, `SELECT secret_hash FROM clusters WHERE id = $1`, id)
	return stored, err
}

func beat(ctx context.Context, tx *db.Tx, c Cluster) error {
	_, err := tx.Exec(ctx, `UPDATE clusters SET version = $2, auth_enabled = $3, client_id = $4, heartbeat_at = $5 WHERE id = $1`,
		c.ID, c.Version, c.AuthEnabled, c.ClientID, db.Micros(c.Heartbeat))
	return err
}

// List is a page of them.
func List(ctx context.Context, tx *db.Tx, p db.Page) (all []Cluster, next string, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var c Cluster
		var created, beat int64
		err := scan(&c.ID, &c.Address, &c.UserAddress, &c.DeploymentID, &c.EnterpriseServer, &c.Version, &c.AuthEnabled, &c.ClientID,
			&created, &beat)
		c.Created, c.Heartbeat = db.Time(created), db.Time(beat)
		all = append(all, c)
		return err
	}, `SELECT id, address, user_address, deployment_id, enterprise_server, version, auth_enabled, client_id, created_at, heartbeat_at
		FROM clusters WHERE id > $1 ORDER BY id LIMIT $2`,
		p.After, p.Size())
	if err != nil || len(all) == 0 {
		return nil, "", err
	}
	return all, p.Next(len(all), all[len(all)-1].ID), nil
}
