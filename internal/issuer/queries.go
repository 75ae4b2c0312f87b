package issuer

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

func configPlace(revision string) string { return "connector/" + revision }

const connectorColumns = `c.id, c.instance, c.version, c.managed, v.revision, v.type, v.name, v.config`

func (i *Issuer) scanConnector(scan func(...any) error) (r row, err error) {
	var sealed []byte
	if err := scan(&r.ID, &r.instance, &r.Version, &r.Managed, &r.revision, &r.Type, &r.Name, &sealed); err != nil {
		return r, err
	}
	plain, err := i.Sealer.Open(sealed, configPlace(r.revision))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(plain, &r.Config)
}

func (i *Issuer) readConnectors(ctx context.Context) (all []row, err error) {
	err = i.DB.View(ctx, func(tx *db.Tx) error {
		all = nil
		return tx.Rows(ctx, func(scan func(...any) error) error {
			r, err := i.scanConnector(scan)
			all = append(all, r)
			return err
		}, `SELECT `+connectorColumns+` FROM connectors c JOIN connector_revisions v ON v.revision = c.revision`)
	})
	slices.SortFunc(all, func(a, b row) int { return cmp.Compare(a.ID, b.ID) })
	return all, err
}

func (i *Issuer) readConnector(ctx context.Context, id string) (row, error) {
	return i.readRevision(ctx, id, "")
}

// readRevision reads a connector that exists: its current revision, or the
// given one.
func (i *Issuer) readRevision(ctx context.Context, id, revision string) (r row, err error) {
	found := false
	err = i.DB.View(ctx, func(tx *db.Tx) error {
		return tx.Rows(ctx, func(scan func(...any) error) error {
			found = true
			r, err = i.scanConnector(scan)
			return err
		}, `SELECT `+connectorColumns+` FROM connectors c JOIN connector_revisions v
			ON v.connector_id = c.id AND v.revision = CASE WHEN $2 = '' THEN c.revision ELSE $2 END WHERE c.id = $1`, id, revision)
	})
	if err == nil && !found {
		err = fault.New(fault.NotFound, "connector %q: ID does not exist; pachctl idp list-connector shows those that do", id)
	}
	return r, err
}

func (i *Issuer) insertConnector(ctx context.Context, tx *db.Tx, r row) error {
	now := db.Micros(i.Now())
	_, err := tx.Exec(ctx, `INSERT INTO connectors (id, instance, revision, version, managed, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6)`,
		r.ID, r.instance, r.revision, r.Version, r.Managed, now)
	if err != nil {
		return err
	}
	return i.insertRevision(ctx, tx, r)
}

func (i *Issuer) insertRevision(ctx context.Context, tx *db.Tx, r row) error {
	plain, err := json.Marshal(r.Config)
	if err != nil {
		return err
	}
	sealed, err := i.Sealer.Seal(plain, configPlace(r.revision))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO connector_revisions (revision, connector_id, type, name, config, replaced_at) VALUES ($1, $2, $3, $4, $5, 0)`,
		r.revision, r.ID, r.Type, r.Name, sealed)
	return err
}

// replaceConnector makes next the current revision, if old still is.
func (i *Issuer) replaceConnector(ctx context.Context, tx *db.Tx, old, next row) error {
	now := db.Micros(i.Now())
	n, err := tx.Exec(ctx, `UPDATE connectors SET revision = $3, version = $4, updated_at = $5 WHERE id = $1 AND revision = $2`,
		old.ID, old.revision, next.revision, next.Version, now)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.Conflict, "connector %s was changed by somebody else just now: look at it with pachctl idp get-connector and try again", old.ID)
	}
	if _, err := tx.Exec(ctx, `UPDATE connector_revisions SET replaced_at = $2 WHERE revision = $1`, old.revision, now); err != nil {
		return err
	}
	return i.insertRevision(ctx, tx, next)
}

func deleteConnector(ctx context.Context, tx *db.Tx, r row) error {
	n, err := tx.Exec(ctx, `DELETE FROM connectors WHERE id = $1 AND instance = $2`, r.ID, r.instance)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.Conflict, "connector %s was changed by somebody else just now: try again", r.ID)
	}
	_, err = tx.Exec(ctx, `DELETE FROM connector_revisions WHERE connector_id = $1`, r.ID)
	return err
}

// deleteReplacedRevisions forgets revisions that no login can be on any more.
func deleteReplacedRevisions(ctx context.Context, tx *db.Tx, before time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM connector_revisions WHERE replaced_at > 0 AND replaced_at < $1`, db.Micros(before))
	return err
}

const deviceColumns = `user_code, device_hash, client_id, requester, address, confirmed_by, refused, created_at`

func createDevice(ctx context.Context, tx *db.Tx, d deviceRequest, now, expires time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO device_requests (`+deviceColumns+`, expires_at) VALUES ($1, $2, $3, $4, $5, '', '', $6, $7)`,
		d.userCode, d.deviceHash, d.clientID, d.name, d.address, db.Micros(now), db.Micros(expires))
	return err
}

func scanDevice(ctx context.Context, tx *db.Tx, where string, args ...any) (d deviceRequest, err error) {
	var created int64
	err = tx.Row(ctx, []any{&d.userCode, &d.deviceHash, &d.clientID, &d.name, &d.address, &d.confirmedBy, &d.refused, &created},
		`SELECT `+deviceColumns+` FROM device_requests WHERE `+where, args...)
	d.created = db.Time(created)
	return d, err
}

func deviceByUserCode(ctx context.Context, tx *db.Tx, userCode string, now time.Time) (deviceRequest, error) {
	return scanDevice(ctx, tx, `user_code = $1 AND expires_at > $2`, userCode, db.Micros(now))
}

func deviceByHash(ctx context.Context, tx *db.Tx, deviceHash string) (deviceRequest, error) {
	return scanDevice(ctx, tx, `device_hash = $1`, deviceHash)
}

func confirmDevice(ctx context.Context, tx *db.Tx, userCode, browser string) error {
	_, err := tx.Exec(ctx, `UPDATE device_requests SET confirmed_by = $2 WHERE user_code = $1`, userCode, browser)
	return err
}

func refuseDevice(ctx context.Context, tx *db.Tx, userCode, why string) error {
	_, err := tx.Exec(ctx, `UPDATE device_requests SET refused = $2 WHERE user_code = $1`, userCode, why)
	return err
}

func deleteExpiredDevices(ctx context.Context, tx *db.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM device_requests WHERE expires_at < $1`, db.Micros(now))
	return err
}
