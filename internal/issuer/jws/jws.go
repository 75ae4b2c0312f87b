package jws

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/go-jose/go-jose/v4"
)

// The types of tokens.
const (
	ID     = ""           // an ID token has none, or JWT
	Access = "at+jwt"     // RFC 9068, 2.1
	Logout = "logout+jwt" // OpenID Connect Back-Channel Logout, 2.4
)

// Issuer signs and verifies under one name. It is safe for concurrent use.
type Issuer struct {
	Name   string // the iss of its tokens
	Signer signer.Signer
	Keys   func(ctx context.Context, typ string) (storage.Keys, error) // that sign a type
	Now    func() time.Time
}

// Sign makes a token of a type.
func (i Issuer) Sign(ctx context.Context, typ string, claims any) (string, error) {
	keys, err := i.Keys(ctx, typ)
	if err != nil {
		return "", err
	}
	if keys.SigningKey == nil {
		return "", errors.New("there is no signing key")
	}
	algorithm := jose.SignatureAlgorithm(keys.SigningKey.Algorithm)
	if _, isEC := keys.SigningKey.Key.(*ecdsa.PrivateKey); algorithm == "" && isEC {
		algorithm = jose.ES256
	} else if algorithm == "" {
		algorithm = jose.RS256
	}
	options := &jose.SignerOptions{}
	if typ != ID {
		options = options.WithType(jose.ContentType(typ))
	}
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: keys.SigningKey}, options)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := by.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Verify checks type, signature, issuer and lifetime of a token. Whom it is for
// is for the caller to check.
func (i Issuer) Verify(ctx context.Context, typ, raw string) (*oidc.IDToken, error) {
	return i.verify(ctx, typ, raw, false)
}

// VerifyExpired is Verify for a token that may have expired.
func (i Issuer) VerifyExpired(ctx context.Context, typ, raw string) (*oidc.IDToken, error) {
	return i.verify(ctx, typ, raw, true)
}

func (i Issuer) verify(ctx context.Context, typ, raw string, expired bool) (*oidc.IDToken, error) {
	algorithms := []jose.SignatureAlgorithm{jose.RS256, jose.ES256}
	parsed, err := jose.ParseSigned(raw, algorithms)
	if err != nil {
		return nil, err
	}
	for _, signature := range parsed.Signatures {
		if has, _ := signature.Protected.ExtraHeaders[jose.HeaderType].(string); !isType(typ, has) {
			return nil, errors.New("it is a token of another type")
		}
	}
	return oidc.NewVerifier(i.Name, parsedBy{parsed, i.Signer}, &oidc.Config{
		SkipClientIDCheck:    true, // the callers know different audiences
		SkipExpiryCheck:      expired,
		SupportedSigningAlgs: []string{string(jose.RS256), string(jose.ES256)},
		Now:                  i.Now,
	}).Verify(ctx, raw)
}

// parsedBy is the key set for the one token that was parsed already.
type parsedBy struct {
	token *jose.JSONWebSignature
	by    signer.Signer
}

// VerifySignature is oidc.KeySet's.
func (p parsedBy) VerifySignature(ctx context.Context, _ string) ([]byte, error) {
	keys, err := p.by.ValidationKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if len(p.token.Signatures) != 1 || key.KeyID != p.token.Signatures[0].Header.KeyID {
			continue
		}
		if payload, err := p.token.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, errors.New("no key of the issuer has signed it")
}

// isType compares types as RFC 7515, 4.1.9, has it.
func isType(want, has string) bool {
	has = strings.ToLower(strings.TrimPrefix(has, "application/"))
	if want == ID {
		return has == "" || has == "jwt"
	}
	return has == want
}
