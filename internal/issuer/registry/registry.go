package registry

import (
	"context"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/secret"
)

// Registry is the one way to connectors, clients and settings. It is safe for
// concurrent use.
type Registry struct {
	*oidcclient.Registry

	with  Config
	state *db.Memory[*state]
}

// New makes a registry.
func New(c Config) *Registry {
	g := &Registry{with: c}
	g.state = db.Remember(c.DB, Topic, g.readState)
	g.Registry = oidcclient.New(oidcclient.Config{
		DB: c.DB, Objects: c.Objects, Grants: c.Grants, Now: c.Now, Reserved: c.Reserved, Own: c.Own,
		Connected: func(ctx context.Context, connector string) error {
			_, err := g.read(ctx, connector)
			return err
		},
	})
	return g
}

// Config is what a Registry is made from.
type Config struct {
	DB     *db.DB
	Sealer *secret.Sealer
	// Objects keeps the clients, as documents of Dex's.
	Objects dexstore.Store
	Grants  *grant.Store
	Now     func() time.Time
	// Deps are what connectors are checked and probed with.
	Deps func() connector.Deps
	// Reserved are client ids that nobody can register.
	Reserved []string
	// Own is the client that pachd is at its own issuer as long as nobody changes it.
	Own func() storage.Client
}
