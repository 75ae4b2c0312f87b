package pack

import (
	"context"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/secret"
)

// The states of a pack.
const (
	writing   = "writing"
	kept      = "kept"
	condemned = "condemned"
)

// most is how many keys one statement names.
const most = 256

// place is where the key of a pack is sealed for.
func place(pack string) string { return "pack/" + pack }

// Sealed says where the keys of packs are. The installation's key is a meta value.
func Sealed() secret.Sealed {
	return secret.Sealed{
		Table: "packs", Column: "key_sealed", Key: []string{"id"}, Place: func(k []string) string { return place(k[0]) },
	}
}

// byKeys calls f with a list of placeholders and the arguments for so many keys at a
// time. The last key is repeated, so that there are few statements to prepare.
func byKeys[K any](keys []K, arg func(K) any, first int, f func(places string, args []any) error) error {
	for len(keys) > 0 {
		n := min(len(keys), most)
		size := 1 << bits.Len(uint(n-1)) //nolint:gosec // never negative
		places, args := make([]string, size), make([]any, size)
		for i := range size {
			places[i], args[i] = fmt.Sprintf("$%d", first+i), arg(keys[min(i, n-1)])
		}
		if err := f(strings.Join(places, ", "), args); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

func idArg(id ID) any       { return id[:] }
func textArg(id string) any { return id }

// packRow is a pack as the database has it.
type packRow struct {
	id, state, writer string
	size, live        int64
	key               []byte
	created, until    time.Time
}

func insertPack(ctx context.Context, tx *db.Tx, p packRow) error {
	_, err := tx.Exec(ctx, `INSERT INTO packs (id, state, size, live, key_sealed, writer, created_at, lease_until, condemned_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)`, p.id, p.state, p.size, p.live, p.key, p.writer, db.Micros(p.created), db.Micros(p.until))
	return err
}

// insertBlobs inserts those that no pack has yet, and counts them.
func insertBlobs(ctx context.Context, tx *db.Tx, pack string, all []entry) (inserted int64, err error) {
	for len(all) > 0 {
		n := min(most, 1<<(bits.Len(uint(len(all)))-1)) // of few sizes, so that there are few statements to prepare
		places, args := make([]string, n), []any{pack}
		for i, e := range all[:n] {
			at := 2 + 4*i
			places[i] = fmt.Sprintf("($%d, $1, $%d, $%d, $%d)", at, at+1, at+2, at+3)
			args = append(args, e.id[:], e.off, e.len, e.raw)
		}
		changed, err := tx.Exec(ctx, `INSERT INTO blobs (id, pack, off, len, raw) VALUES `+strings.Join(places, ", ")+` ON CONFLICT (id) DO NOTHING`, args...)
		if err != nil {
			return 0, err
		}
		inserted, all = inserted+changed, all[n:]
	}
	return inserted, nil
}

// found is a blob that is stored.
type found struct {
	entry
	pack, state string
	key         []byte
	until       time.Time // of the pack's lease
}

func findBlobs(ctx context.Context, tx *db.Tx, ids []ID) (map[ID]found, error) {
	all := make(map[ID]found, len(ids))
	err := byKeys(ids, idArg, 1, func(places string, args []any) error {
		return tx.Rows(ctx, func(scan func(...any) error) error {
			var f found
			var id []byte
			var until int64
			if err := scan(&id, &f.off, &f.len, &f.raw, &f.pack, &f.state, &f.key, &until); err != nil {
				return err
			}
			f.id, f.until = ID(id), db.Time(until)
			all[f.id] = f
			return nil
		}, `SELECT b.id, b.off, b.len, b.raw, p.id, p.state, p.key_sealed, p.lease_until FROM blobs b JOIN packs p ON p.id = b.pack
			WHERE b.id IN (`+places+`)`, args...)
	})
	return all, err
}

func packStates(ctx context.Context, tx *db.Tx, packs []string) (map[string]string, error) {
	all := make(map[string]string, len(packs))
	err := byKeys(packs, textArg, 1, func(places string, args []any) error {
		return tx.Rows(ctx, func(scan func(...any) error) error {
			var id, state string
			err := scan(&id, &state)
			all[id] = state
			return err
		}, `SELECT id, state FROM packs WHERE id IN (`+places+`)`, args...)
	})
	return all, err
}

func keepPacks(ctx context.Context, tx *db.Tx, packs []string) error {
	return byKeys(packs, textArg, 1, func(places string, args []any) error {
		_, err := tx.Exec(ctx, `UPDATE packs SET state = 'kept', lease_until = 0 WHERE state = 'writing' AND id IN (`+places+`)`, args...)
		return err
	})
}

func renewLeases(ctx context.Context, tx *db.Tx, packs []string, until time.Time) error {
	return byKeys(packs, textArg, 2, func(places string, args []any) error {
		_, err := tx.Exec(ctx, `UPDATE packs SET lease_until = $1 WHERE state = 'writing' AND id IN (`+places+`)`,
			append([]any{db.Micros(until)}, args...)...)
		return err
	})
}

// shareLeases has the packs of another session not end with it.
func shareLeases(ctx context.Context, tx *db.Tx, packs []string, until time.Time) error {
	return byKeys(packs, textArg, 2, func(places string, args []any) error {
		_, err := tx.Exec(ctx, `UPDATE packs SET lease_until = $1, writer = '' WHERE state = 'writing' AND id IN (`+places+`)`,
			append([]any{db.Micros(until)}, args...)...)
		return err
	})
}

// endLeases ends those of packs that no other session needs.
func endLeases(ctx context.Context, tx *db.Tx, packs []string, writer string) error {
	return byKeys(packs, textArg, 2, func(places string, args []any) error {
		_, err := tx.Exec(ctx, `UPDATE packs SET lease_until = 0 WHERE state = 'writing' AND writer = $1 AND id IN (`+places+`)`,
			append([]any{writer}, args...)...)
		return err
	})
}
