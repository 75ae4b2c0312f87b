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

// RedeemLegacy is Redeem for the built-in client, whose secret never leaves
// the process.
func (i *Issuer) RedeemLegacy(ctx context.Context, code, verifier string) (string, error) {
	return i.Redeem(ctx, LegacyClient, i.legacySecret, code, i.LegacyRedirect(), verifier)
}
