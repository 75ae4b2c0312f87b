package trust

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
)

const columns = `id, issuer, audience, robot, claims, ttl, jwks, root_cas, created_by, created_at`

func insert(ctx context.Context, tx *db.Tx, t Trust) error {
	claims, err := json.Marshal(t.Claims)
	if err != nil {
		return err
	}
	roots, err := json.Marshal(t.RootCAs)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO trusts (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		t.ID, t.Issuer, t.Audience, t.Robot, string(claims), int64(t.TTL/time.Second), t.JWKS, string(roots), t.CreatedBy, db.Micros(t.Created))
	return err
}

func remove(ctx context.Context, tx *db.Tx, id string) (int64, error) {
	n, err := tx.Exec(ctx, `DELETE FROM trusts WHERE id = $1`, id)
	if err != nil || n == 0 {
		return n, err
	}
	return n, tx.Changed(ctx, Topic, id)
}

// DeleteAll removes every trust.
func DeleteAll(ctx context.Context, tx *db.Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM trusts`); err != nil {
		return err
	}
	return tx.Changed(ctx, "", "")
}

// Page lists trusts by id.
func Page(ctx context.Context, tx *db.Tx, p db.Page) (all []Trust, next string, err error) {
	all, err = find(ctx, tx, `id > $1 ORDER BY id LIMIT $2`, p.After, p.Size())
	if len(all) > 0 {
		next = p.Next(len(all), all[len(all)-1].ID)
	}
	return all, next, err
}

// Of lists the trusts in an issuer, by id.
func Of(ctx context.Context, tx *db.Tx, issuer string) ([]Trust, error) {
	all, err := find(ctx, tx, `issuer = $1`, issuer)
	slices.SortFunc(all, func(a, b Trust) int { return strings.Compare(a.ID, b.ID) })
	return all, err
}

func find(ctx context.Context, tx *db.Tx, where string, args ...any) (all []Trust, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var t Trust
		var claims, roots string
		var ttl, created int64
		err := scan(&t.ID, &t.Issuer, &t.Audience, &t.Robot, &claims, &ttl, &t.JWKS, &roots, &t.CreatedBy, &created)
		if err == nil {
			err = json.Unmarshal([]byte(claims), &t.Claims)
		}
		if err == nil {
			err = json.Unmarshal([]byte(roots), &t.RootCAs)
		}
		t.TTL, t.Created = time.Duration(ttl)*time.Second, db.Time(created)
		all = append(all, t)
		return err
	}, `SELECT `+columns+` FROM trusts WHERE `+where, args...)
	return all, err
}

// Rename gives trusts another maker: the same person under a new name.
func Rename(ctx context.Context, tx *db.Tx, from, to principal.Name) error {
	made, err := db.Column[string](ctx, tx, `UPDATE trusts SET created_by = $2 WHERE created_by = $1 RETURNING id`, from, to)
	for _, id := range made {
		if err == nil {
			err = tx.Changed(ctx, Topic, id)
		}
	}
	return err
}
