package offline

import (
	"context"
	"errors"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/db/reseal"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// The sealing key is changed in three steps, beside pachds that run: each key can
// open before anybody seals with it, and nobody needs the old one when it goes.

// addKey is pachd sealing-key add.
func (c *command) addKey(ctx context.Context) error {
	key := c.with.SealingKey(c.config)
	if err := secret.AddKey(ctx, key); err != nil {
		return err
	}
	c.say("%s has a second key, which opens and does not seal yet.", key)
	c.say("%s Then run: pachd sealing-key use", c.spread())
	return nil
}

// useKey is pachd sealing-key use. It may be run again.
func (c *command) useKey(ctx context.Context) error {
	key := c.with.SealingKey(c.config)
	var counts reseal.Counts
	err := c.withValues(ctx, "sealing-key.use", func(d *db.DB, s *secret.Sealer) (err error) {
		if err := secret.UseNewKey(ctx, key); err != nil {
			return err
		}
		if _, err := s.Reload(ctx, d, key); err != nil {
			return err
		}
		counts, err = reseal.All(ctx, d, s, c.with.Sealed)
		return err
	})
	if err != nil {
		return err
	}
	c.say("The new key of %s seals; %d of %d values in the database were sealed anew.", key, counts.Old, counts.Values)
	c.say("%s Then run: pachd sealing-key remove", c.spread())
	return nil
}

// removeKey is pachd sealing-key remove.
func (c *command) removeKey(ctx context.Context) error {
	key, old := c.with.SealingKey(c.config), c.with.OldKeys(c.config)
	err := c.withValues(ctx, "sealing-key.remove", func(d *db.DB, s *secret.Sealer) error {
		counts, err := reseal.Count(ctx, d, s, c.with.Sealed)
		switch {
		case err != nil:
			return err
		case counts.Old > 0:
			return fault.New(fault.Precondition, "%d of %d values are sealed with another key than the new one", counts.Old, counts.Values).
				Next("see that every replica has the key as it is now, and run again: pachd sealing-key use")
		}
		return secret.RemoveOldKeys(ctx, key, old)
	})
	if err != nil {
		return err
	}
	c.say("The old key is out of %s. %s", key, c.spread())
	c.say("%s is what was there: keep it with the dumps that were made before, and away from here.", old)
	return nil
}

// spread is what is to be done after each step; replicas share a Secret.
func (c *command) spread() string {
	if c.config.Sealing.KeyFile == "" {
		return "Copy the Secret to your backups, and wait twenty seconds, in which every replica reads it."
	}
	return "Copy the file to every replica, which reads it within seconds, and to your backups."
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
