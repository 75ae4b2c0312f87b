package issuer

import (
	"context"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/oidcclient"
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

func (i *Issuer) builtInClient(id string) (storage.Client, bool) {
	switch id {
	case CLIClient:
		return storage.Client{ID: id, Name: "pachctl", Public: true}, true
	case DeviceClient:
		back := i.current.Load().url.AbsPath("/device/callback")
		return storage.Client{ID: id, Name: "pachctl", Public: true, RedirectURIs: []string{back}}, true
	}
	return storage.Client{}, false
}

// ownClient is pachd as a client, until somebody changes it.
func (i *Issuer) ownClient() storage.Client {
	return storage.Client{ID: LegacyClient, Name: "Pachyderm", Secret: i.legacySecret, RedirectURIs: []string{i.LegacyRedirect()}}
}

// LegacyRedirect is where pachd, as a client of its own issuer, is answered.
func (i *Issuer) LegacyRedirect() string {
	u := i.current.Load().url.URL
	u.Path = "/authorization-code/callback"
	return u.String()
}

// CheckRegistered is for pachd as a client of its own issuer. Fault: Precondition
// for one that it cannot be.
func (i *Issuer) CheckRegistered(ctx context.Context, id string) error {
	_, err := i.Registry.Client(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return errNotRegistered(id)
	}
	return err
}

func errNotRegistered(id string) error {
	return fault.New(fault.Precondition, "pachd is set up to sign in as client %q, which is not registered", id).
		Next("an administrator registers it with pachctl idp create-client, or names another with pachctl auth set-config")
}

// client finds a client, built in or registered, and what it must do about PKCE.
// Error: storage.ErrNotFound.
func (i *Issuer) client(ctx context.Context, id string) (grant.Client, error) {
	c, err := i.store.GetClient(ctx, id)
	if err != nil {
		return grant.Client{}, err
	}
	if c.Public {
		return grant.Client{Client: c, NeedsPKCE: true}, nil
	}
	_, pkce, err := i.Registry.DexClient(ctx, id)
	return grant.Client{Client: c, NeedsPKCE: pkce == oidcclient.PKCERequired, MayLearnPKCE: pkce == oidcclient.PKCEUntilUsed}, err
}

func (i *Issuer) clientName(ctx context.Context, id string) string {
	if c, err := i.store.GetClient(ctx, id); err == nil {
		return c.Name
	}
	return id
}
