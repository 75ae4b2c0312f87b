package oidcclient

import (
	"context"
	"slices"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/managed"
	"pachyderm/internal/principal"
)

func managedClients(ctx context.Context, tx *db.Tx) (map[string]bool, error) {
	all, err := managed.All(ctx, tx, managed.Client)
	ids := make(map[string]bool, len(all))
	for _, o := range all {
		ids[o.ID] = true
	}
	return ids, err
}

// CheckDeclaredClient refuses a client that cannot be registered beside connectors that
// will be there. Fault: Invalid.
func (g *Registry) CheckDeclaredClient(ctx context.Context, c Client, connectors []string) error {
	c.AllowedConnectors = slices.DeleteFunc(slices.Clone(c.AllowedConnectors), func(id string) bool { return slices.Contains(connectors, id) })
	return g.checkNewClient(ctx, c)
}

// DeclareClient makes an application all that an entry of pachd's configuration says; without a
// secret in it the stored one stays. Faults: Invalid, Exists.
func (g *Registry) DeclareClient(ctx context.Context, declared managed.Entry, c Client) error {
	stored, err := g.Client(ctx, c.ID)
	switch {
	case fault.Is(err, fault.NotFound):
		_, err = g.createClient(ctx, principal.Root, declared, c)
		return err
	case err != nil:
		return err
	case stored.Public != c.Public:
		if err := g.WithdrawClient(ctx, c.ID); err != nil {
			return err
		}
		_, err = g.createClient(ctx, principal.Root, declared, c)
		return err
	}
	return g.updateClient(ctx, principal.Root, declared, c.whole())
}

// whole is a change that leaves nothing as it was but an absent secret.
func (c Client) whole() Client {
	for _, list := range []*[]string{&c.RedirectURIs, &c.TrustedPeers, &c.AllowedConnectors, &c.PostLogoutRedirectURIs} {
		if *list == nil {
			*list = []string{}
		}
	}
	if c.LogoutURI == nil {
		c.LogoutURI = new(string)
	}
	return c
}

// WithdrawClient removes an application that is declared no more; what was granted
// to it ends.
func (g *Registry) WithdrawClient(ctx context.Context, id string) error {
	return g.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := managed.Remove(ctx, tx, managed.Client, id); err != nil {
			return err
		}
		err := g.End(ctx, tx, principal.Root, id)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	})
}
