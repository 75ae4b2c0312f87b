package issuer

import (
	"context"

	"github.com/dexidp/dex/storage"
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

// RedeemLegacy is Redeem for pachd's own client, whose secret never leaves the
// process unless an administrator registered the client with one of theirs.
func (i *Issuer) RedeemLegacy(ctx context.Context, code, verifier string) (string, error) {
	c, err := i.store.GetClient(ctx, LegacyClient)
	if err != nil {
		return "", err
	}
	return i.Redeem(ctx, LegacyClient, c.Secret, code, i.LegacyRedirect(), verifier)
}
