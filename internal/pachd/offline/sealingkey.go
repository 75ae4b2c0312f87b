package offline

import (
	"context"
	"errors"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/db/reseal"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
	"pachyderm/internal/session"
)

// The sealing key is changed in three steps, beside pachds that run: each key can
// open before anybody seals with it, and nobody needs the old one when it goes.

// addKey is pachd sealing-key add.
func (c *command) addKey(ctx context.Context) error {
	if err := secret.AddKey(ctx, secret.File(c.config.Sealing.KeyFile)); err != nil {
		return err
	}
	c.say("%s has a second key, which opens and does not seal yet.", c.config.Sealing.KeyFile)
	c.say("Copy the file to every replica, which reads it within seconds, and to your backups. Then run: pachd sealing-key use")
	return nil
}

// useKey is pachd sealing-key use. It may be run again.
func (c *command) useKey(ctx context.Context) error {
	if err := secret.UseNewKey(ctx, secret.File(c.config.Sealing.KeyFile)); err != nil {
		return err
	}
	var counts reseal.Counts
	err := c.withValues(ctx, "sealing-key.use", func(d *db.DB, s *secret.Sealer) (err error) {
		counts, err = reseal.All(ctx, d, s, c.with.Sealed)
		return err
	})
	if err != nil {
		return err
	}
	c.say("The new key of %s seals; %d of %d values in the database were sealed anew.", c.config.Sealing.KeyFile, counts.Old, counts.Values)
	c.say("Copy the file to every replica again. Then run: pachd sealing-key remove")
	return nil
}

// removeKey is pachd sealing-key remove.
func (c *command) removeKey(ctx context.Context) error {
	file := c.config.Sealing.KeyFile
	err := c.withValues(ctx, "sealing-key.remove", func(d *db.DB, s *secret.Sealer) error {
		counts, err := reseal.Count(ctx, d, s, c.with.Sealed)
		switch {
		case err != nil:
			return err
		case counts.Old > 0:
			return fault.New(fault.Precondition, "%d of %d values are sealed with another key than the new one", counts.Old, counts.Values).
				Next("see that every replica has the key file as it is now, and run again: pachd sealing-key use")
		}
		return secret.RemoveOldKeys(ctx, secret.File(file), secret.File(file+".old"))
	})
	if err != nil {
		return err
	}
	c.say("The old key is out of %s. Copy the file to every replica and to your backups.", file)
	c.say("%s.old is the file as it was: keep it with the dumps that were made before, and away from here.", file)
	return nil
}

// withValues has f change keys, once the audit log says so.
func (c *command) withValues(ctx context.Context, action string, f func(*db.DB, *secret.Sealer) error) (err error) {
	d, sealer, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	sessions := session.New(session.Config{DB: d, Now: time.Now})
	err = d.Update(ctx, func(tx *db.Tx) error {
		return sessions.By(principal.Root).Record(ctx, tx, action, "cluster", "on pachd's machine")
	})
	if err != nil {
		return err
	}
	return f(d, sealer)
}
