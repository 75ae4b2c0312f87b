package pachd

import (
	"context"
	"slices"
	"time"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/login"
	"pachyderm/internal/secret"
)

// lookForKeysEvery is how often the key file is read. Kubernetes changes mounted
// files by moving links, which no watch of a file tells of.
const lookForKeysEvery = 2 * time.Second

const clusterIDKey = "cluster-id"

// sealed says where the database has sealed values.
func sealed() []secret.Sealed {
	meta := secret.Sealed{
		Table: "meta", Column: "value", Key: []string{"key"}, Plain: []string{clusterIDKey},
		Place: func(key []string) string { return key[0] },
	}
	return slices.Concat([]secret.Sealed{
		meta, dexstore.Sealed(), registry.Sealed(), connectortest.Sealed(), grant.Sealed(),
	}, login.Sealed())
}

// followKeys takes over the key file whenever it is changed, until ctx ends.
func (p *Pachd) followKeys(ctx context.Context) error {
	tick := time.NewTicker(lookForKeysEvery)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		changed, err := p.sealer.Reload(ctx, p.DB, secret.File(p.config.Sealing.KeyFile))
		switch {
		case changed:
			p.log.InfoContext(ctx, "the sealing key was read again", "file", p.config.Sealing.KeyFile)
			said = ""
		case err == nil || ctx.Err() != nil:
		case fault.KindOf(err) == fault.Precondition && said != fault.Message(err):
			said = fault.Message(err)
			p.log.ErrorContext(ctx, "the sealing key was changed to what cannot be used; the one in use stays", "error", said)
		}
	}
}
