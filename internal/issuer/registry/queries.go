package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

func configPlace(revision string) string { return "connector/" + revision }

const connectorColumns = `c.id, c.instance, c.revision, c.approved_revision, c.version, c.managed, c.state, c.verified_revision,
	c.undo_revision, c.undo_at, v.revision, v.type, v.name, v.config`

func (g *Registry) scanConnector(scan func(...any) error) (r Row, stored string, err error) {
	var sealed []byte
	var verified string
	var undoAt int64
	err = scan(&r.ID, &r.Instance, &stored, &r.approved, &r.Version, &r.Managed, &r.State, &verified, &r.undo, &undoAt,
		&r.Revision, &r.Type, &r.Name, &sealed)
	if err != nil {
		return r, "", err
	}
	r.Verified, r.UndoAt = verified == stored, db.Time(undoAt)
	r.Document, err = g.with.Sealer.Open(sealed, configPlace(r.Revision))
	if err != nil {
		return r, "", err
	}
	r.Approval = approvalOf(stored, r.approved)
	return r, stored, json.Unmarshal(r.Document, &r.Config)
}

// Topic is what db.Watch calls a change of connectors.
const Topic = "connector"

// state is all that logins need to know of connectors.
type state struct {
	stored     []Row                     // what was written last, by id
	serving    []Row                     // what people sign in with, by id
	revisions  map[string]map[string]Row // by id and revision
	bareGroups string                    // instance of the connector that owns bare names
}

func (g *Registry) readState(ctx context.Context) (*state, error) {
	var s *state
	err := g.with.DB.View(ctx, func(tx *db.Tx) error {
		s = &state{revisions: map[string]map[string]Row{}}
		if err := readSetting(ctx, tx, bareGroupsSetting, &s.bareGroups); err != nil {
			return err
		}
		return tx.Rows(ctx, func(scan func(...any) error) error {
			r, stored, err := g.scanConnector(scan)
			if err != nil {
				return err
			}
			if stored == r.Revision {
				s.stored = append(s.stored, r)
			}
			if cmp.Or(r.approved, stored) == r.Revision && r.State == Active {
				s.serving = append(s.serving, r)
			}
			if s.revisions[r.ID] == nil {
				s.revisions[r.ID] = map[string]Row{}
			}
			s.revisions[r.ID][r.Revision] = r
			return nil
		}, `SELECT `+connectorColumns+` FROM connectors c JOIN connector_revisions v
			ON v.connector_id = c.id AND v.instance IN ('', c.instance) AND (v.replaced_at = 0 OR v.replaced_at > $1)`,
			db.Micros(g.with.Now().Add(-usedFor)))
	})
	if err != nil {
		return nil, err
	}
	for _, rows := range [][]Row{s.stored, s.serving} {
		slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	}
	return s, nil
}

// Rows lists what people sign in with, by id, secrets and all. What it returns is
// shared and must not be changed.
func (g *Registry) Rows(ctx context.Context) ([]Row, error) {
	s, err := g.state.Get(ctx)
	if err != nil {
		return nil, err
	}
	return s.serving, nil
}

// read finds what was written last of a connector. Fault: NotFound.
func (g *Registry) read(ctx context.Context, id string) (Row, error) {
	s, err := g.state.Get(ctx)
	if err != nil {
		return Row{}, err
	}
	return find(s.stored, id)
}

func find(rows []Row, id string) (Row, error) {
	if n := slices.IndexFunc(rows, func(r Row) bool { return r.ID == id }); n >= 0 {
		return rows[n], nil
	}
	return Row{}, fault.New(fault.NotFound, "connector %q: ID does not exist", id).
		Next("pachctl idp list-connector shows those that do")
}

// ReadRevision finds a connector that exists: the revision that serves, or the
// given one. Fault: NotFound.
func (g *Registry) ReadRevision(ctx context.Context, id, revision string) (Row, error) {
	s, err := g.state.Get(ctx)
	if err != nil {
		return Row{}, err
	}
	if r, ok := s.revisions[id][revision]; ok {
		return r, nil
	}
	if revision != "" {
		return find(nil, id)
	}
	return find(s.serving, id)
}

// CheckConnected refuses, for a login under way, a connector that was deleted or
// disabled meanwhile, or of which what vouches was changed before anybody approved it. It
// reports whether the connector has been approved. Fault: Denied.
func CheckConnected(ctx context.Context, tx *db.Tx, id, instance string) (approved bool, err error) {
	revision, state := "", Active
	err = tx.Row(ctx, []any{&revision, &state},
		`SELECT approved_revision, state FROM connectors WHERE id = $1 AND instance = $2`, id, instance)
	if fault.Is(err, fault.NotFound) || err == nil && state != Active {
		err = fault.New(fault.Denied, "the identity provider %q was removed while you signed in", id).
			Next("start again and choose another")
	}
	return revision != "", err
}

func (g *Registry) insertConnector(ctx context.Context, tx *db.Tx, r Row) error {
	now := db.Micros(g.with.Now())
	_, err := tx.Exec(ctx,
		`INSERT INTO connectors (id, instance, revision, approved_revision, version, managed, created_at, updated_at, state)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)`,
		r.ID, r.Instance, r.Revision, r.approved, r.Version, r.Managed, now, r.State)
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
	_, err = tx.Exec(ctx,
		`INSERT INTO connector_revisions (revision, connector_id, type, name, config, replaced_at, instance, version, author, created_at, note)
		VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10)`,
		r.Revision, r.ID, r.Type, r.Name, sealed, r.Instance, r.Version, r.author, db.Micros(g.with.Now()), r.note)
	if err != nil {
		return err
	}
	return tx.Changed(ctx, Topic, r.ID)
}

// replaceConnector stores next, if old is still what is stored.
func (g *Registry) replaceConnector(ctx context.Context, tx *db.Tx, old, next Row) error {
	if err := g.swapConnector(ctx, tx, old, next); err != nil {
		return err
	}
	if next.Instance != old.Instance { // logins under way must not finish as if the new one had vouched
		if _, err := tx.Exec(ctx, `UPDATE connector_revisions SET instance = $2 WHERE connector_id = $1 AND instance = ''`,
			old.ID, old.Instance); err != nil {
			return err
		}
	}
	for _, r := range []string{old.Revision, old.approved} {
		if r == next.approved { // it goes on serving
			continue
		}
		if _, err := tx.Exec(ctx, `UPDATE connector_revisions SET replaced_at = $2 WHERE revision = $1 AND replaced_at = 0`,
			r, db.Micros(g.with.Now())); err != nil {
			return err
		}
	}
	return g.insertRevision(ctx, tx, next)
}

func (g *Registry) swapConnector(ctx context.Context, tx *db.Tx, old, next Row) error {
	n, err := tx.Exec(ctx, `UPDATE connectors SET instance = $3, revision = $4, approved_revision = $5, version = $6,
		managed = $8, updated_at = $7, state = $9, undo_revision = $10, undo_at = $11 WHERE id = $1 AND revision = $2 AND state = $12`,
		old.ID, old.Revision, next.Instance, next.Revision, next.approved, next.Version, db.Micros(g.with.Now()), next.Managed,
		next.State, next.undo, db.Micros(next.UndoAt), old.State)
	if err == nil && n == 0 {
		err = fault.New(fault.Conflict, "connector %s was changed by somebody else just now", old.ID).
			Next("look at it with pachctl idp get-connector and try again")
	}
	return err
}

// approveStored makes what is stored serve, and the revision that served end.
func (g *Registry) approveStored(ctx context.Context, tx *db.Tx, r Row) error {
	next := r.settled()
	next.approved = r.Revision
	if err := g.swapConnector(ctx, tx, r, next); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE connector_revisions SET replaced_at = $2 WHERE revision = $1`, r.approved, db.Micros(g.with.Now()))
	if err != nil {
		return err
	}
	return tx.Changed(ctx, Topic, r.ID)
}

func deleteConnector(ctx context.Context, tx *db.Tx, r Row) error {
	n, err := tx.Exec(ctx, `DELETE FROM connectors WHERE id = $1 AND instance = $2`, r.ID, r.Instance)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.Conflict, "connector %s was changed by somebody else just now", r.ID).
			Next("try again")
	}
	if _, err := tx.Exec(ctx, `DELETE FROM connector_revisions WHERE connector_id = $1`, r.ID); err != nil {
		return err
	}
	return tx.Changed(ctx, Topic, r.ID)
}

// usedFor is how long a login may go on with a revision that was replaced: longer
// than any lives.
const usedFor = time.Hour

// historyOf is how many replaced revisions of one connector are kept.
const historyOf = 50

// DeleteReplaced forgets revisions that no login can be on any more, and that are
// too many for a history.
func DeleteReplaced(ctx context.Context, tx *db.Tx, before time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM connector_revisions WHERE replaced_at > 0 AND replaced_at < $1 AND revision IN (
		SELECT revision FROM (SELECT revision, ROW_NUMBER() OVER (PARTITION BY connector_id ORDER BY replaced_at DESC) AS n
		FROM connector_revisions WHERE replaced_at > 0) AS replaced WHERE n > $2)`, db.Micros(before), historyOf)
	return err
}

// history lists the revisions of a connector, the last first, secrets and all.
func (g *Registry) history(ctx context.Context, tx *db.Tx, id string) (all []Past, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var p Past
		var sealed []byte
		var made int64
		if err := scan(&p.Revision, &p.Type, &p.Name, &sealed, &p.Version, &p.Author, &made, &p.Note); err != nil {
			return err
		}
		plain, err := g.with.Sealer.Open(sealed, configPlace(p.Revision))
		if err != nil {
			return err
		}
		p.Made = db.Time(made)
		all = append(all, p)
		return json.Unmarshal(plain, &all[len(all)-1].Config)
	}, `SELECT revision, type, name, config, version, author, created_at, note FROM connector_revisions WHERE connector_id = $1
		ORDER BY created_at DESC, version DESC LIMIT $2`, id, historyOf+2)
	return all, err
}

func setVerified(ctx context.Context, tx *db.Tx, id, revision string) error {
	_, err := tx.Exec(ctx, `UPDATE connectors SET verified_revision = $2 WHERE id = $1 AND revision = $2`, id, revision)
	if err != nil {
		return err
	}
	return tx.Changed(ctx, Topic, id)
}

func readSetting(ctx context.Context, tx *db.Tx, id string, into any) error {
	var body []byte
	err := tx.Row(ctx, []any{&body}, `SELECT body FROM issuer_settings WHERE id = $1`, id)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

func writeSetting(ctx context.Context, tx *db.Tx, id string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO issuer_settings (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = $2`, id, body)
	if err != nil {
		return err
	}
	return tx.Changed(ctx, SettingsTopic, id)
}

// Sealed says where the documents of connectors are.
func Sealed() secret.Sealed {
	return secret.Sealed{
		Table: "connector_revisions", Column: "config", Key: []string{"revision"}, Place: func(k []string) string { return configPlace(k[0]) },
	}
}
