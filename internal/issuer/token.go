package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/secret"
)

// Claims is an ID token of ours; its subject is Identity.TokenSub of package
// identity.
type Claims struct {
	*oidc.IDToken
	// GrantID is the grant that the token is of.
	GrantID string
	// EmailVerified is what the identity provider said of the address.
	EmailVerified bool
	// Proved is when the person last proved to their provider who they are; zero if
	// that is not known.
	Proved time.Time
	// Digest stands for all that the token says. No two tokens say the same:
	// each names the access token that was issued with it.
	Digest string
}

// Verify checks the signature, issuer and lifetime of an ID token that this
// issuer made. Whom it was made for is for the caller to check. Faults:
// Unauthenticated, Unavailable.
func (i *Issuer) Verify(ctx context.Context, raw string) (Claims, error) {
	if err := i.Keys.Wait(ctx); err != nil {
		return Claims{}, err
	}
	if _, err := i.Keys.ValidationKeys(ctx); err != nil {
		return Claims{}, fault.New(fault.Unavailable, "the signing keys cannot be read").
			Next("try again shortly").Because(err)
	}
	t, err := i.current.Load().grants.VerifyIDToken(ctx, raw)
	if err != nil {
		return Claims{}, fault.New(fault.Unauthenticated, "could not verify token: it is not a valid ID token of %s", i.URL()).
			Next("log in again with: pachctl auth login").Because(err)
	}
	var said json.RawMessage
	if err := t.Claims(&said); err != nil {
		return Claims{}, err
	}
	var more struct {
		EmailVerified bool   `json:"email_verified"`
		Grant         string `json:"sid"`
		AuthTime      int64  `json:"auth_time"`
	}
	if err := json.Unmarshal(said, &more); err != nil {
		return Claims{}, err
	}
	i.Grants.Trace(ctx, more.Grant)
	c := Claims{IDToken: t, GrantID: more.Grant, EmailVerified: more.EmailVerified, Digest: secret.Hash(string(said))}
	if more.AuthTime > 0 {
		c.Proved = time.Unix(more.AuthTime, 0)
	}
	return c, nil
}

// Redeem exchanges an authorization code as a client would over HTTP that pachd
// itself acts as, and returns the ID token. The client's secret stays here unless
// an administrator registered the client with one of theirs. Faults: Precondition,
// and Unauthenticated with the issuer's reason.
func (i *Issuer) Redeem(ctx context.Context, clientID, redirectURI, code, verifier string) (string, error) {
	c, err := i.client(ctx, clientID)
	if errors.Is(err, storage.ErrNotFound) {
		return "", errNotRegistered(clientID)
	}
	if err == nil {
		err = i.Keys.Wait(ctx)
	}
	if err != nil {
		return "", err
	}
	t, err := i.current.Load().grants.RedeemCode(ctx, c, code, redirectURI, verifier)
	if no := (*endpoint.Error)(nil); errors.As(err, &no) {
		return "", fault.New(fault.Unauthenticated, "the sign-in could not be completed: %s", no.Description).
			Next("log in again with: pachctl auth login").Because(err)
	}
	return t.ID, err
}
