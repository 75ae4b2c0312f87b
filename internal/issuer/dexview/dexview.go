package dexview

import (
	"context"
	"errors"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/tracing"
)

// Config is what the view of the storage is made from.
type Config struct {
	Objects   storage.Storage
	Registry  *registry.Registry
	Providers *upstream.Upstream
	Grants    *grant.Store
	Now       func() time.Time
	// BuiltIn are the clients that nobody can register.
	BuiltIn func(id string) (storage.Client, bool)
}

type view struct {
	storage.Storage
	with Config
}

// New makes the storage as Dex shall see it.
func New(c Config) storage.Storage { return &view{Storage: c.Objects, with: c} }

// CreateAuthRequest adds the browser and the connector revision, and makes
// the login known by state for the connector's LoginURL.
func (v *view) CreateAuthRequest(ctx context.Context, a storage.AuthRequest) error {
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
	if err := v.Storage.CreateAuthRequest(ctx, a); err != nil {
		f.Err = err
		return err
	}
	v.with.Providers.Began(a.ID, f)
	return nil
}

// CreateAuthCode begins a grant: what comes of a code is package grant's.
func (v *view) CreateAuthCode(ctx context.Context, c storage.AuthCode) error {
	offline, err := v.with.Providers.Refreshes(ctx, c.ConnectorID)
	if err != nil {
		return err
	}
	return v.with.Grants.Create(ctx, c, offline)
}

// GetOfflineSessions finds none, and CreateOfflineSessions keeps none: Dex has
// one for a person and connector; here each grant keeps its own.
func (v *view) GetOfflineSessions(context.Context, string, string) (storage.OfflineSessions, error) {
	return storage.OfflineSessions{}, storage.ErrNotFound
}

func (v *view) CreateOfflineSessions(context.Context, storage.OfflineSessions) error { return nil }

// GetConnector returns the current revision, or inside a login the one that
// the login began with.
func (v *view) GetConnector(ctx context.Context, id string) (storage.Connector, error) {
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
	return v.with.Providers.ForDex(c)
}

func (v *view) ListConnectors(ctx context.Context) ([]storage.Connector, error) {
	all, err := v.with.Registry.Rows(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]storage.Connector, len(all))
	for n, c := range all {
		if out[n], err = v.with.Providers.ForDex(c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (v *view) GetClient(ctx context.Context, id string) (storage.Client, error) {
	if built, ok := v.with.BuiltIn(id); ok {
		return built, nil
	}
	c, _, err := v.with.Registry.DexClient(ctx, id)
	return c, err
}
