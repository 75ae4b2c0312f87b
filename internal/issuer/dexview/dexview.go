package dexview

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/tracing"
)

// Config is what the view of the storage is made from.
type Config struct {
	DB        *db.DB
	Objects   dexstore.Store
	Registry  *registry.Registry
	Providers *upstream.Upstream
	Grants    *grant.Store
	Now       func() time.Time
	// BuiltIn are the clients that nobody can register.
	BuiltIn func(id string) (storage.Client, bool)
}

// View is the storage as Dex sees it.
type View struct {
	storage.Storage
	with Config
}

// New makes the storage as Dex shall see it.
func New(c Config) *View { return &View{Storage: c.Objects, with: c} }

// CreateAuthRequest adds the browser and the connector revision, and makes
// the login known by state for the connector's LoginURL.
func (v *View) CreateAuthRequest(ctx context.Context, a storage.AuthRequest) error {
	f := loginctx.FromContext(ctx)
	if f == nil {
		return errors.New("a login outside of our own handler")
	}
	var err error
	f.Trace = tracing.Traceparent(ctx)
	if a.ConnectorData, err = f.Data(); err != nil {
		return err
	}
	f.Request = &a
	if u := unitOf(ctx); u != nil {
		u.create(a)
	} else if err := v.Storage.CreateAuthRequest(ctx, a); err != nil {
		f.Err = err
		return err
	}
	v.with.Providers.Began(a.ID, f)
	return nil
}

// CreateAuthCode begins a grant: what comes of a code is package grant's.
func (v *View) CreateAuthCode(ctx context.Context, c storage.AuthCode) error {
	offline := slices.Contains(c.Scopes, grant.ScopeOffline)
	if offline {
		var err error
		if offline, err = v.with.Providers.Refreshes(ctx, c.ConnectorID); err != nil {
			return err
		}
	}
	create := func(ctx context.Context, tx *db.Tx) error { return v.with.Grants.Create(ctx, tx, c, offline) }
	if u := unitOf(ctx); u != nil {
		u.codes = append(u.codes, create)
		return nil
	}
	return v.with.DB.Update(ctx, func(tx *db.Tx) error { return create(ctx, tx) })
}

// GetOfflineSessions finds none, and CreateOfflineSessions keeps none: Dex has
// one for a person and connector; here each grant keeps its own.
func (v *View) GetOfflineSessions(context.Context, string, string) (storage.OfflineSessions, error) {
	return storage.OfflineSessions{}, storage.ErrNotFound
}

func (v *View) CreateOfflineSessions(context.Context, storage.OfflineSessions) error { return nil }

// GetConnector returns the current revision, or inside a login the one that
// the login began with.
func (v *View) GetConnector(ctx context.Context, id string) (storage.Connector, error) {
	f := loginctx.FromContext(ctx)
	pinned := ""
	if f != nil {
		pinned = f.Revision
	}
	c, err := v.with.Registry.ReadRevision(ctx, id, pinned)
	if fault.Is(err, fault.NotFound) {
		return storage.Connector{}, storage.ErrNotFound
	}
	if err != nil {
		return storage.Connector{}, err
	}
	if f != nil && f.Revision == "" {
		f.Revision = c.Revision
	}
	return v.with.Providers.ForDex(c), nil
}

func (v *View) ListConnectors(ctx context.Context) ([]storage.Connector, error) {
	all, err := v.with.Registry.Rows(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]storage.Connector, len(all))
	for n, c := range all {
		out[n] = v.with.Providers.ForDex(c)
	}
	return out, nil
}

func (v *View) GetClient(ctx context.Context, id string) (storage.Client, error) {
	if built, ok := v.with.BuiltIn(id); ok {
		return built, nil
	}
	c, _, err := v.with.Registry.DexClient(ctx, id)
	return c, err
}
