package keyset

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fetch"
)

// pause keeps forged tokens with made-up key ids from driving us to ask the
// provider again and again.
const pause = 10 * time.Second

// Algorithms are those that a token may be signed with. None is symmetric: with
// one, whoever can check a token could have made it.
func Algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
	}
}

// Set are the signing keys of one issuer. It is safe for concurrent use.
type Set struct {
	published *fetch.Document[[]jose.JSONWebKey]
	token     string
}

// New fetches nothing yet; load does when it is time. The token is what messages
// call the tokens that are verified, such as "ID token".
func New(token string, load func(context.Context) ([]jose.JSONWebKey, error), now func() time.Time, log *slog.Logger) *Set {
	return &Set{fetch.NewDocument("signing keys", load, now, log), token}
}

// Fetch gets the keys at an address.
func Fetch(ctx context.Context, client *fetch.Client, from string) ([]jose.JSONWebKey, error) {
	var set document
	if err := client.JSON(ctx, from, "signing keys", "", &set); err != nil {
		return nil, err
	}
	keys := set.usable()
	if len(keys) == 0 {
		return nil, refuse.Response("the provider publishes no signing key that can be used (%s)", from)
	}
	return keys, nil
}

// Parse reads a key set. Fault: Unauthenticated for one without a key that can
// be used.
func Parse(data []byte) ([]jose.JSONWebKey, error) {
	var set document
	if err := fetch.Decode(data, &set); err != nil {
		return nil, err
	}
	keys := set.usable()
	if len(keys) == 0 {
		return nil, refuse.Response("there is no signing key in it that can be used")
	}
	return keys, nil
}

type document struct {
	Keys []json.RawMessage `json:"keys"`
}

// usable leaves out the keys that cannot be used: a provider may publish others,
// for encryption or of kinds yet to come.
func (d document) usable() (keys []jose.JSONWebKey) {
	for _, raw := range d.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) == nil && key.IsPublic() && (key.Use == "" || key.Use == "sig") {
			keys = append(keys, key)
		}
	}
	return keys
}

// Renew fetches the keys now.
func (s *Set) Renew(ctx context.Context) error {
	_, err := s.published.Renew(ctx)
	return err
}

// Verify returns the payload of a token that one of the keys signed. Fault:
// Unauthenticated.
func (s *Set) Verify(ctx context.Context, token *jose.JSONWebSignature) ([]byte, error) {
	keys, err := s.published.Get(ctx)
	if err != nil {
		return nil, err
	}
	payload, known := try(token, keys)
	if payload != nil {
		return payload, nil
	}
	if renewed, ok := s.published.RenewUnless(ctx, pause); ok {
		if payload, known = try(token, renewed); payload != nil {
			return payload, nil
		}
	}
	if !known {
		return nil, refuse.Response(
			"the %s names the signing key %q, which the provider does not publish", s.token, fetch.Clean(token.Signatures[0].Header.KeyID)).
			Next("sign in again, and if that fails, look at the provider's keys")
	}
	return nil, refuse.Response("the signature of the %s is not the provider's", s.token)
}

func try(token *jose.JSONWebSignature, keys []jose.JSONWebKey) (payload []byte, known bool) {
	header := token.Signatures[0].Header
	for _, key := range keys {
		if (header.KeyID != "" && header.KeyID != key.KeyID) || (key.Algorithm != "" && key.Algorithm != header.Algorithm) {
			continue
		}
		known = true
		if payload, err := token.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, known
}
