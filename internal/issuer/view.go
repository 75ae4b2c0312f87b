package issuer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dexidp/dex/server/connectors"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/flow"
)

// view is the storage as Dex shall see it: our connectors and built-in
// clients, codes that die soon, and nothing of a person who may not sign in.
type view struct {
	storage.Storage
	issuer *Issuer
	keys   atomic.Pointer[storage.Keys]
}

// GetKeys keeps the keys in memory until they rotate: each token needs them.
func (v *view) GetKeys(ctx context.Context) (storage.Keys, error) {
	if k := v.keys.Load(); k != nil && v.issuer.Now().Before(k.NextRotation) {
		return *k, nil
	}
	k, err := v.Storage.GetKeys(ctx)
	if err == nil && v.issuer.Now().Before(k.NextRotation) {
		v.keys.Store(&k)
	}
	return k, err
}

// CreateAuthRequest adds the browser and the connector revision, and makes
// the flow known by state for the connector's LoginURL.
func (v *view) CreateAuthRequest(ctx context.Context, a storage.AuthRequest) error {
	f := flow.Of(ctx)
	if f == nil {
		return errors.New("a login outside of our own handler")
	}
	var err error
	if a.ConnectorData, err = f.Envelope(nil); err != nil {
		return err
	}
	f.Request = &a
	if err := v.Storage.CreateAuthRequest(ctx, a); err != nil {
		f.Err = err
		return err
	}
	v.issuer.providers.Began(a.ID, f)
	return nil
}

func (v *view) CreateAuthCode(ctx context.Context, c storage.AuthCode) error {
	if limit := v.issuer.Now().Add(codesLiveFor); c.Expiry.After(limit) {
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
		v.issuer.Log.WarnContext(ctx, "grant refused", "identity", identityID, "client", clientID, "connector", connectorID)
		return storage.ErrNotFound
	}
	if identityID == "" {
		return storage.ErrNotFound
	}
	err = v.issuer.DB.View(ctx, func(tx *db.Tx) error { return identity.Gate(ctx, tx, identityID) })
	if fault.Is(err, fault.Unauthenticated) {
		v.issuer.Log.WarnContext(ctx, "grant refused", "identity", identityID, "error", err)
		return storage.ErrNotFound
	}
	return err
}

// GetConnector returns the current revision, or inside a login the one that
// the login began with.
func (v *view) GetConnector(ctx context.Context, id string) (storage.Connector, error) {
	f := flow.Of(ctx)
	pinned := ""
	if f != nil {
		pinned = f.Revision
	}
	c, err := v.issuer.ReadRevision(ctx, id, pinned)
	if fault.Is(err, fault.NotFound) {
		return storage.Connector{}, storage.ErrNotFound
	}
	if err != nil {
		return storage.Connector{}, err
	}
	if f != nil && f.Revision == "" {
		f.Revision = c.Revision
	}
	return v.issuer.providers.ForDex(c)
}

func (v *view) ListConnectors(ctx context.Context) ([]storage.Connector, error) {
	all, err := v.issuer.Rows(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]storage.Connector, len(all))
	for n, c := range all {
		if out[n], err = v.issuer.providers.ForDex(c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (v *view) GetClient(ctx context.Context, id string) (storage.Client, error) {
	built, ok := v.issuer.builtInClient(id)
	if ok && id != LegacyClient {
		return built, nil // nobody can register these
	}
	c, err := v.Storage.GetClient(ctx, id)
	switch {
	case ok && errors.Is(err, storage.ErrNotFound):
		return built, nil
	case id == LegacyClient && err == nil && !slices.Contains(c.RedirectURIs, built.RedirectURIs[0]):
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
	err := v.issuer.DB.Update(ctx, func(tx *db.Tx) error {
		return device.Create(ctx, tx, device.Request{
			UserCode: d.UserCode, DeviceCode: d.DeviceCode, ClientID: d.ClientID, Asker: who, Created: v.issuer.Now(), Expires: d.Expiry,
		})
	})
	if err != nil {
		return err
	}
	return v.Storage.CreateDeviceRequest(ctx, d)
}

// GarbageCollect gives Dex's objects a moment more than they live, so that a
// clock that is behind does not lose what another replica still accepts.
func (v *view) GarbageCollect(ctx context.Context, now time.Time) (storage.GCResult, error) {
	n, err := v.Storage.GarbageCollect(ctx, now.Add(-time.Minute))
	if err != nil {
		err = fmt.Errorf("delete expired objects: %w", err)
	}
	return n, err
}
