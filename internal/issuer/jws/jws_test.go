package jws_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/issuer/signing"
	"pachyderm/internal/secret/secrettest"
)

func TestVerify_TypesAreKeptApart(t *testing.T) {
	for _, algorithm := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256} {
		i, claims := issuer(t, algorithm)
		for _, made := range []string{jws.ID, jws.Access, jws.Logout} {
			raw, err := i.Sign(t.Context(), made, claims)
			if err != nil {
				t.Fatal(err)
			}
			for _, wanted := range []string{jws.ID, jws.Access, jws.Logout} {
				if _, err := i.Verify(t.Context(), wanted, raw); (err == nil) != (made == wanted) {
					t.Errorf("%s: a token of type %q as one of type %q: %v", algorithm, made, wanted, err)
				}
			}
			other := i
			other.Name = "https://other.example.com"
			if _, err := other.Verify(t.Context(), made, raw); err == nil {
				t.Error("a token of another issuer is good")
			}
		}
	}
}

func TestVerify_Expired(t *testing.T) {
	i, claims := issuer(t, jose.ES256)
	raw, err := i.Sign(t.Context(), jws.ID, claims)
	if err != nil {
		t.Fatal(err)
	}
	late := time.Now().Add(2 * time.Hour)
	i.Now = func() time.Time { return late }
	if _, err := i.Verify(t.Context(), jws.ID, raw); err == nil {
		t.Error("an expired token is good")
	}
	if _, err := i.VerifyExpired(t.Context(), jws.ID, raw); err != nil {
		t.Errorf("as one that may have expired: %v", err)
	}
	if _, err := i.VerifyExpired(t.Context(), jws.ID, raw[:len(raw)-4]+"AAAA"); err == nil {
		t.Error("a forged one is good, because it may have expired")
	}
}

func issuer(t *testing.T, algorithm jose.SignatureAlgorithm) (jws.Issuer, map[string]any) {
	t.Helper()
	d := dbtest.SQLite(t)
	sealer := secrettest.Sealer(t, d)
	objects := dexstore.New(d, sealer)
	keys, err := signing.New(t.Context(), objects, string(algorithm), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	keys.Start(ctx)
	const name = "https://pach.example.com"
	return jws.Issuer{Name: name, Signer: keys, Keys: keys.For, Now: time.Now},
		map[string]any{"iss": name, "sub": "s", "aud": "app", "exp": time.Now().Add(time.Hour).Unix()}
}
