package grant

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/issuer/logout"
	"pachyderm/internal/people/token"
	"pachyderm/internal/secret"
)

const columns = `id, client_id, connector_id, identity_id, stage, code_hash, device_hash, family_hash, refresh_hash, previous_hash,
	body, created_at, used_at, refresh_until, expires_at`

func (s *Store) insert(ctx context.Context, tx *db.Tx, g Grant) error {
	sealed, err := s.seal(g)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO grants (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		g.ID, g.ClientID, g.ConnectorID, g.IdentityID, g.stage, g.codeHash, g.device, g.family, g.current, g.previous,
		sealed, db.Micros(g.Created), db.Micros(g.Used), db.Micros(g.RefreshUntil), db.Micros(g.expires))
	return err
}

// update stores what changes of a grant.
func (s *Store) update(ctx context.Context, tx *db.Tx, g Grant) error {
	sealed, err := s.seal(g)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE grants SET stage = $2, device_hash = $3, family_hash = $4, refresh_hash = $5, previous_hash = $6,
		body = $7, used_at = $8, refresh_until = $9, expires_at = $10 WHERE id = $1`,
		g.ID, g.stage, g.device, g.family, g.current, g.previous, sealed, db.Micros(g.Used), db.Micros(g.RefreshUntil), db.Micros(g.expires))
	return err
}

func (s *Store) scan(scan func(...any) error) (g Grant, err error) {
	var sealed []byte
	var created, used, refresh, expires int64
	err = scan(&g.ID, &g.ClientID, &g.ConnectorID, &g.IdentityID, &g.stage, &g.codeHash, &g.device, &g.family, &g.current, &g.previous,
		&sealed, &created, &used, &refresh, &expires)
	if err != nil {
		return g, err
	}
	g.Created, g.Used, g.RefreshUntil, g.expires = db.Time(created), db.Time(used), db.Time(refresh), db.Time(expires)
	plain, err := s.Sealer.Open(sealed, place(g.ID))
	if err != nil {
		return g, err
	}
	return g, json.Unmarshal(plain, &g.body)
}

func (s *Store) one(ctx context.Context, tx *db.Tx, where string, args ...any) (Grant, error) {
	return s.scan(func(into ...any) error {
		return tx.Row(ctx, into, `SELECT `+columns+` FROM grants WHERE `+where, args...)
	})
}

// ByID finds a grant. Fault: NotFound.
func (s *Store) ByID(ctx context.Context, tx *db.Tx, id string) (Grant, error) {
	return s.one(ctx, tx, `id = $1`, id)
}

func (s *Store) rowByCode(ctx context.Context, tx *db.Tx, code string) (Grant, error) {
	return s.one(ctx, tx, `code_hash = $1`, secret.Hash(code))
}

// knowsCode finds a code without opening its grant. Fault: NotFound.
func knowsCode(ctx context.Context, tx *db.Tx, code string) error {
	var id string
	return tx.Row(ctx, []any{&id}, `SELECT id FROM grants WHERE code_hash = $1`, secret.Hash(code))
}

// knowsApproved is knowsCode for a device code whose person has signed in.
func knowsApproved(ctx context.Context, tx *db.Tx, deviceCode string) error {
	var id string
	return tx.Row(ctx, []any{&id}, `SELECT id FROM grants WHERE device_hash = $1`, secret.Hash(deviceCode))
}

func (s *Store) byDevice(ctx context.Context, tx *db.Tx, deviceCode string) (Grant, error) {
	return s.one(ctx, tx, `device_hash = $1`, secret.Hash(deviceCode))
}

func (s *Store) byFamily(ctx context.Context, tx *db.Tx, family string) (Grant, error) {
	return s.one(ctx, tx, `family_hash = $1`, secret.Hash(family))
}

// Refreshable lists, by id, the grants that have refresh tokens which work.
func (s *Store) Refreshable(ctx context.Context, tx *db.Tx, p db.Page, now time.Time) (all []Grant, next string, err error) {
	return s.page(ctx, tx, p, `id > $1 AND refresh_until > $2 ORDER BY id LIMIT $3`, p.After, db.Micros(now), p.Size())
}

// RefreshableOf is Refreshable of some identities.
func (s *Store) RefreshableOf(ctx context.Context, tx *db.Tx, identityIDs []string, p db.Page, now time.Time,
) (all []Grant, next string, err error) {
	args := []any{p.After, db.Micros(now), p.Size()}
	places := make([]string, len(identityIDs))
	for n, id := range identityIDs {
		args = append(args, id)
		places[n] = "$" + strconv.Itoa(len(args))
	}
	where := `id > $1 AND refresh_until > $2 AND identity_id IN (` + strings.Join(places, ", ") + `) ORDER BY id LIMIT $3`
	return s.page(ctx, tx, p, where, args...)
}

func (s *Store) page(ctx context.Context, tx *db.Tx, p db.Page, where string, args ...any) (all []Grant, next string, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		g, err := s.scan(scan)
		all = append(all, g)
		return err
	}, `SELECT `+columns+` FROM grants WHERE `+where, args...)
	if err != nil || len(all) == 0 {
		return nil, "", err
	}
	return all, p.Next(len(all), all[len(all)-1].ID), nil
}

func countRefresh(ctx context.Context, tx *db.Tx, identityID string) (n int64, err error) {
	return n, tx.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM grants WHERE identity_id = $1 AND family_hash <> ''`, identityID)
}

// endWhere ends grants, and the sessions that began from them; their applications
// hear of it.
func endWhere(ctx context.Context, tx *db.Tx, now time.Time, where string, args ...any) error {
	ended, err := deleteWhere(ctx, tx, now, where, args...)
	for _, id := range ended {
		if err == nil {
			err = token.RevokeOfGrant(ctx, tx, id)
		}
	}
	return err
}

// EndOfConnector ends what was granted through a connector. The sessions are left
// for the gate, which says what has become of their connector.
func (s *Store) EndOfConnector(ctx context.Context, tx *db.Tx, connectorID string, now time.Time) error {
	s.forgetCodes(func(g Grant) bool { return g.ConnectorID == connectorID })
	_, err := deleteWhere(ctx, tx, now, `connector_id = $1`, connectorID)
	return err
}

// SignOut ends what an identity has granted, and leaves its sessions for the gate.
func (s *Store) SignOut(ctx context.Context, tx *db.Tx, identityID string, now time.Time) error {
	s.forgetCodes(func(g Grant) bool { return g.IdentityID == identityID })
	_, err := deleteWhere(ctx, tx, now, `identity_id = $1`, identityID)
	return err
}

func deleteWhere(ctx context.Context, tx *db.Tx, now time.Time, where string, args ...any) (ids []string, err error) {
	var ended []Grant
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var g Grant
		err := scan(&g.ID, &g.ClientID, &g.IdentityID, &g.stage)
		ended = append(ended, g)
		return err
	}, `DELETE FROM grants WHERE `+where+` RETURNING id, client_id, identity_id, stage`, args...)
	for _, g := range ended {
		ids = append(ids, g.ID)
		if err == nil && g.stage == redeemed {
			err = logout.Notify(ctx, tx, g.ClientID, g.ID, g.IdentityID, now)
		}
	}
	return ids, err
}

func keep(ctx context.Context, tx *db.Tx, id string, until, now time.Time) (there bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE grants SET expires_at = CASE WHEN expires_at < $2 THEN $2 ELSE expires_at END
		WHERE id = $1 AND stage = $3 AND expires_at > $4`,
		id, db.Micros(until), redeemed, db.Micros(now))
	return n > 0, err
}

// DeleteExpired forgets grants of which nothing works any more.
func (s *Store) DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	s.codes.DeleteExpired(now)
	_, err := tx.Exec(ctx, `DELETE FROM grants WHERE expires_at <= $1`, db.Micros(now))
	return err
}

// Sealed says where the bodies are.
func Sealed() secret.Sealed {
	return secret.Sealed{Table: "grants", Column: "body", Key: []string{"id"}, Place: func(k []string) string { return place(k[0]) }}
}
