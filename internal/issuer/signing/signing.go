package signing

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/issuer/settings"
)

// livesFor is how long one signing key signs; it verifies until the last token that it
// has signed has expired.
const livesFor = 6 * time.Hour

// Keys are the signing keys of all replicas: one for what applications verify, of
// the algorithm that is configured, and an ES256 key for access tokens, which the
// issuer alone verifies. As a signer.Signer they are the first, and the key set is
// that of both. They are safe for concurrent use.
type Keys struct {
	signer.Signer
	access signer.Signer

	stores [2]*kept      // of the two
	ready  chan struct{} // closed when there are some
}

// New makes no keys; Start does. The algorithm, RS256 or ES256, is that of the next
// key.
func New(ctx context.Context, objects dexstore.Store, algorithm string, now func() time.Time, log *slog.Logger) (*Keys, error) {
	k := &Keys{stores: [2]*kept{{Storage: objects, now: now}, {Storage: objects.AccessKeys(), now: now}}, ready: make(chan struct{})}
	for n, algorithm := range []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm), jose.ES256} {
		by, err := (&signer.LocalConfig{KeysRotationPeriod: livesFor.String(), Algorithm: algorithm}).
			Open(ctx, k.stores[n], settings.DefaultIDTokenExpiry, now, log)
		if err != nil {
			return nil, fmt.Errorf("signing keys: %w", err)
		}
		if n == 0 {
			k.Signer = by
		} else {
			k.access = by
		}
	}
	return k, nil
}

// Start makes a key if there is none, and replaces it until ctx ends. Making an RSA
// key takes longer than all else at the start, so who needs one waits for it, and
// not the listener.
func (k *Keys) Start(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { k.access.Start(ctx) })
	both.Go(func() { k.Signer.Start(ctx) })
	both.Wait()
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

// For has the key that signs tokens of a type.
func (k *Keys) For(ctx context.Context, typ string) (storage.Keys, error) {
	if typ == jws.Access {
		return k.stores[1].GetKeys(ctx)
	}
	return k.stores[0].GetKeys(ctx)
}

// ValidationKeys is signer.Signer's.
func (k *Keys) ValidationKeys(ctx context.Context) ([]*jose.JSONWebKey, error) {
	first, err := k.Signer.ValidationKeys(ctx)
	if err != nil {
		return nil, err
	}
	second, err := k.access.ValidationKeys(ctx)
	return slices.Concat(first, second), err
}

// Rotates is when the key in use is to be replaced; zero before there is one.
func (k *Keys) Rotates(ctx context.Context) (time.Time, error) {
	keys, err := k.stores[0].GetKeys(ctx)
	return keys.NextRotation, err
}

// kept has keys in memory until they rotate: each token needs them.
type kept struct {
	storage.Storage
	now  func() time.Time
	keys atomic.Pointer[storage.Keys]
}

// GetKeys is storage.Storage's.
func (s *kept) GetKeys(ctx context.Context) (storage.Keys, error) {
	if k := s.keys.Load(); k != nil && s.now().Before(k.NextRotation) {
		return *k, nil
	}
	k, err := s.Storage.GetKeys(ctx)
	if k.SigningKey != nil {
		// A key that was read has not been prepared, which each signature would do anew.
		if key, isRSA := k.SigningKey.Key.(*rsa.PrivateKey); isRSA {
			key.Precompute()
		}
	}
	if err == nil && s.now().Before(k.NextRotation) {
		s.keys.Store(&k)
	}
	return k, err
}
