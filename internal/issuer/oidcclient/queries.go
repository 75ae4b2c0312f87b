package oidcclient

import (
	"context"

	"pachyderm/internal/db"
)

func readPKCE(ctx context.Context, tx *db.Tx) (map[string]PKCE, error) {
	all := map[string]PKCE{}
	return all, tx.Rows(ctx, func(scan func(...any) error) error {
		var id, policy string
		err := scan(&id, &policy)
		all[id] = PKCE(policy)
		return err
	}, `SELECT client_id, policy FROM client_pkce`)
}

func writePKCE(ctx context.Context, tx *db.Tx, id string, p PKCE) error {
	_, err := tx.Exec(ctx, `INSERT INTO client_pkce (client_id, policy) VALUES ($1, $2) ON CONFLICT (client_id) DO UPDATE SET policy = $2`,
		id, string(p))
	return err
}

// insertPKCE changes nothing for a client that has a policy.
func insertPKCE(ctx context.Context, tx *db.Tx, id string, p PKCE) error {
	_, err := tx.Exec(ctx, `INSERT INTO client_pkce (client_id, policy) VALUES ($1, $2) ON CONFLICT DO NOTHING`, id, string(p))
	return err
}

func deletePKCE(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Exec(ctx, `DELETE FROM client_pkce WHERE client_id = $1`, id)
	return err
}
