package fileset

import (
	"cmp"
	"context"
	"time"
	"unicode/utf8"

	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
)

// Set is one as the database has it.
type Set struct {
	Hash, Owner string
	// Root is what the set adds, and Deletes what it takes out before: all if Clears is
	// set, and else what marks name that are the datums of files there.
	Root, Deletes tree.Root
	Clears        bool
	// Written is how many bytes are kept for it alone.
	Written          int64
	Created, Expires time.Time
	// Bad is why Root or Deletes cannot be read, or nil.
	Bad error
}

func (s *Set) scan(scan func(...any) error) error {
	var root, deletes []byte
	var created, expires int64
	if err := scan(&s.Hash, &s.Owner, &root, &deletes, &s.Clears, &s.Written, &created, &expires); err != nil {
		return err
	}
	s.Created, s.Expires = db.Time(created), db.Time(expires)
	var bad, alsoBad error
	s.Root, bad = tree.ReadRoot(root)
	s.Deletes, alsoBad = tree.ReadRoot(deletes)
	s.Bad = cmp.Or(bad, alsoBad)
	return nil
}

const setColumns = `hash, owner, root, deletes, clears, written, created, expires`

func insert(ctx context.Context, tx *db.Tx, s Set) error {
	_, err := tx.Exec(ctx, `INSERT INTO file_sets (`+setColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		s.Hash, s.Owner, tree.Stored(s.Root), tree.Stored(s.Deletes), s.Clears, s.Written, db.Micros(s.Created), db.Micros(s.Expires))
	return err
}

// live is a set that has not expired, or that the cache keeps. Fault: NotFound.
func live(ctx context.Context, tx *db.Tx, hash string, now time.Time) (s Set, err error) {
	err = s.scan(func(dest ...any) error {
		return tx.Row(ctx, dest, `SELECT `+setColumns+` FROM file_sets
			WHERE hash = $1 AND (expires > $2 OR EXISTS (SELECT 1 FROM cached_file_sets c WHERE c.file_set = hash))`, hash, db.Micros(now))
	})
	return s, cmp.Or(err, s.Bad)
}

// used is how much an owner has that has not expired.
func used(ctx context.Context, tx *db.Tx, owner string, now time.Time) (sets, written int64, err error) {
	err = tx.Row(ctx, []any{&sets, &written},
		`SELECT COUNT(*), CAST(COALESCE(SUM(written), 0) AS BIGINT) FROM file_sets WHERE owner = $1 AND expires > $2`, owner, db.Micros(now))
	return sets, written, err
}

func expire(ctx context.Context, tx *db.Tx, hash string, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE file_sets SET expires = $2 WHERE hash = $1`, hash, db.Micros(at))
	return err
}

func deleteExpired(ctx context.Context, tx *db.Tx, now time.Time) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM file_sets WHERE expires <= $1
		AND NOT EXISTS (SELECT 1 FROM cached_file_sets c WHERE c.file_set = hash)`, db.Micros(now))
}

// PageSize is how many sets Roots gives at most.
const PageSize = 1000

// Roots are a page of all sets, expired or not, by their hashes: for what marks and
// checks what packs hold.
func Roots(ctx context.Context, tx *db.Tx, after string) (all []Set, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var s Set
		err := s.scan(scan)
		all = append(all, s)
		return err
	}, `SELECT `+setColumns+` FROM file_sets WHERE hash > $1 ORDER BY hash LIMIT $2`,
		after, PageSize)
	return all, err
}

// putEntry puts an entry of the cache in the place of the one of that name.
func putEntry(ctx context.Context, tx *db.Tx, e Entry, now time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM cached_file_sets WHERE entry = $1`, e.Key); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO cache_entries (name, tag, content, size, used) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (name) DO UPDATE SET tag = excluded.tag, content = excluded.content, size = excluded.size, used = excluded.used`,
		e.Key, e.Tag, append([]byte{}, e.Value...), len(e.Value), db.Micros(now)) // nil would be NULL
	return err
}

func keepBy(ctx context.Context, tx *db.Tx, entry, hash string) error {
	_, err := tx.Exec(ctx, `INSERT INTO cached_file_sets (entry, file_set) VALUES ($1, $2) ON CONFLICT (entry, file_set) DO NOTHING`,
		entry, hash)
	return err
}

// entry is the value of an entry. Fault: NotFound.
func entry(ctx context.Context, tx *db.Tx, name string) (value []byte, used time.Time, err error) {
	var at int64
	err = tx.Row(ctx, []any{&value, &at}, `SELECT content, used FROM cache_entries WHERE name = $1`, name)
	return value, db.Time(at), err
}

func useEntry(ctx context.Context, tx *db.Tx, name string, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE cache_entries SET used = $2 WHERE name = $1`, name, db.Micros(now))
	return err
}

func cacheSize(ctx context.Context, tx *db.Tx) (entries, size int64, err error) {
	err = tx.Row(ctx, []any{&entries, &size}, `SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM cache_entries`)
	return entries, size, err
}

// surplus are the entries that have not been used for longest, beside one that stays:
// those that are more than so many, and those whose values are too much with all others.
func surplus(ctx context.Context, tx *db.Tx, stays string, entries, size int64) ([]string, error) {
	return db.Column[string](ctx, tx, `SELECT name FROM (
			SELECT name, ROW_NUMBER() OVER (ORDER BY used DESC) AS place,
				SUM(size) OVER (ORDER BY used DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS total
			FROM cache_entries WHERE name <> $1
		) ranked WHERE place > $2 OR total > $3`, stays, entries-1, size)
}

// tagged are the entries whose tag begins with a text.
func tagged(ctx context.Context, tx *db.Tx, prefix string) ([]string, error) {
	return db.Column[string](ctx, tx, `SELECT name FROM cache_entries WHERE SUBSTR(tag, 1, $1) = $2`, utf8.RuneCountInString(prefix), prefix)
}

func deleteEntries(ctx context.Context, tx *db.Tx, names []string) error {
	for _, name := range names {
		if _, err := tx.Exec(ctx, `DELETE FROM cached_file_sets WHERE entry = $1`, name); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM cache_entries WHERE name = $1`, name); err != nil {
			return err
		}
	}
	return nil
}
