package guess

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// readUntil is when a counter is back at nothing, not before now.
func readUntil(ctx context.Context, tx *db.Tx, key string, now time.Time) (time.Time, error) {
	var micros int64
	err := tx.Row(ctx, []any{&micros}, `SELECT until FROM guesses WHERE key = $1`, key)
	if until := db.Time(micros); err == nil && until.After(now) {
		return until, nil
	}
	if fault.Is(err, fault.NotFound) {
		err = nil
	}
	return now, err
}

func writeUntil(ctx context.Context, tx *db.Tx, key string, until time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO guesses (key, until) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET until = excluded.until`,
		key, db.Micros(until))
	return err
}

// takeBack undoes one guess.
func takeBack(ctx context.Context, tx *db.Tx, key string, by time.Duration) error {
	_, err := tx.Exec(ctx, `UPDATE guesses SET until = until - $2 WHERE key = $1`, key, by.Microseconds())
	return err
}

func forget(ctx context.Context, tx *db.Tx, key string) error {
	_, err := tx.Exec(ctx, `DELETE FROM guesses WHERE key = $1`, key)
	return err
}

// DeleteExpired deletes the counters that are back at nothing and, of more than
// the table may hold, those that will be first.
func DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM guesses WHERE until < $1`, db.Micros(now)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM guesses WHERE until <= (SELECT until FROM guesses ORDER BY until DESC LIMIT 1 OFFSET $1)`, maxCounters)
	return err
}
