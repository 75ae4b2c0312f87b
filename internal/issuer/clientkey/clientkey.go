package clientkey

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// keyName names the keys in the database, where they are sealed.
const keyName = "connector-keys"

const rsaBits = 2048

// Keys are safe for concurrent use.
type Keys struct {
	DB     *db.DB
	Sealer *secret.Sealer

	known atomic.Pointer[jose.JSONWebKeySet] // which never changes
}

// Signing is the private key for ES256 or RS256. The first who needs one, of
// all replicas, makes them.
func (k *Keys) Signing(ctx context.Context, algorithm string) (jose.JSONWebKey, error) {
	set, err := k.read(ctx)
	if fault.Is(err, fault.NotFound) {
		set, err = k.create(ctx)
	}
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	for _, key := range set.Keys {
		if key.Algorithm == algorithm {
			return key, nil
		}
	}
	return jose.JSONWebKey{}, fmt.Errorf("there is no key for %s", algorithm)
}

// read fails with fault.NotFound as long as nobody has needed a key.
func (k *Keys) read(ctx context.Context) (*jose.JSONWebKeySet, error) {
	if set := k.known.Load(); set != nil {
		return set, nil
	}
	sealed, err := k.DB.Meta(ctx, keyName)
	if err != nil {
		return nil, err
	}
	return k.open(sealed)
}

func (k *Keys) open(sealed []byte) (*jose.JSONWebKeySet, error) {
	plain, err := k.Sealer.Open(sealed, keyName)
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(plain, &set); err != nil {
		return nil, fmt.Errorf("%s cannot be read", keyName) // the cause might quote them
	}
	k.known.Store(&set)
	return &set, nil
}

func (k *Keys) create(ctx context.Context) (*jose.JSONWebKeySet, error) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	long, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	for algorithm, key := range map[jose.SignatureAlgorithm]any{jose.ES256: ec, jose.RS256: long} {
		jwk := jose.JSONWebKey{Key: key, Algorithm: string(algorithm), Use: "sig"}
		thumbprint, err := jwk.Thumbprint(crypto.SHA256) // RFC 7638
		if err != nil {
			return nil, err
		}
		jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
		set.Keys = append(set.Keys, jwk)
	}
	plain, err := json.Marshal(set)
	if err != nil {
		return nil, err
	}
	sealed, err := k.Sealer.Seal(plain, keyName)
	if err != nil {
		return nil, err
	}
	if sealed, err = k.DB.EnsureMeta(ctx, keyName, sealed); err != nil {
		return nil, err
	}
	return k.open(sealed)
}

// Serve answers with the public halves (RFC 7517, 5): none before the first
// need, so that nobody who asks has keys made.
func (k *Keys) Serve(w http.ResponseWriter, r *http.Request) error {
	set, err := k.read(r.Context())
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	public := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	if set != nil {
		for _, key := range set.Keys {
			public.Keys = append(public.Keys, key.Public())
		}
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(public)
}
