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
	if err := c.checkShown(); err != nil {
		return "", err
	}
	err := insert(ctx, tx, c, secret.Hash(given.Reveal()), by.At)
	if fault.Is(err, fault.Exists) {
		return "", fault.New(fault.Exists, "cluster ID is not unique: %q is registered", c.ID).
			Next("change it with: pachctl license update-cluster")
	}
	if err != nil {
		return "", err
	}
	return given, by.Record(ctx, tx, "cluster.add", "cluster/"+c.ID, "")
}

// Update changes what is given of addresses and deployment. Faults: NotFound, Invalid.
func Update(ctx context.Context, tx *db.Tx, by audit.By, c Cluster, newSecret secret.Text) error {
	newHash := ""
	if newSecret != "" {
		newHash = secret.Hash(newSecret.Reveal())
	}
	if err := c.checkShown(); err != nil {
		return err
	}
	n, err := update(ctx, tx, c, newHash)
	if err := known(n, err, c.ID); err != nil {
		return err
	}
	return by.Record(ctx, tx, "cluster.update", "cluster/"+c.ID, "")
}

// Delete forgets a cluster. Fault: NotFound.
func Delete(ctx context.Context, tx *db.Tx, by audit.By, id string) error {
	n, err := remove(ctx, tx, id)
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
	if err := removeAll(ctx, tx); err != nil {
		return err
	}
	return by.Record(ctx, tx, "cluster.delete-all", "cluster/", "")
}

// Beat records that a cluster lives, and what it says of itself. Its secret is
// all that it shows. Faults: Unauthenticated, the same for a wrong id and a
// wrong secret; Invalid.
func Beat(ctx context.Context, tx *db.Tx, c Cluster, shown secret.Text) error {
	stored, err := secretHash(ctx, tx, c.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if !secret.Same(stored, secret.Hash(shown.Reveal())) {
		return fault.New(fault.Unauthenticated, "cluster ID or secret is not valid")
	}
	if err := c.checkShown(); err != nil {
		return err
	}
	return beat(ctx, tx, c)
}

// checkShown refuses what cannot be shown to others who list clusters. Fault: Invalid.
func (c Cluster) checkShown() error {
	for _, said := range []struct{ field, text string }{
		{"id", c.ID},
		{"address", c.Address},
		{"user_address", c.UserAddress},
		{"cluster_deployment_id", c.DeploymentID},
		{"version", c.Version},
		{"client_id", c.ClientID},
	} {
		if err := fault.CheckName(said.field, said.text); err != nil {
			return err
		}
	}
	return nil
}
