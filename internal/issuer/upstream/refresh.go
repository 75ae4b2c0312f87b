package upstream

import (
	"context"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/server/tokens"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/fault"
)

// refresher is the connector that an id names now, if it can say who a person is
// without asking the person.
func (u *Upstream) refresher(ctx context.Context, connectorID string) (r dexconn.RefreshConnector, ok bool, err error) {
	row, err := u.registry.ReadRevision(ctx, connectorID, "")
	if err != nil {
		return nil, false, err
	}
	c, err := u.Resolve(u.ForDex(row))
	r, ok = c.(dexconn.RefreshConnector)
	return r, ok, err
}

// Refreshes reports whether a connector can serve refresh tokens.
func (u *Upstream) Refreshes(ctx context.Context, connectorID string) (bool, error) {
	_, ok, err := u.refresher(ctx, connectorID)
	if fault.Is(err, fault.NotFound) { // it was deleted a moment ago: the gate says so
		return false, nil
	}
	return ok, err
}

// Refresh asks a connector who a person is now, and records it as a sign-in.
// It takes and returns what the connector remembers of the person. Faults:
// Unavailable; NotFound, Precondition, Denied and Unauthenticated for one that
// does not confirm the person.
func (u *Upstream) Refresh(ctx context.Context, connectorID string, scopes []string, who storage.Claims, data []byte,
) (storage.Claims, []byte, error) {
	r, ok, err := u.refresher(ctx, connectorID)
	if err == nil && !ok {
		err = fault.New(fault.Precondition, "connector %s cannot say who a person is without asking the person (any more)", connectorID)
	}
	if err != nil {
		return who, data, err
	}
	c := tokens.IdentityFromClaims(who)
	c.ConnectorData = data
	if c, err = r.Refresh(ctx, tokens.ParseScopes(scopes), c); err != nil {
		return who, data, err
	}
	return tokens.ClaimsFromIdentity(c), c.ConnectorData, nil
}
