package signing

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/issuer/settings"
)

// livesFor is how long one signing key signs; it verifies until the last ID token
// that it has signed has expired.
const livesFor = 6 * time.Hour

// Keys are the signing keys of all replicas. They are safe for concurrent use.
type Keys struct {
	signer.Signer // by the key in use; JWKS

	store storage.Storage
	ready chan struct{} // closed when there are some
}

// New makes no keys; Start does. The algorithm, RS256 or ES256, is that of the next
// key.
func New(ctx context.Context, store storage.Storage, algorithm string, now func() time.Time, log *slog.Logger) (*Keys, error) {
	by, err := (&signer.LocalConfig{
		KeysRotationPeriod: livesFor.String(), Algorithm: jose.SignatureAlgorithm(algorithm),
	}).Open(ctx, store, settings.DefaultIDTokenExpiry, now, log)
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	return &Keys{Signer: by, store: store, ready: make(chan struct{})}, nil
}

// Start makes a key if there is none, and replaces it until ctx ends. Making an RSA
// key takes longer than all else at the start, so who needs one waits for it, and
// not the listener.
func (k *Keys) Start(ctx context.Context) {
	k.Signer.Start(ctx)
	close(k.ready)
}

// Wait waits until there are keys.
func (k *Keys) Wait(ctx context.Context) error {
	select {
	case <-k.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rotates is when the key in use is to be replaced; zero before there is one.
func (k *Keys) Rotates(ctx context.Context) (time.Time, error) {
	keys, err := k.store.GetKeys(ctx)
	return keys.NextRotation, err
}
