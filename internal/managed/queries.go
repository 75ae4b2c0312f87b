package managed

import (
	"context"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// Find reads what is known of a declared object.
func Find(ctx context.Context, tx *db.Tx, k Kind, id string) (o Object, found bool, err error) {
	o.Kind, o.ID = k, id
	before := ""
	err = tx.Row(ctx, []any{&o.Origin, &o.Digest, &before},
		`SELECT origin, digest, before FROM managed_objects WHERE kind = $1 AND id = $2`, string(k), id)
	if fault.Is(err, fault.NotFound) {
		return o, false, nil
	}
	o.Before = split(before)
	return o, err == nil, err
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// Put makes an object a declared one, or says that it stands elsewhere now.
func Put(ctx context.Context, tx *db.Tx, o Object) error {
	_, err := tx.Exec(ctx, `INSERT INTO managed_objects (kind, id, origin, digest, before) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (kind, id) DO UPDATE SET origin = $3, digest = $4, before = $5`,
		string(o.Kind), o.ID, o.Origin, o.Digest, strings.Join(o.Before, ","))
	return err
}

// Remove makes an object one like any other.
func Remove(ctx context.Context, tx *db.Tx, k Kind, id string) error {
	_, err := tx.Exec(ctx, `DELETE FROM managed_objects WHERE kind = $1 AND id = $2`, string(k), id)
	return err
}

// RemoveAll makes all objects of a kind ones like any other.
func RemoveAll(ctx context.Context, tx *db.Tx, k Kind) error {
	_, err := tx.Exec(ctx, `DELETE FROM managed_objects WHERE kind = $1`, string(k))
	return err
}

// All lists the declared objects of a kind, by id.
func All(ctx context.Context, tx *db.Tx, k Kind) (all []Object, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		o, before := Object{Kind: k}, ""
		err := scan(&o.ID, &o.Origin, &o.Digest, &before)
		o.Before = split(before)
		all = append(all, o)
		return err
	}, `SELECT id, origin, digest, before FROM managed_objects WHERE kind = $1`, string(k))
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(a.ID, b.ID) })
	return all, err
}

// Declaration is one that holds, or has held.
type Declaration struct {
	Number    int64
	Digest    string
	AppliedBy string // the replica
	AppliedAt time.Time
}

// last is the declaration that holds; its number is 0 if none ever has.
func last(ctx context.Context, tx *db.Tx) (d Declaration, err error) {
	var at int64
	err = tx.Row(ctx, []any{&d.Number, &d.Digest, &d.AppliedBy, &at},
		`SELECT number, digest, applied_by, applied_at FROM declarations WHERE number = (SELECT MAX(number) FROM declarations)`)
	if fault.Is(err, fault.NotFound) {
		return Declaration{}, nil
	}
	d.AppliedAt = db.Time(at)
	return d, err
}

// hasHeld reports whether a declaration has held before the one that does.
func hasHeld(ctx context.Context, tx *db.Tx, digest string) (bool, error) {
	var n int64
	err := tx.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM declarations WHERE digest = $1`, digest)
	return n > 0, err
}

// kept is how many declarations are remembered.
const kept = 50

// hold makes a declaration the one that holds. Two replicas that do so at once
// conflict, and one begins again. Fault: Exists.
func hold(ctx context.Context, tx *db.Tx, d Declaration) error {
	_, err := tx.Exec(ctx, `INSERT INTO declarations (number, digest, applied_by, applied_at) VALUES ($1, $2, $3, $4)`,
		d.Number, d.Digest, d.AppliedBy, db.Micros(d.AppliedAt))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM declarations WHERE number <= $1`, d.Number-kept)
	return err
}

// seen notes that a replica is there and has a declaration.
func seen(ctx context.Context, tx *db.Tx, name, digest string, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO declaring_replicas (name, digest, seen_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET digest = $2, seen_at = $3`, name, digest, db.Micros(now))
	return err
}

// Left notes that a replica has stopped.
func Left(ctx context.Context, tx *db.Tx, name string) error {
	_, err := tx.Exec(ctx, `DELETE FROM declaring_replicas WHERE name = $1`, name)
	return err
}

// othersWith lists the replicas that are there and have a declaration, but for
// the named one, and forgets those that are not there any more.
func othersWith(ctx context.Context, tx *db.Tx, digest, but string, now time.Time) ([]string, error) {
	gone := db.Micros(now.Add(-replicaGone))
	if _, err := tx.Exec(ctx, `DELETE FROM declaring_replicas WHERE seen_at < $1`, gone); err != nil {
		return nil, err
	}
	names, err := db.Column[string](ctx, tx, `SELECT name FROM declaring_replicas WHERE digest = $1 AND name <> $2`, digest, but)
	slices.Sort(names)
	return names, err
}
