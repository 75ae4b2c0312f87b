package cluster

import (
	"context"
	"crypto/rand"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// Cluster is another installation.
type Cluster struct {
	ID string
	// Address is for pachds, UserAddress for people.
	Address          string
	UserAddress      string
	DeploymentID     string
	EnterpriseServer bool
	// What it said of itself with its last heartbeat.
	Version     string
	AuthEnabled bool
	ClientID    string

	Created   time.Time
	Heartbeat time.Time // zero: never
}

// Add registers a cluster under the given secret, or one that is made, and
// returns it. Faults: Invalid, Exists.
func Add(ctx context.Context, tx *db.Tx, by audit.By, c Cluster, given secret.Text) (secret.Text, error) {
	switch {
	case c.ID == "":
		return "", fault.New(fault.Invalid, "no id provided for cluster").
			Next("give it one").At("id")
	case c.Address == "":
		return "", fault.New(fault.Invalid, "no address provided for cluster").
			Next("say where its pachd is").At("address")
	case given == "":
		given = secret.Text(rand.Text())
	}
	_, err := tx.Exec(ctx, `INSERT INTO clusters (id, address, user_address, deployment_id, enterprise_server, secret_hash, version, auth_enabled, client_id, created_at, heartbeat_at)
		VALUES ($1, $2, $3, $4, $5, $6, '', FALSE, '', $7, 0)`,
		c.ID, c.Address, c.UserAddress, c.DeploymentID, c.EnterpriseServer, secret.Hash(given.Reveal()), db.Micros(by.At))
	if fault.Is(err, fault.Exists) {
		return "", fault.New(fault.Exists, "cluster ID is not unique: %q is registered", c.ID).
			Next("change it with: pachctl license update-cluster")
	}
	if err != nil {
		return "", err
	}
	return given, by.Record(ctx, tx, "cluster.add", "cluster/"+c.ID, "")
}

// Update changes what is given of addresses and deployment. Fault: NotFound.
func Update(ctx context.Context, tx *db.Tx, by audit.By, c Cluster, newSecret secret.Text) error {
	newHash := ""
	if newSecret != "" {
		newHash = secret.Hash(newSecret.Reveal())
	}
	n, err := tx.Exec(ctx, `UPDATE clusters SET
		address = CASE WHEN $2 = '' THEN address ELSE $2 END,
		user_address = CASE WHEN $3 = '' THEN user_address ELSE $3 END,
		deployment_id = CASE WHEN $4 = '' THEN deployment_id ELSE $4 END,
		secret_hash = CASE WHEN $5 = '' THEN secret_hash ELSE $5 END
		WHERE id = $1`, c.ID, c.Address, c.UserAddress, c.DeploymentID, newHash)
	if err := known(n, err, c.ID); err != nil {
		return err
	}
	return by.Record(ctx, tx, "cluster.update", "cluster/"+c.ID, "")
}

// Delete forgets a cluster. Fault: NotFound.
func Delete(ctx context.Context, tx *db.Tx, by audit.By, id string) error {
	n, err := tx.Exec(ctx, `DELETE FROM clusters WHERE id = $1`, id)
	if err := known(n, err, id); err != nil {
		return err
	}
	return by.Record(ctx, tx, "cluster.delete", "cluster/"+id, "")
}

func known(n int64, err error, id string) error {
	if err == nil && n == 0 {
		err = fault.New(fault.NotFound, "there is no cluster %q", id).
			Next("pachctl license list-clusters shows those that registered")
	}
	return err
}

// DeleteAll forgets all.
func DeleteAll(ctx context.Context, tx *db.Tx, by audit.By) error {
	if _, err := tx.Exec(ctx, `DELETE FROM clusters`); err != nil {
		return err
	}
	return by.Record(ctx, tx, "cluster.delete-all", "cluster/", "")
}

// List is a page of them.
func List(ctx context.Context, tx *db.Tx, p db.Page) (all []Cluster, next string, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var c Cluster
		var created, beat int64
		err := scan(&c.ID, &c.Address, &c.UserAddress, &c.DeploymentID, &c.EnterpriseServer, &c.Version, &c.AuthEnabled, &c.ClientID, &created, &beat)
		c.Created, c.Heartbeat = db.Time(created), db.Time(beat)
		all = append(all, c)
		return err
	}, `SELECT id, address, user_address, deployment_id, enterprise_server, version, auth_enabled, client_id, created_at, heartbeat_at FROM clusters WHERE id > $1 ORDER BY id LIMIT $2`,
		p.After, p.Size())
	if err != nil || len(all) == 0 {
		return nil, "", err
	}
	return all, p.Next(len(all), all[len(all)-1].ID), nil
}

// Beat records that a cluster lives, and what it says of itself. Its secret is
// all that it shows. Fault: Unauthenticated, the same for a wrong id and a
// wrong secret.
func Beat(ctx context.Context, tx *db.Tx, c Cluster, shown secret.Text) error {
	stored := ""
	err := tx.Row(ctx, []any{&stored}, `SELECT secret_hash FROM clusters WHERE id = $1`, c.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if !secret.Same(stored, secret.Hash(shown.Reveal())) {
		return fault.New(fault.Unauthenticated, "cluster ID or secret is not valid")
	}
	_, err = tx.Exec(ctx, `UPDATE clusters SET version = $2, auth_enabled = $3, client_id = $4, heartbeat_at = $5 WHERE id = $1`,
		c.ID, c.Version, c.AuthEnabled, c.ClientID, db.Micros(c.Heartbeat))
	return err
}
