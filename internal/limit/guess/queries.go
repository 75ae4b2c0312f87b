package guess

import (
	"context"
	"strconv"
	"strings"
	"time"

	"pachyderm/internal/db"
)

// count counts a guess in all of its counters, if none of those that refuse is full, and
// returns when each is back at nothing; no times if one is full. Those who count in the
// same counters at once may go beyond what one takes, each by their own guess. Counters are
// always changed in this order, so that nobody waits for somebody who waits for them.
func count(ctx context.Context, tx *db.Tx, counters []counter, now time.Time) (untils map[string]time.Time, err error) {
	args := []any{db.Micros(now), db.Micros(now.Add(2 * window))}
	place := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	var rows, full []string
	capped := "''"
	for _, c := range counters {
		key := place(c.key)
		rows = append(rows, "(CAST("+key+" AS TEXT), CAST("+place(db.Micros(now.Add(c.step())))+" AS BIGINT))")
		if c.delays {
			capped = key
			continue
		}
		full = append(full, "key = "+key+" AND until > "+place(db.Micros(now.Add(window-c.step()))))
	}
	untils = map[string]time.Time{}
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var key string
		var micros int64
		err := scan(&key, &micros)
		untils[key] = db.Time(micros)
		return err
	}, `INSERT INTO guesses (key, until)
		SELECT column1, column2 FROM (VALUES `+strings.Join(rows, ", ")+`) AS g
		WHERE NOT EXISTS (SELECT 1 FROM guesses WHERE `+strings.Join(full, " OR ")+`)
		ON CONFLICT (key) DO UPDATE SET until = excluded.until - CAST($1 AS BIGINT) + CASE
			WHEN guesses.until <= $1 THEN $1 WHEN guesses.key = `+capped+` AND guesses.until > $2 THEN $2 ELSE guesses.until END
		RETURNING key, until`, args...)
	return untils, err
}

// readUntils is when counters are back at nothing, not before now.
func readUntils(ctx context.Context, tx *db.Tx, counters []counter, now time.Time) (map[string]time.Time, error) {
	untils := map[string]time.Time{}
	var args []any
	var places []string
	for _, c := range counters {
		untils[c.key] = now
		args = append(args, c.key)
		places = append(places, "$"+strconv.Itoa(len(args)))
	}
	err := tx.Rows(ctx, func(scan func(...any) error) error {
		var key string
		var micros int64
		err := scan(&key, &micros)
		if until := db.Time(micros); until.After(now) {
			untils[key] = until
		}
		return err
	}, `SELECT key, until FROM guesses WHERE key IN (`+strings.Join(places, ", ")+`)`, args...)
	return untils, err
}

// takeBack undoes a guess in these counters, of which it empties the first if forget.
func takeBack(ctx context.Context, tx *db.Tx, counters []counter, forget bool) error {
	var args []any
	var rows []string
	for n, c := range counters {
		by := -c.step().Microseconds()
		if forget && n == 0 {
			by = 0
		}
		args = append(args, c.key, by)
		rows = append(rows, "($"+strconv.Itoa(len(args)-1)+", $"+strconv.Itoa(len(args))+")")
	}
	_, err := tx.Exec(ctx, `INSERT INTO guesses (key, until) VALUES `+strings.Join(rows, ", ")+`
		ON CONFLICT (key) DO UPDATE SET until = CASE excluded.until WHEN 0 THEN 0 ELSE guesses.until + excluded.until END`, args...)
	return err
}

// storeUntils writes how counters stand.
func storeUntils(ctx context.Context, tx *db.Tx, keys []string, until func(key string) int64) error {
	var args []any
	var rows []string
	for _, key := range keys {
		args = append(args, key, until(key))
		rows = append(rows, "($"+strconv.Itoa(len(args)-1)+", $"+strconv.Itoa(len(args))+")")
	}
	_, err := tx.Exec(ctx, `INSERT INTO guesses (key, until) VALUES `+strings.Join(rows, ", ")+`
		ON CONFLICT (key) DO UPDATE SET until = excluded.until`, args...)
	return err
}

// unexpired calls each for all counters that are not back at nothing.
func unexpired(ctx context.Context, tx *db.Tx, now time.Time, each func(key string, until int64)) error {
	return tx.Rows(ctx, func(scan func(...any) error) error {
		var key string
		var until int64
		err := scan(&key, &until)
		each(key, until)
		return err
	}, `SELECT key, until FROM guesses WHERE until > $1`, db.Micros(now))
}

// deleteExpired is DeleteExpired of the table.
func deleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM guesses WHERE until < $1`, db.Micros(now)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM guesses WHERE until <= (SELECT until FROM guesses ORDER BY until DESC LIMIT 1 OFFSET $1)`, maxCounters)
	return err
}
