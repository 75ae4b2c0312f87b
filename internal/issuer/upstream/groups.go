package upstream

import (
	"context"

	dexconn "github.com/dexidp/dex/connector"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// GroupsPlace is where what the groups of somebody are read with is sealed for.
func GroupsPlace(instance, subject string) string {
	return "identity-groups/" + instance + "/" + secret.Hash(subject)
}

// readsGroups is whether the connector can read groups again without the person.
func (w wrapped) readsGroups() bool {
	r, ok := w.provider.Connector.(connector.GroupReader)
	return ok && r.ReadsGroups()
}

// groupData is what the groups of an account are read with again, sealed; nil if they
// cannot be.
func (w wrapped) groupData(c dexconn.Identity) ([]byte, error) {
	if !w.readsGroups() || len(c.ConnectorData) == 0 {
		return nil, nil
	}
	return w.upstream.sealer.Seal(c.ConnectorData, GroupsPlace(w.instance, c.UserID))
}

// ReadGroups asks a connector for the groups of an account again, with the data of its
// sign-in, and returns their names here and the data for the next time. Nil groups are
// for a connector that says nothing of them. Errors: refuse.Gone in the chain, or the
// fault Denied, for somebody who may not sign in any more; all others say nothing of
// the person.
func (u *Upstream) ReadGroups(ctx context.Context, connectorID, instance, subject string, data []byte,
) (groups []string, next []byte, err error) {
	row, err := u.registry.ReadRevision(ctx, connectorID, "")
	if err == nil && row.Instance != instance {
		err = fault.New(fault.NotFound, "connector %s is another one than at the sign-in", connectorID)
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := u.Provider(row)
	if err != nil {
		return nil, nil, err
	}
	r, ok := p.Connector.(connector.GroupReader)
	if !ok || !r.ReadsGroups() {
		return nil, nil, fault.New(fault.Precondition, "connector %s does not read groups again (any more)", connectorID)
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, u.client)
	c, err := Within(ctx, func(ctx context.Context) (dexconn.Identity, error) {
		return r.Refresh(ctx, dexconn.Scopes{Groups: true, OfflineAccess: true}, dexconn.Identity{UserID: subject, ConnectorData: data})
	})
	if err != nil {
		return nil, nil, err
	}
	if c.UserID != subject {
		return nil, nil, fault.New(fault.Unauthenticated, "the provider speaks of another account").Because(refuse.Gone{})
	}
	groups, err = u.registry.GroupNames(ctx, row.ID, row.Instance, c.Groups)
	return groups, c.ConnectorData, err
}
