package catalog

import (
	"context"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"pachyderm/internal/data/pack/format"
	"pachyderm/internal/db"
	"pachyderm/internal/db/inlist"
	"pachyderm/internal/secret"
)

// The states of a pack.
const (
	Writing   = "writing"
	Kept      = "kept"
	Condemned = "condemned"
)

// most is how many rows one statement inserts.
const most = 256

// Place is where the key of a pack is sealed for.
func Place(pack string) string { return "pack/" + pack }

// Sealed says where the keys of packs are. The installation's key is a meta value.
func Sealed() secret.Sealed {
	return secret.Sealed{
		Table: "packs", Column: "key_sealed", Key: []string{"id"}, Place: func(k []string) string { return Place(k[0]) },
	}
}

func idArg(id format.ID) any { return id[:] }
func textArg(id string) any  { return id }

// Pack is one as the database has it.
type Pack struct {
	ID, State string
	// Writer is the session that writes it, or "" if several need it.
	Writer string
	// Size is the object's, in bytes, Live that of its blobs there.
	Size, Live int64
	// Key is sealed.
	Key []byte
	// Until is when the lease ends.
	Created, Until time.Time
}

// InsertPack inserts a pack's row.
func InsertPack(ctx context.Context, tx *db.Tx, p Pack) error {
	_, err := tx.Exec(ctx, `INSERT INTO packs (id, state, size, live, key_sealed, writer, created_at, lease_until, condemned_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)`, p.ID, p.State, p.Size, p.Live, p.Key, p.Writer, db.Micros(p.Created), db.Micros(p.Until))
	return err
}

// InsertBlobs inserts those that no pack has yet, and counts them.
func InsertBlobs(ctx context.Context, tx *db.Tx, pack string, all []format.Entry) (inserted int64, err error) {
	for len(all) > 0 {
		n := min(most, 1<<(bits.Len(uint(len(all)))-1)) // of few sizes, so that there are few statements to prepare
		places, args := make([]string, n), []any{pack}
		for i, e := range all[:n] {
			at := 2 + 4*i
			places[i] = fmt.Sprintf("($%d, $1, $%d, $%d, $%d)", at, at+1, at+2, at+3)
			args = append(args, e.ID[:], e.Off, e.Len, e.Raw)
		}
		changed, err := tx.Exec(ctx,
			`INSERT INTO blobs (id, pack, off, len, raw) VALUES `+strings.Join(places, ", ")+` ON CONFLICT (id) DO NOTHING`, args...)
		if err != nil {
			return 0, err
		}
		inserted, all = inserted+changed, all[n:]
	}
	return inserted, nil
}

// Found is a blob that is stored.
type Found struct {
	format.Entry
	// Pack is the pack's id, State its state and Key its key, sealed.
	Pack, State string
	Key         []byte
}

// Find is where blobs are, of those that are stored.
func Find(ctx context.Context, tx *db.Tx, ids []format.ID) (map[format.ID]Found, error) {
	all := make(map[format.ID]Found, len(ids))
	err := inlist.Each(ids, 1, idArg, func(places string, args []any) error {
		return tx.Rows(ctx, func(scan func(...any) error) error {
			var f Found
			var id []byte
			if err := scan(&id, &f.Off, &f.Len, &f.Raw, &f.Pack, &f.State, &f.Key); err != nil {
				return err
			}
			f.ID = format.ID(id)
			all[f.ID] = f
			return nil
		}, `SELECT b.id, b.off, b.len, b.raw, p.id, p.state, p.key_sealed FROM blobs b JOIN packs p ON p.id = b.pack
			WHERE b.id IN (`+places+`)`, args...)
	})
	return all, err
}

// States are the states of packs, of those that there are.
func States(ctx context.Context, tx *db.Tx, packs []string) (map[string]string, error) {
	all := make(map[string]string, len(packs))
	err := inlist.Each(packs, 1, textArg, func(places string, args []any) error {
		return tx.Rows(ctx, func(scan func(...any) error) error {
			var id, state string
			err := scan(&id, &state)
			all[id] = state
			return err
		}, `SELECT id, state FROM packs WHERE id IN (`+places+`)`, args...)
	})
	return all, err
}

// Keep has packs stay for good.
func Keep(ctx context.Context, tx *db.Tx, packs []string) error {
	return inlist.Each(packs, 1, textArg, func(places string, args []any) error {
		_, err := tx.Exec(ctx, `UPDATE packs SET state = 'kept', lease_until = 0 WHERE state = 'writing' AND id IN (`+places+`)`, args...)
		return err
	})
}

// RenewLeases has packs stay until a time.
func RenewLeases(ctx context.Context, tx *db.Tx, packs []string, until time.Time) error {
	return inlist.Each(packs, 2, textArg, func(places string, args []any) error {
		_, err := tx.Exec(ctx, `UPDATE packs SET lease_until = $1 WHERE state = 'writing' AND id IN (`+places+`)`,
			append([]any{db.Micros(until)}, args...)...)
		return err
	})
}

// ShareLeases has the packs of another session not end with it.
func ShareLeases(ctx context.Context, tx *db.Tx, packs []string, until time.Time) error {
	return inlist.Each(packs, 2, textArg, func(places string, args []any) error {
		_, err := tx.Exec(ctx, `UPDATE packs SET lease_until = $1, writer = '' WHERE state = 'writing' AND id IN (`+places+`)`,
			append([]any{db.Micros(until)}, args...)...)
		return err
	})
}

// EndLeases ends those of packs that no other session needs.
func EndLeases(ctx context.Context, tx *db.Tx, packs []string, writer string) error {
	return inlist.Each(packs, 2, textArg, func(places string, args []any) error {
		_, err := tx.Exec(ctx, `UPDATE packs SET lease_until = 0 WHERE state = 'writing' AND writer = $1 AND id IN (`+places+`)`,
			append([]any{writer}, args...)...)
		return err
	})
}

// Expired are some whose lease had ended before a time.
func Expired(ctx context.Context, tx *db.Tx, before time.Time, limit int) ([]string, error) {
	return db.Column[string](ctx, tx, `SELECT id FROM packs WHERE state = 'writing' AND lease_until < $1 LIMIT $2`, db.Micros(before), limit)
}

// Condemn has packs be for the sweep alone, unless they are kept.
func Condemn(ctx context.Context, tx *db.Tx, packs []string, now time.Time) error {
	return inlist.Each(packs, 2, textArg, func(places string, args []any) error {
		_, err := tx.Exec(ctx, `UPDATE packs SET state = 'condemned', condemned_at = $1 WHERE state = 'writing' AND id IN (`+places+`)`,
			append([]any{db.Micros(now)}, args...)...)
		return err
	})
}

// DeleteBlobs deletes the rows of packs' blobs.
func DeleteBlobs(ctx context.Context, tx *db.Tx, packs []string) error {
	return inlist.Each(packs, 1, textArg, func(places string, args []any) error {
		_, err := tx.Exec(ctx, `DELETE FROM blobs WHERE pack IN (`+places+`)`, args...)
		return err
	})
}

// DeletePack deletes the row of a condemned pack.
func DeletePack(ctx context.Context, tx *db.Tx, pack string) error {
	_, err := tx.Exec(ctx, `DELETE FROM packs WHERE id = $1 AND state = 'condemned'`, pack)
	return err
}

// CondemnedPage is a page of packs that are.
func CondemnedPage(ctx context.Context, tx *db.Tx, after string, limit int) (all []Pack, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var p Pack
		err := scan(&p.ID, &p.Size)
		all = append(all, p)
		return err
	}, `SELECT id, size FROM packs WHERE state = 'condemned' AND id > $1 ORDER BY id LIMIT $2`, after, limit)
	return all, err
}

// Usage is how much the store holds.
type Usage struct {
	// Packs and Blobs are those that are kept.
	Packs, Blobs int64
	// Kept is how many bytes the store has for these, Sealed how many of them are blobs;
	// Waiting how many it has for what is being written or is to be swept.
	Kept, Sealed, Waiting int64
}

// Count counts all packs.
func Count(ctx context.Context, tx *db.Tx) (u Usage, err error) {
	err = tx.Row(ctx, []any{&u.Packs, &u.Kept, &u.Waiting}, `SELECT COUNT(CASE WHEN state = 'kept' THEN 1 END),
		CAST(COALESCE(SUM(CASE WHEN state = 'kept' THEN size END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN state <> 'kept' THEN size END), 0) AS BIGINT) FROM packs`)
	if err == nil {
		err = tx.Row(ctx, []any{&u.Blobs, &u.Sealed}, `SELECT COUNT(*), CAST(COALESCE(SUM(b.len), 0) AS BIGINT)
			FROM blobs b JOIN packs p ON p.id = b.pack WHERE p.state = 'kept'`)
	}
	return u, err
}

// One is a pack. Fault: NotFound.
func One(ctx context.Context, tx *db.Tx, id string) (p Pack, err error) {
	err = tx.Row(ctx, []any{&p.ID, &p.Size, &p.Key}, `SELECT id, size, key_sealed FROM packs WHERE id = $1`, id)
	return p, err
}

// Page are a page of those that are not condemned.
func Page(ctx context.Context, tx *db.Tx, after string, limit int) (all []Pack, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var p Pack
		err := scan(&p.ID, &p.Size, &p.Key)
		all = append(all, p)
		return err
	}, `SELECT id, size, key_sealed FROM packs WHERE state <> 'condemned' AND id > $1 ORDER BY id LIMIT $2`, after, limit)
	return all, err
}

// SomeKept are some packs that are kept.
func SomeKept(ctx context.Context, tx *db.Tx, limit int) ([]string, error) {
	return db.Column[string](ctx, tx, `SELECT id FROM packs WHERE state = 'kept' LIMIT $1`, limit)
}

// BlobsOf are the blobs of a pack.
func BlobsOf(ctx context.Context, tx *db.Tx, pack string) (all []format.Entry, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var e format.Entry
		var id []byte
		if err := scan(&id, &e.Off, &e.Len, &e.Raw); err != nil {
			return err
		}
		e.ID = format.ID(id)
		all = append(all, e)
		return nil
	}, `SELECT id, off, len, raw FROM blobs WHERE pack = $1`, pack)
	return all, err
}

// Outside are those of a pack of so many bytes that are not in it.
func Outside(ctx context.Context, tx *db.Tx, pack string, size int64) (all []format.ID, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var id []byte
		if err := scan(&id); err != nil {
			return err
		}
		all = append(all, format.ID(id))
		return nil
	}, `SELECT id FROM blobs WHERE pack = $1 AND (off < 0 OR len < 0 OR off + len > $2)`, pack, size)
	return all, err
}
