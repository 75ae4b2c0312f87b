package db

import (
	"context"
	"fmt"

	"pachyderm/internal/fault"
)

// Meta reads a value of the installation; a missing one is a fault.NotFound.
func (d *DB) Meta(ctx context.Context, key string) (value []byte, err error) {
	err = d.View(ctx, func(tx *Tx) error {
		value, err = tx.Meta(ctx, key)
		return err
	})
	return value, err
}

// Meta is DB.Meta within a transaction.
func (t *Tx) Meta(ctx context.Context, key string) (value []byte, err error) {
	if err := t.Row(ctx, []any{&value}, `SELECT value FROM meta WHERE key = $1`, key); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return value, nil
}

// SetMeta stores a value, in place of the one before.
func (d *DB) SetMeta(ctx context.Context, key string, value []byte) error {
	return d.Update(ctx, func(tx *Tx) error { return tx.SetMeta(ctx, key, value) })
}

// SetMeta is DB.SetMeta within a transaction.
func (t *Tx) SetMeta(ctx context.Context, key string, value []byte) error {
	_, err := t.Exec(ctx, `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
	if err != nil {
		return fmt.Errorf("store %s: %w", key, err)
	}
	return nil
}

// EnsureMeta returns the stored value, having stored the given one if there
// was none. Of replicas that race, all get the same.
func (d *DB) EnsureMeta(ctx context.Context, key string, value []byte) ([]byte, error) {
	stored, err := d.Meta(ctx, key)
	if err == nil || !fault.Is(err, fault.NotFound) {
		return stored, err
	}
	err = d.Update(ctx, func(tx *Tx) (err error) {
		if _, err = tx.Exec(ctx, `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`, key, value); err == nil {
			stored, err = tx.Meta(ctx, key)
		}
		return err
	})
	return stored, err
}
