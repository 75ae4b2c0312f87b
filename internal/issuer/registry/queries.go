package registry

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

func (g *Registry) scanConnector(scan func(...any) error) (r Row, err error) {
	var sealed []byte
	if err := scan(&r.ID, &r.Instance, &r.Version, &r.Managed, &r.Revision, &r.Type, &r.Name, &sealed); err != nil {
		return r, err
	}
	plain, err := g.with.Sealer.Open(sealed, configPlace(r.Revision))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(plain, &r.Config)
}

// Rows reads all connectors by id, secrets and all.
func (g *Registry) Rows(ctx context.Context) (all []Row, err error) {
	err = g.with.DB.View(ctx, func(tx *db.Tx) error {
		all = nil
		return tx.Rows(ctx, func(scan func(...any) error) error {
			r, err := g.scanConnector(scan)
			all = append(all, r)
			return err
		}, `SELECT `+connectorColumns+` FROM connectors c JOIN connector_revisions v ON v.revision = c.revision`)
	})
	slices.SortFunc(all, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	return all, err
}

func (g *Registry) read(ctx context.Context, id string) (Row, error) {
	return g.ReadRevision(ctx, id, "")
}

// ReadRevision reads a connector that exists: its current revision, or the
// given one. Fault: NotFound.
func (g *Registry) ReadRevision(ctx context.Context, id, revision string) (r Row, err error) {
	found := false
	err = g.with.DB.View(ctx, func(tx *db.Tx) error {
		return tx.Rows(ctx, func(scan func(...any) error) error {
			found = true
			r, err = g.scanConnector(scan)
			return err
		}, `SELECT `+connectorColumns+` FROM connectors c JOIN connector_revisions v
			ON v.connector_id = c.id AND v.revision = CASE WHEN $2 = '' THEN c.revision ELSE $2 END WHERE c.id = $1`, id, revision)
	})
	if err == nil && !found {
		err = fault.New(fault.NotFound, "connector %q: ID does not exist; pachctl idp list-connector shows those that do", id)
	}
	return r, err
}

// CheckConnected refuses, for a login under way, a connector that was deleted
// meanwhile. Fault: Denied.
func CheckConnected(ctx context.Context, tx *db.Tx, id, instance string) error {
	var n int64
	err := tx.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM connectors WHERE id = $1 AND instance = $2`, id, instance)
	if err == nil && n == 0 {
		err = fault.New(fault.Denied, "the identity provider %q was removed while you signed in: start again and choose another", id)
	}
	return err
}

func (g *Registry) insertConnector(ctx context.Context, tx *db.Tx, r Row) error {
	now := db.Micros(g.with.Now())
	_, err := tx.Exec(ctx, `INSERT INTO connectors (id, instance, revision, version, managed, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6)`,
		r.ID, r.Instance, r.Revision, r.Version, r.Managed, now)
	if err != nil {
		return err
	}
	return g.insertRevision(ctx, tx, r)
}

func (g *Registry) insertRevision(ctx context.Context, tx *db.Tx, r Row) error {
	plain, err := json.Marshal(r.Config)
	if err != nil {
		return err
	}
	sealed, err := g.with.Sealer.Seal(plain, configPlace(r.Revision))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO connector_revisions (revision, connector_id, type, name, config, replaced_at) VALUES ($1, $2, $3, $4, $5, 0)`,
		r.Revision, r.ID, r.Type, r.Name, sealed)
	return err
}

// replaceConnector makes next the current revision, if old still is.
func (g *Registry) replaceConnector(ctx context.Context, tx *db.Tx, old, next Row) error {
	now := db.Micros(g.with.Now())
	n, err := tx.Exec(ctx, `UPDATE connectors SET revision = $3, version = $4, updated_at = $5 WHERE id = $1 AND revision = $2`,
		old.ID, old.Revision, next.Revision, next.Version, now)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.Conflict, "connector %s was changed by somebody else just now: look at it with pachctl idp get-connector and try again", old.ID)
	}
	if _, err := tx.Exec(ctx, `UPDATE connector_revisions SET replaced_at = $2 WHERE revision = $1`, old.Revision, now); err != nil {
		return err
	}
	return g.insertRevision(ctx, tx, next)
}

func deleteConnector(ctx context.Context, tx *db.Tx, r Row) error {
	n, err := tx.Exec(ctx, `DELETE FROM connectors WHERE id = $1 AND instance = $2`, r.ID, r.Instance)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.Conflict, "connector %s was changed by somebody else just now: try again", r.ID)
	}
	_, err = tx.Exec(ctx, `DELETE FROM connector_revisions WHERE connector_id = $1`, r.ID)
	return err
}

// DeleteReplaced forgets revisions that no login can be on any more.
func DeleteReplaced(ctx context.Context, tx *db.Tx, before time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM connector_revisions WHERE replaced_at > 0 AND replaced_at < $1`, db.Micros(before))
	return err
}
