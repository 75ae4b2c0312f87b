package exchange

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/connector/oidc/keyset"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/people/trust"
	"pachyderm/internal/webaddr"
)

// timeout is for one request to an issuer, in which a workload waits.
const timeout = 5 * time.Second

// keys are those of the issuers that are trusted, as each trust says how to get
// them.
type keys struct {
	now func() time.Time
	log *slog.Logger

	mu   sync.Mutex
	sets map[[sha256.Size]byte]*keyset.Set
}

func newKeys(now func() time.Time, log *slog.Logger) *keys {
	return &keys{now: now, log: log, sets: map[[sha256.Size]byte]*keyset.Set{}}
}

// forget lets go of all, and so of those that no trust needs any more.
func (k *keys) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.sets)
}

// open finds the keys of a trust's issuer and fetches none yet. Fault: Invalid.
func (k *keys) open(t trust.Trust) (*keyset.Set, error) {
	how, err := json.Marshal([]any{t.Issuer, t.JWKS, t.RootCAs})
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(how)
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.sets[id]; known != nil {
		return known, nil
	}
	load, err := loader(t)
	if err != nil {
		return nil, err
	}
	k.sets[id] = keyset.New("token", load, k.now, k.log)
	return k.sets[id], nil
}

// loader is how to get the keys of a trust's issuer.
func loader(t trust.Trust) (func(context.Context) ([]jose.JSONWebKey, error), error) {
	if t.JWKS != "" {
		given, err := keyset.Parse([]byte(t.JWKS))
		if err != nil {
			return nil, fault.New(fault.Invalid, "it is not a JSON Web Key Set with a public key for signatures").
				Next("write what the issuer's jwks_uri answers; of Kubernetes: kubectl get --raw /openid/v1/jwks").At("jwks").Because(err)
		}
		return func(context.Context) ([]jose.JSONWebKey, error) { return given, nil }, nil
	}
	roots, err := fetch.Roots("rootCAs", t.RootCAs...)
	if err != nil {
		return nil, err
	}
	client := fetch.New(roots, timeout).WithSetting("the trust's issuer").WithRoots("the trust's rootCAs")
	return func(ctx context.Context) ([]jose.JSONWebKey, error) { return discover(ctx, client, t.Issuer) }, nil
}

// discover follows OpenID Connect Discovery 1.0, 4, which Kubernetes and the CI
// systems serve for this.
func discover(ctx context.Context, client *fetch.Client, issuer string) ([]jose.JSONWebKey, error) {
	var m struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	if err := client.JSON(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", "discovery document", "", &m); err != nil {
		return nil, err
	}
	if m.Issuer != issuer {
		return nil, fault.New(fault.Precondition,
			"issuer mismatch: the discovery document says %q, the trust has %q", fetch.Clean(m.Issuer), issuer).
			Next("write the issuer exactly as its tokens have it in iss")
	}
	u, err := webaddr.Parse(m.KeysURL)
	if err != nil || !webaddr.IsBare(u) || u.Scheme == "http" && strings.HasPrefix(issuer, "https:") {
		return nil, fault.New(fault.Precondition,
			"the issuer's jwks_uri is %q, which is not an address that can be asked", fetch.Clean(m.KeysURL)).
			Next("write its keys into the trust's jwks")
	}
	return keyset.Fetch(ctx, client, m.KeysURL)
}
