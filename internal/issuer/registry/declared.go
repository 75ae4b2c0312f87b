package registry

import (
	"cmp"
	"context"
	"crypto/rand"

	"pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/identity"
)

// What pachd's configuration declares is written by Declare and taken away by
// Withdraw; everybody else is refused to change it.

// Declarer is whoever has written an entry of pachd's configuration.
func Declarer(e managed.Entry) Author {
	by := Operator()
	by.Declares = e
	return by
}

func (g *Registry) checkManaged(ctx context.Context, k managed.Kind, id, method string) error {
	return g.with.DB.View(ctx, func(tx *db.Tx) error { return managed.Check(ctx, tx, k, id, method) })
}

// CheckDeclaredConnector refuses a connector that cannot work with a callback; the one that
// there is if it is empty. It asks no provider: one that is down must not keep pachd
// from starting. Fault: Invalid.
func (g *Registry) CheckDeclaredConnector(c Connector, callback string) error {
	if err := checkNew(c); err != nil {
		return err
	}
	d := g.with.Deps().ForDeclared(true)
	d.Callback = cmp.Or(callback, d.Callback)
	if _, err := connector.Open(c.ID, c.Type, c.Config, d); err != nil {
		return cannotOpen(err)
	}
	return nil
}

// StoredManaged reports whether there is a connector of an id, and whether it is a
// declared one.
func (g *Registry) StoredManaged(ctx context.Context, id string) (exists, isManaged bool, err error) {
	r, err := g.read(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return false, false, nil
	}
	return err == nil, r.Managed, err
}

func (r Row) is(c Connector) bool {
	return r.Type == c.Type && r.Name == c.Name && connector.Equal(r.Config, c.Config) &&
		r.Approval == Approved && r.State == Active && r.undo == ""
}

// DeclareConnector makes a connector all that the configuration says, and nothing
// else; the operator has approved it by that. One of another type, or that nobody
// had approved, is another one from then on. Faults: Invalid, Conflict.
func (g *Registry) DeclareConnector(ctx context.Context, by Author, c Connector) error {
	if err := g.CheckDeclaredConnector(c, ""); err != nil {
		return err
	}
	old, err := g.read(ctx, c.ID)
	exists := err == nil
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	next := Row{Connector: c, Instance: rand.Text()}
	switch {
	case exists && old.is(c):
		next = old.settled()
	case exists:
		next.Version = max(c.Version, old.Version+1)
		if old.Type == c.Type && old.approved != "" {
			next.Instance = old.Instance
		}
	}
	if next.Revision == "" {
		next.Revision = rand.Text()
	}
	next.Managed, next.approved, next.State, next.author = true, next.Revision, Active, by.Name
	return g.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		if err := g.putDeclared(ctx, tx, exists, old, next); err != nil {
			return err
		}
		if err := ClaimBareGroups(ctx, tx, next.Instance); err != nil {
			return err
		}
		if err := managed.Guard(ctx, tx, by.Declares, managed.Connector, c.ID, ""); err != nil {
			return err
		}
		return g.record(ctx, tx, by.Name, "connector.declare", c.ID)
	})
}

func (g *Registry) putDeclared(ctx context.Context, tx *db.Tx, exists bool, old, next Row) error {
	switch {
	case !exists:
		return g.insertConnector(ctx, tx, next)
	case old.Revision == next.Revision: // only whose it is changes
		return g.swapConnector(ctx, tx, old, next)
	}
	if err := g.replaceConnector(ctx, tx, old, next); err != nil || next.Instance == old.Instance {
		return err
	}
	if err := ReleaseBareGroups(ctx, tx, old.Instance); err != nil {
		return err
	}
	_, err := identity.EndInstance(ctx, tx, old.Instance)
	return err
}

// WithdrawConnector removes a connector that is declared no more.
func (g *Registry) WithdrawConnector(ctx context.Context, id string) error {
	r, err := g.read(ctx, id)
	gone := fault.Is(err, fault.NotFound)
	if err != nil && !gone {
		return err
	}
	return g.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		if err := managed.Remove(ctx, tx, managed.Connector, id); err != nil || gone {
			return err
		}
		return g.endConnector(ctx, tx, Operator().Name, r)
	})
}
