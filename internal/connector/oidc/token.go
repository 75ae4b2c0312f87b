package oidc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/connector/oidc/claim"
	"pachyderm/internal/connector/oidc/clientauth"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

const (
	maxToken = 64 << 10
	// skew is how far two clocks may be apart.
	skew = 2 * time.Minute
)

// expected is what an ID token must repeat: the nonce of its sign-in or, when it
// comes by a refresh and has none, the subject of the first one.
type expected struct{ nonce, subject string }

// verified hands a payload whose signature we checked to go-oidc.
type verified []byte

func (v verified) VerifySignature(context.Context, string) ([]byte, error) { return v, nil }

// verify follows OpenID Connect Core, 3.1.3.7. Our own checks come first, since
// they can say what is wrong; go-oidc then gives a second opinion, so that a
// check forgotten by one is still made by the other.
func (c *Connector) verify(ctx context.Context, m *metadata, t *clientauth.Tokens, want expected) (claim.Set, error) {
	payload, err := c.openToken(ctx, m, t.IDToken)
	if err != nil {
		return nil, err
	}
	var cl claim.Set
	if err := fetch.Decode(payload, &cl); err != nil || cl == nil {
		return nil, refuse.Response("the claims of the ID token cannot be read").Because(err)
	}
	for _, check := range []func() error{
		func() error { return c.checkIssuer(cl) },
		func() error { return c.checkAudience(cl) },
		func() error { return checkTimes(cl, c.deps.Now()) },
		func() error { return checkExpected(cl, want) },
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	second := oidc.NewVerifier(c.cfg.Issuer, verified(payload), &oidc.Config{
		ClientID: c.cfg.ClientID, SupportedSigningAlgs: algorithms(), Now: func() time.Time { return c.deps.Now().Add(-skew) },
	})
	token, err := second.Verify(ctx, t.IDToken)
	if err != nil {
		return nil, refuse.Response("the ID token does not match the specification").Because(err)
	}
	if cl["at_hash"] != nil && token.VerifyAccessToken(t.AccessToken) != nil {
		return nil, refuse.Response("the ID token and the access token do not belong together (at_hash mismatch)")
	}
	return cl, nil
}

func (c *Connector) openToken(ctx context.Context, m *metadata, raw string) ([]byte, error) {
	if len(raw) > maxToken {
		return nil, refuse.Response("the ID token is %d bytes long, at most %d are read", len(raw), maxToken).
			Next("have the provider send fewer claims")
	}
	accepted, err := c.accepted(m)
	if err != nil {
		return nil, err
	}
	// RFC 7516, 3.1.
	if strings.Count(raw, ".") == 4 {
		return nil, fault.New(fault.Precondition, "the provider encrypts ID tokens (JWE), which this server does not support").
			Next("remove id_token_encrypted_response_alg from this client at the provider")
	}
	token, err := jose.ParseSignedCompact(raw, accepted)
	var algorithm *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &algorithm):
		return nil, refuse.Response("the ID token is signed with %q, which is not accepted", fetch.Clean(string(algorithm.Got))).
			Next("let the provider sign with one of %s", list(accepted))
	case err != nil:
		return nil, refuse.Response("the ID token is not a signed token").Because(err)
	}
	return c.keys.Verify(ctx, token)
}

func list(algs []jose.SignatureAlgorithm) string {
	var names []string
	for _, a := range algs {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

func (c *Connector) checkIssuer(cl claim.Set) error {
	if iss, _ := cl["iss"].(string); iss != c.cfg.Issuer {
		return refuse.Response("the ID token was issued by %q, not by %q", fetch.Clean(iss), c.cfg.Issuer)
	}
	return nil
}

func (c *Connector) checkAudience(cl claim.Set) error {
	audience, err := cl.Audience()
	if err != nil {
		return err
	}
	if !slices.Contains(audience, c.cfg.ClientID) {
		return refuse.Response("the ID token is meant for %q, not for our client ID %q", fetch.Clean(strings.Join(audience, " ")), c.cfg.ClientID)
	}
	azp, present := cl["azp"]
	if !present && len(audience) > 1 {
		return refuse.Response("the ID token is meant for several clients and does not say which of them asked for it (azp)")
	}
	if present && azp != c.cfg.ClientID {
		return refuse.Response("the ID token was issued to another client (azp), not to our client ID %q", c.cfg.ClientID)
	}
	return nil
}

func checkTimes(cl claim.Set, now time.Time) error {
	const clocks = "if this happens again, compare the clocks of this server and the provider"
	exp, err := cl.Time("exp")
	if err != nil {
		return err
	}
	iat, err := cl.Time("iat")
	if err != nil {
		return err
	}
	if over := now.Sub(exp); over > skew {
		return refuse.Response("the ID token expired %d seconds ago", seconds(over)).
			Next("sign in again, and %s", clocks)
	}
	if ahead := iat.Sub(now); ahead > skew {
		return refuse.Response("the ID token was issued %d seconds in the future", seconds(ahead)).
			Next(clocks)
	}
	if cl["nbf"] == nil {
		return nil
	}
	nbf, err := cl.Time("nbf")
	if err != nil {
		return err
	}
	if early := nbf.Sub(now); early > skew {
		return refuse.Response("the ID token becomes valid only in %d seconds", seconds(early)).
			Next(clocks)
	}
	return nil
}

func seconds(d time.Duration) int64 { return int64(d.Round(time.Second) / time.Second) }

func checkExpected(cl claim.Set, want expected) error {
	if want.nonce != "" {
		nonce, ok := cl["nonce"].(string)
		if !ok {
			return refuse.Response("the ID token has no nonce, so that it may belong to another sign-in").
				Next("start again")
		}
		if !equal(nonce, want.nonce) {
			return refuse.Response("the ID token belongs to another sign-in (nonce mismatch)").
				Next("start again")
		}
	}
	sub, err := cl.ID("sub")
	if err != nil {
		return err
	}
	if want.subject != "" && sub != want.subject {
		return refuse.Response("the provider's new ID token is about another person (sub)").
			Next("sign in again")
	}
	return nil
}
