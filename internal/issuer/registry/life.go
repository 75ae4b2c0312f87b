package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"time"

	"pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

// State is whether people may sign in with a connector.
type State string

// The states.
const (
	Draft    State = "draft" // not yet
	Active   State = "active"
	Disabled State = "disabled" // not now
)

// Past is a revision of a connector as it was written.
type Past struct {
	Revision string
	Type     string
	Name     string
	Config   map[string]any
	Version  int64
	Author   principal.Name // empty for one of before authors were kept
	Made     time.Time
	Note     string
	// Changes are how it differs from the one before it.
	Changes []Difference
}

// settled is r without what is only of the revision that r is.
func (r Row) settled() Row {
	r.undo, r.UndoAt, r.author, r.note = "", time.Time{}, "", ""
	return r
}

// CreateDraft stores a connector that nobody signs in with before it is enabled. Its
// provider is not asked. Faults: Invalid, Exists.
func (g *Registry) CreateDraft(ctx context.Context, by Author, c Connector) error {
	c.State = Draft
	return g.create(ctx, by, c)
}

// shortest and longest a change may wait for its confirmation.
const (
	shortestUndo = time.Minute
	longestUndo  = 24 * time.Hour
)

// UpdateUnconfirmed is UpdateConnector that goes back by itself, unless Confirm
// comes within a time. Any other change confirms it. Fault: Invalid, too, for a time
// that is too short or too long.
func (g *Registry) UpdateUnconfirmed(ctx context.Context, by Author, change Connector, within time.Duration) error {
	if within < shortestUndo || within > longestUndo {
		return fault.New(fault.Invalid, "a change cannot wait %s for its confirmation", within).
			Next("give it from %s to %s", shortestUndo, longestUndo).At("confirm_within")
	}
	if r, err := g.read(ctx, change.ID); err != nil || r.Approval == Pending {
		if err == nil { // it would be approved by going back to it
			err = fault.New(fault.Precondition, "what is stored of connector %s waits to be approved, and cannot be gone back to", change.ID).
				Next("approve it first, with pachctl idp approve-connector, or update it without --confirm-within")
		}
		return err
	}
	return g.update(ctx, by, change, within)
}

// Confirm keeps what UpdateUnconfirmed has stored. Faults: NotFound, Precondition for
// a connector on which nothing waits for it.
func (g *Registry) Confirm(ctx context.Context, by principal.Name, id string) error {
	r, err := g.read(ctx, id)
	if err != nil {
		return err
	}
	if r.undo == "" {
		return fault.New(fault.Precondition, "no change of connector %s waits to be confirmed: it was confirmed, or has been undone", id).
			Next("see what is stored with: pachctl idp list-revisions %s", id)
	}
	return g.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := g.swapConnector(ctx, tx, r, r.settled()); err != nil {
			return err
		}
		if err := tx.Changed(ctx, Topic, id); err != nil {
			return err
		}
		return g.record(ctx, tx, by, "connector.confirm", id)
	})
}

// Undo takes back the changes that nobody has confirmed in time. One that cannot be
// taken back now is tried again the next time.
func (g *Registry) Undo(ctx context.Context) error {
	s, err := g.state.Get(ctx)
	if err != nil {
		return err
	}
	var all []error
	for _, r := range s.stored {
		if r.undo == "" || g.with.Now().Before(r.UndoAt) {
			continue
		}
		err := g.backTo(ctx, Operator(), r, r.undo, "not confirmed in time")
		if err != nil && !fault.Is(err, fault.Conflict) { // another replica was quicker
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// RollBack stores a revision of before again, with the secrets that it had. Who may
// not grant roles makes something that waits for approval, as by an update. Faults:
// NotFound, Precondition.
func (g *Registry) RollBack(ctx context.Context, by Author, id, revision string) error {
	r, err := g.read(ctx, id)
	if err != nil {
		return err
	}
	return g.backTo(ctx, by, r, revision, "rolled back")
}

func (g *Registry) backTo(ctx context.Context, by Author, now Row, revision, note string) error {
	all, err := g.readHistory(ctx, now.ID)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Revision != revision {
			continue
		}
		if p.Type != now.Type {
			return fault.New(fault.Precondition, "at revision %s connector %s was of type %s, and it is of type %s now",
				revision, now.ID, p.Type, now.Type).
				Next("delete it and create another")
		}
		next := now.settled()
		next.Name, next.Config, next.author, next.note = p.Name, p.Config, by.Name, note+" to "+revision
		return g.restore(ctx, by, now, next)
	}
	return fault.New(fault.NotFound, "connector %s has no revision %q", now.ID, fault.Clean(revision, 40)).
		Next("list them with: pachctl idp list-revisions %s", now.ID)
}

// restore is put without a question to the provider: what was there before must be
// there again even if the provider is down.
func (g *Registry) restore(ctx context.Context, by Author, old, next Row) error {
	if err := g.checkManaged(ctx, managed.Connector, next.ID, updateMethod); err != nil {
		return err
	}
	if _, err := connector.Open(next.ID, next.Type, next.Config, g.with.Deps()); err != nil {
		return cannotOpen(err)
	}
	if connector.Equal(next.Config, old.Config) && next.Name == old.Name {
		if old.undo == "" {
			return nil
		}
		return g.Confirm(ctx, by.Name, next.ID)
	}
	next.Version = old.Version + 1
	return g.write(ctx, by, old, next, "connector.roll-back")
}

// write stores next in place of old.
func (g *Registry) write(ctx context.Context, by Author, old, next Row, action string) error {
	next.Revision = rand.Text()
	if err := g.decideApproval(ctx, by, old, &next); err != nil {
		return err
	}
	return g.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		if err := managed.Check(ctx, tx, managed.Connector, next.ID, updateMethod); err != nil {
			return err
		}
		if err := g.replaceConnector(ctx, tx, old, next); err != nil {
			return err
		}
		if next.Instance != old.Instance {
			if _, err := identity.EndInstance(ctx, tx, old.Instance); err != nil { // which has stated no groups
				return err
			}
		}
		return g.record(ctx, tx, by.Name, action, next.ID)
	})
}

// SetState lets people sign in with a connector, or lets them not. A draft that no
// connector test has succeeded with is enabled only by force. Who has signed in stays
// so. Faults: NotFound, Precondition, Conflict.
func (g *Registry) SetState(ctx context.Context, by Author, id string, to State, force bool) error {
	r, err := g.read(ctx, id)
	if err != nil || r.State == to {
		return err
	}
	if err := g.checkManaged(ctx, managed.Connector, id, updateMethod); err != nil {
		return err
	}
	if r.State == Draft && to == Active && !r.Verified && !force {
		return fault.New(fault.Precondition, "nobody has signed in with the draft %s, as it is stored, to see whether it works", id).
			Next("do so with: pachctl idp test-connector %s, or enable it all the same with --force", id)
	}
	if to == Active && r.approved != "" && !by.MayGrant { // what it says of people counts at once
		return fault.New(fault.Denied,
			"connector %s was approved, and only somebody who may grant roles on the cluster lets people sign in with it", id).
			Next("ask a clusterAdmin")
	}
	next := r
	next.State = to
	return g.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := managed.Check(ctx, tx, managed.Connector, id, updateMethod); err != nil {
			return err
		}
		if err := g.swapConnector(ctx, tx, r, next); err != nil {
			return err
		}
		if to == Active && r.approved != "" {
			if err := ClaimBareGroups(ctx, tx, r.Instance); err != nil {
				return err
			}
		}
		if err := tx.Changed(ctx, Topic, id); err != nil {
			return err
		}
		return g.record(ctx, tx, by.Name, "connector.to-"+string(to), id)
	})
}

// Verify notes that a connector test has succeeded with a revision, if that is what
// is stored.
func (g *Registry) Verify(ctx context.Context, id, revision string) error {
	return g.with.DB.Update(ctx, func(tx *db.Tx) error { return setVerified(ctx, tx, id, revision) })
}

func (g *Registry) readHistory(ctx context.Context, id string) (all []Past, err error) {
	err = g.with.DB.View(ctx, func(tx *db.Tx) error {
		all, err = g.history(ctx, tx, id)
		return err
	})
	return all, err
}

// History lists the revisions of a connector, the last first, without its secrets.
// Fault: NotFound.
func (g *Registry) History(ctx context.Context, id string) ([]Past, error) {
	if _, err := g.read(ctx, id); err != nil {
		return nil, err
	}
	all, err := g.readHistory(ctx, id)
	for n, p := range all {
		if n+1 < len(all) {
			before := all[n+1]
			all[n].Changes = Between(
				Connector{Name: before.Name, Type: before.Type, Config: before.Config}, Connector{Name: p.Name, Type: p.Type, Config: p.Config})
		}
	}
	for n, p := range all {
		all[n].Config = connector.Redact(p.Type, p.Config)
	}
	return all, err
}

// PromoteSecret makes the nextClientSecret of a connector its clientSecret, once it is
// seen to work. A declared connector stays as the configuration says. Faults: NotFound,
// Precondition, Conflict.
func (g *Registry) PromoteSecret(ctx context.Context, id string) error {
	r, err := g.read(ctx, id)
	if err != nil {
		return err
	}
	secret, ok := r.Config["nextClientSecret"].(string)
	if !ok || secret == "" { // somebody was quicker
		return nil
	}
	if r.Managed {
		return fault.New(fault.Precondition, "connector %s is managed by pachd's configuration", id).
			Next("write its nextClientSecret there as clientSecret")
	}
	next := r.settled()
	next.Config = maps.Clone(r.Config)
	next.Config["clientSecret"] = secret
	delete(next.Config, "nextClientSecret")
	delete(next.Config, "clientSecretExpires")
	next.Version, next.author, next.note = r.Version+1, Operator().Name, "nextClientSecret was seen to work"
	return g.write(ctx, Operator(), r, next, "connector.promote-secret")
}
