package issuer

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// The clients that are always there.
const (
	// CLIClient is pachctl with a browser on the same machine (RFC 8252).
	CLIClient = "pachctl"
	// DeviceClient is pachctl without one (RFC 8628).
	DeviceClient = "pachctl-device"
	// LegacyClient is pachd itself, which upstream's pachctl lets log in on
	// its behalf.
	LegacyClient = "pachd"
)

// Client is an application that signs people in here.
type Client struct {
	ID           string
	Name         string
	Secret       string // only in the answer to its creation
	RedirectURIs []string
	TrustedPeers []string
}

func (i *Issuer) builtInClient(id string) (storage.Client, bool) {
	switch id {
	case CLIClient:
		return storage.Client{ID: id, Name: "pachctl", Public: true}, true
	case DeviceClient:
		return storage.Client{ID: id, Name: "pachctl", Public: true, RedirectURIs: []string{i.served.Load().url.AbsPath("/device/callback")}}, true
	case LegacyClient:
		return storage.Client{ID: id, Name: "Pachyderm", Secret: i.legacySecret, RedirectURIs: []string{i.LegacyRedirect()}}, true
	}
	return storage.Client{}, false
}

// LegacyRedirect is where pachd, as a client of its own issuer, is answered.
func (i *Issuer) LegacyRedirect() string {
	u := i.served.Load().url.URL
	u.Path = "/authorization-code/callback"
	return u.String()
}

// RedeemLegacy is Redeem for the built-in client, whose secret never leaves
// the process.
func (i *Issuer) RedeemLegacy(ctx context.Context, code, verifier string) (string, error) {
	return i.Redeem(ctx, LegacyClient, i.legacySecret, code, i.LegacyRedirect(), verifier)
}

// CreateClient registers an application and returns it with its secret, for
// the one time that it can be seen. Faults: Invalid, Exists.
func (i *Issuer) CreateClient(ctx context.Context, by principal.Name, c Client) (Client, error) {
	if c.Name == "" {
		return Client{}, fault.New(fault.Invalid, "no client name specified").At("name")
	}
	if c.ID == "" {
		return Client{}, fault.New(fault.Invalid, "no client id specified").At("id")
	}
	if c.ID == CLIClient || c.ID == DeviceClient {
		return Client{}, fault.New(fault.Exists, "client %q: ID already exists; it is pachctl's own", c.ID)
	}
	if err := checkRedirects(c.RedirectURIs); err != nil {
		return Client{}, err
	}
	if c.Secret == "" {
		c.Secret = rand.Text() + rand.Text()
	}
	err := i.store.CreateClient(ctx, storage.Client{
		ID: c.ID, Name: c.Name, Secret: c.Secret, RedirectURIs: c.RedirectURIs, TrustedPeers: c.TrustedPeers,
	})
	if errors.Is(err, storage.ErrAlreadyExists) {
		err = fault.New(fault.Exists, "client %q: ID already exists; change it with: pachctl idp update-client", c.ID)
	}
	if err != nil {
		return Client{}, err
	}
	return c, i.recordAlone(ctx, by, "client.create", c.ID)
}

func checkRedirects(uris []string) error {
	for _, u := range uris {
		if _, err := CheckURL(strings.SplitN(u, "?", 2)[0], true); err != nil {
			return fault.New(fault.Invalid, "redirect_uris: %s", fault.Message(err)).At("redirect_uris")
		}
	}
	return nil
}

// UpdateClient changes what is given: an empty name and nil lists stay.
// Faults: NotFound, Invalid.
func (i *Issuer) UpdateClient(ctx context.Context, by principal.Name, c Client) error {
	if err := checkRedirects(c.RedirectURIs); err != nil {
		return err
	}
	err := noClient(c.ID, i.store.UpdateClient(ctx, c.ID, func(old storage.Client) (storage.Client, error) {
		if c.Name != "" {
			old.Name = c.Name
		}
		if c.Secret != "" {
			old.Secret = c.Secret
		}
		if c.RedirectURIs != nil {
			old.RedirectURIs = c.RedirectURIs
		}
		if c.TrustedPeers != nil {
			old.TrustedPeers = c.TrustedPeers
		}
		return old, nil
	}))
	if err != nil {
		return err
	}
	return i.recordAlone(ctx, by, "client.update", c.ID)
}

// Client reads a registered application, without its secret. Fault: NotFound.
func (i *Issuer) Client(ctx context.Context, id string) (Client, error) {
	c, err := i.store.Storage.GetClient(ctx, id)
	return fromDexClient(c), noClient(id, err)
}

// Clients lists the registered applications by id.
func (i *Issuer) Clients(ctx context.Context) ([]Client, error) {
	all, err := i.store.ListClients(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Client, len(all))
	for n, c := range all {
		out[n] = fromDexClient(c)
	}
	slices.SortFunc(out, func(a, b Client) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// DeleteClient forgets an application; its refresh tokens stop working. Fault:
// NotFound.
func (i *Issuer) DeleteClient(ctx context.Context, by principal.Name, id string) error {
	if err := noClient(id, i.store.DeleteClient(ctx, id)); err != nil {
		return err
	}
	return i.recordAlone(ctx, by, "client.delete", id)
}

// recordAlone is for changes that Dex's storage interface makes in a
// transaction of its own.
func (i *Issuer) recordAlone(ctx context.Context, by principal.Name, action, id string) error {
	return i.DB.Update(ctx, func(tx *db.Tx) error { return i.record(ctx, tx, by, action, id) })
}

func fromDexClient(c storage.Client) Client {
	return Client{ID: c.ID, Name: c.Name, RedirectURIs: c.RedirectURIs, TrustedPeers: c.TrustedPeers}
}

func noClient(id string, err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return fault.New(fault.NotFound, "unable to find OIDC client with id %q: ID does not exist; pachctl idp list-client shows those that do", id)
	}
	return err
}
