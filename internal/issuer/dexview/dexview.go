package dexview

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dexidp/dex/server/connectors"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/upstream"
)

// codesLiveFor is how long an authorization code can be redeemed (RFC 9700
// asks for a minute at most; Dex would give thirty).
const codesLiveFor = time.Minute

// Config is what the view of the storage is made from.
type Config struct {
	Objects   storage.Storage
	DB        *db.DB
	Registry  *registry.Registry
	Providers *upstream.Upstream
	Log       *slog.Logger
	Now       func() time.Time
	// BuiltIn are the clients that are always there; what of them is fixed
	// cannot be registered by anybody.
	BuiltIn func(id string) (c storage.Client, fixed, ok bool)
}

type view struct {
	storage.Storage
	with Config
	keys atomic.Pointer[storage.Keys]
}

// New makes the storage as Dex shall see it.
func New(c Config) storage.Storage { return &view{Storage: c.Objects, with: c} }

type askerKey struct{}

// Asking notes who asks for a device, for CreateDeviceRequest.
func Asking(ctx context.Context, who device.Asker) context.Context {
	return context.WithValue(ctx, askerKey{}, who)
}

// GetKeys keeps the keys in memory until they rotate: each token needs them.
func (v *view) GetKeys(ctx context.Context) (storage.Keys, error) {
	if k := v.keys.Load(); k != nil && v.with.Now().Before(k.NextRotation) {
		return *k, nil
	}
	k, err := v.Storage.GetKeys(ctx)
	if err == nil && v.with.Now().Before(k.NextRotation) {
		v.keys.Store(&k)
	}
	return k, err
}

// CreateAuthRequest adds the browser and the connector revision, and makes
// the login known by state for the connector's LoginURL.
func (v *view) CreateAuthRequest(ctx context.Context, a storage.AuthRequest) error {
	f := loginctx.FromContext(ctx)
	if f == nil {
		return errors.New("a login outside of our own handler")
	}
	var err error
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

func (v *view) CreateAuthCode(ctx context.Context, c storage.AuthCode) error {
	if limit := v.with.Now().Add(codesLiveFor); c.Expiry.After(limit) {
		c.Expiry = limit
	}
	return v.Storage.CreateAuthCode(ctx, c)
}

// GetAuthCode and GetRefresh ask the gate: a code or refresh token of somebody
// who may not sign in any more, or not at this client by this connector, does
// not exist.
func (v *view) GetAuthCode(ctx context.Context, id string) (storage.AuthCode, error) {
	c, err := v.Storage.GetAuthCode(ctx, id)
	if err != nil {
		return c, err
	}
	return c, v.gate(ctx, c.ClientID, c.ConnectorID, c.Claims.UserID)
}

func (v *view) GetRefresh(ctx context.Context, id string) (storage.RefreshToken, error) {
	t, err := v.Storage.GetRefresh(ctx, id)
	if err != nil {
		return t, err
	}
	return t, v.gate(ctx, t.ClientID, t.ConnectorID, t.Claims.UserID)
}

func (v *view) gate(ctx context.Context, clientID, connectorID, identityID string) error {
	client, err := v.GetClient(ctx, clientID)
	if err != nil {
		return err
	}
	if !connectors.ConnectorAllowed(client.AllowedConnectors, connectorID) {
		v.with.Log.WarnContext(ctx, "grant refused", "identity", identityID, "client", clientID, "connector", connectorID)
		return storage.ErrNotFound
	}
	if identityID == "" {
		return storage.ErrNotFound
	}
	err = v.with.DB.View(ctx, func(tx *db.Tx) error {
		_, err := identity.Gate(ctx, tx, "", identityID)
		return err
	})
	if fault.Is(err, fault.Unauthenticated) {
		v.with.Log.WarnContext(ctx, "grant refused", "identity", identityID, "error", err)
		return storage.ErrNotFound
	}
	return err
}

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
	built, fixed, ok := v.with.BuiltIn(id)
	if fixed {
		return built, nil
	}
	c, err := v.Storage.GetClient(ctx, id)
	switch {
	case ok && errors.Is(err, storage.ErrNotFound):
		return built, nil
	case ok && err == nil && !slices.Contains(c.RedirectURIs, built.RedirectURIs[0]):
		// Registered, as upstream's set-up does and as is needed to name trusted
		// peers; it must not take pachd's own way in away.
		c.RedirectURIs = append(c.RedirectURIs, built.RedirectURIs...)
	}
	return c, err
}

// CreateDeviceRequest keeps who asks beside the request, for the page that
// asks the person whether it was they.
func (v *view) CreateDeviceRequest(ctx context.Context, d storage.DeviceRequest) error {
	who, ok := ctx.Value(askerKey{}).(device.Asker)
	if !ok {
		return errors.New("a device request outside of our own handler")
	}
	err := v.with.DB.Update(ctx, func(tx *db.Tx) error {
		return device.Create(ctx, tx, device.Request{
			UserCode: d.UserCode, DeviceCode: d.DeviceCode, ClientID: d.ClientID, Asker: who, Created: v.with.Now(), Expires: d.Expiry,
		})
	})
	if err != nil {
		return err
	}
	return v.Storage.CreateDeviceRequest(ctx, d)
}
