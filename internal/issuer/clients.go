package issuer

import (
	"context"
	"errors"
	"slices"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/registry"
)

// The OIDC clients that are always there.
const (
	// CLIClient is pachctl with a browser on the same machine (RFC 8252).
	CLIClient = "pachctl"
	// DeviceClient is pachctl without one (RFC 8628).
	DeviceClient = "pachctl-device"
	// LegacyClient is pachd itself, which upstream's pachctl lets log in on
	// its behalf.
	LegacyClient = "pachd"
)

// builtInClient says too whether the client is fixed: pachd itself may be
// registered, as upstream's set-up does.
func (i *Issuer) builtInClient(id string) (c storage.Client, fixed, ok bool) {
	switch id {
	case CLIClient:
		return storage.Client{ID: id, Name: "pachctl", Public: true}, true, true
	case DeviceClient:
		back := i.current.Load().url.AbsPath("/device/callback")
		return storage.Client{ID: id, Name: "pachctl", Public: true, RedirectURIs: []string{back}}, true, true
	case LegacyClient:
		return storage.Client{ID: id, Name: "Pachyderm", Secret: i.legacySecret, RedirectURIs: []string{i.LegacyRedirect()}}, false, true
	}
	return c, false, false
}

// LegacyRedirect is where pachd, as a client of its own issuer, is answered.
func (i *Issuer) LegacyRedirect() string {
	u := i.current.Load().url.URL
	u.Path = "/authorization-code/callback"
	return u.String()
}

// CheckClient reports whether a client exists, built in or registered, that
// may be answered at redirectURI. Fault: Invalid.
func (i *Issuer) CheckClient(ctx context.Context, id, redirectURI string) error {
	c, err := i.store.GetClient(ctx, id)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return fault.New(fault.Invalid, "client_id %q is not registered", id).
			Next("register it first, with: pachctl idp create-client").At("client_id")
	case err != nil:
		return err
	case !slices.Contains(c.RedirectURIs, redirectURI):
		return fault.New(fault.Invalid, "redirect_uri %q is not one of client %q, which has %q", redirectURI, id, c.RedirectURIs).
			Next("add it with: pachctl idp update-client").At("redirect_uri")
	}
	return nil
}

// client finds a client, built in or registered, and what it must do about PKCE.
// Error: storage.ErrNotFound.
func (i *Issuer) client(ctx context.Context, id string) (grant.Client, error) {
	c, err := i.store.GetClient(ctx, id)
	if err != nil {
		return grant.Client{}, err
	}
	if c.Public || id == LegacyClient {
		return grant.Client{Client: c, NeedsPKCE: true}, nil
	}
	_, pkce, err := i.Registry.DexClient(ctx, id)
	return grant.Client{Client: c, NeedsPKCE: pkce == registry.PKCERequired, MayLearnPKCE: pkce == registry.PKCEUntilUsed}, err
}

func (i *Issuer) clientName(ctx context.Context, id string) string {
	if c, err := i.store.GetClient(ctx, id); err == nil {
		return c.Name
	}
	return id
}
