package signing_test

import (
	"context"
	"crypto/rsa"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dexidp/dex/storage"
	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/issuer/signing"
	"pachyderm/internal/secret/secrettest"
)

func open(t *testing.T, algorithm string, now func() time.Time) (*signing.Keys, dexstore.Store) {
	t.Helper()
	d := dbtest.SQLite(t)
	sealer := secrettest.Sealer(t, d)
	objects := dexstore.New(d, sealer)
	k, err := signing.New(t.Context(), objects, algorithm, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return k, objects
}

func TestKeys_InMemoryUntilTheyRotate(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	clock := now
	k, objects := open(t, "ES256", func() time.Time { return clock })
	for _, step := range []struct {
		set, want time.Time
		later     time.Duration
	}{
		{set: now.Add(-time.Hour), want: now.Add(-time.Hour)}, // due: read each time
		{set: now.Add(time.Hour), want: now.Add(time.Hour)},
		{set: now.Add(2 * time.Hour), want: now.Add(time.Hour)}, // kept
		{set: now.Add(3 * time.Hour), want: now.Add(3 * time.Hour), later: time.Hour},
	} {
		clock = now.Add(step.later)
		err := objects.UpdateKeys(t.Context(), func(storage.Keys) (storage.Keys, error) { return storage.Keys{NextRotation: step.set}, nil })
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.For(t.Context(), jws.ID); err != nil || !got.NextRotation.Equal(step.want) {
			t.Errorf("keys until %s, %v; want %s", got.NextRotation, err, step.want)
		}
	}
}

func TestKeys_ArePreparedOnce(t *testing.T) {
	k, _ := open(t, "RS256", time.Now)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	k.Start(ctx)
	if err := k.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	keys, err := k.For(ctx, jws.ID)
	if err != nil {
		t.Fatal(err)
	}
	key := keys.SigningKey.Key.(*rsa.PrivateKey)
	had := key.Precomputed
	if key.Precompute(); !reflect.DeepEqual(had, key.Precomputed) {
		t.Error("each signature prepares the key anew")
	}
}

// Applications get tokens of the algorithm that is configured, and the issuer, which
// alone verifies access tokens, the quick one.
func TestKeys_ByTypeOfToken(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		t.Run(algorithm, func(t *testing.T) {
			k, _ := open(t, algorithm, time.Now)
			ctx, stop := context.WithCancel(t.Context())
			t.Cleanup(stop)
			k.Start(ctx)
			if said, err := k.Algorithm(t.Context()); err != nil || string(said) != algorithm {
				t.Errorf("the algorithm of ID tokens is said to be %s, %v", said, err)
			}
			public, err := k.ValidationKeys(t.Context())
			if err != nil || len(public) != 2 || public[0].KeyID == public[1].KeyID {
				t.Fatalf("%d keys, %v", len(public), err)
			}
			i := jws.Issuer{Name: "https://pach.example.com", Signer: k, Keys: k.For, Now: time.Now}
			for typ, want := range map[string]string{jws.ID: algorithm, jws.Logout: algorithm, jws.Access: "ES256"} {
				raw, err := i.Sign(t.Context(), typ, map[string]any{"iss": i.Name, "sub": "s", "exp": time.Now().Add(time.Hour).Unix()})
				if err != nil {
					t.Fatal(err)
				}
				token, err := jose.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
				if err != nil {
					t.Fatal(err)
				}
				header := token.Signatures[0].Header
				if header.Algorithm != want || !slices.ContainsFunc(public, func(p *jose.JSONWebKey) bool { return p.KeyID == header.KeyID }) {
					t.Errorf("a token of type %q is signed by %s, want %s, with the key %s", typ, header.Algorithm, want, header.KeyID)
				}
				if _, err := i.Verify(t.Context(), typ, raw); err != nil {
					t.Errorf("a token of type %q: %v", typ, err)
				}
			}
		})
	}
}
