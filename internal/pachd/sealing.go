package pachd

import (
	"context"
	"slices"
	"time"

	"pachyderm/internal/data/pack"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/setuplink"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/login"
	"pachyderm/internal/people/past"
	"pachyderm/internal/people/rename"
	"pachyderm/internal/secret"
)

// How often the key is read, in a file and in a Secret: Kubernetes changes mounted
// files by moving links, which no watch of a file tells of.
const (
	lookForKeysEvery  = 2 * time.Second
	askForSecretEvery = 10 * time.Second
	clusterIDKey      = "cluster-id"
)

// sealed says where the database has sealed values.
func sealed() []secret.Sealed {
	meta := secret.Sealed{
		Table: "meta", Column: "value", Key: []string{"key"}, Plain: []string{clusterIDKey, past.MetaKey, rename.MetaKey},
		Place: func(key []string) string { return key[0] },
	}
	return slices.Concat([]secret.Sealed{
		meta, dexstore.Sealed(), registry.Sealed(), connectortest.Sealed(), grant.Sealed(), trace.Sealed(), setuplink.Sealed(),
		pack.Sealed(), identity.Sealed(upstream.GroupsPlace),
	}, login.Sealed())
}

// followKeys takes over the sealing key whenever it is changed, until ctx ends.
func (p *Pachd) followKeys(ctx context.Context) error {
	key, every := sealingKey(p.config), lookForKeysEvery
	if p.config.Sealing.KeyFile == "" {
		every = askForSecretEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		changed, err := p.sealer.Reload(ctx, p.DB, key)
		switch {
		case changed && err == nil:
			p.log.InfoContext(ctx, "the sealing key was read again", "place", key.String())
			said = ""
		case err == nil || ctx.Err() != nil:
		case fault.KindOf(err) == fault.Precondition && said != fault.Message(err):
			said = fault.Message(err)
			p.log.ErrorContext(ctx, "the sealing key cannot be used as it is now; the one in use stays", "error", said)
		}
	}
}
