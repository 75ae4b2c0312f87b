package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
	"pachyderm/internal/web/record"
)

// Claims is an ID token of ours; its subject is Identity.TokenSub of package
// identity.
type Claims struct {
	*oidc.IDToken
	// EmailVerified is what the identity provider said of the address.
	EmailVerified bool
	// Digest stands for all that the token says. No two tokens say the same:
	// each names the access token that was issued with it.
	Digest string
}

// Verify checks the signature, issuer and lifetime of an ID token that this
// issuer made. Whom it was made for is for the caller to check. Faults:
// Unauthenticated, Unavailable.
func (i *Issuer) Verify(ctx context.Context, raw string) (Claims, error) {
	t, err := i.verify(ctx, raw)
	if err != nil {
		return Claims{}, err
	}
	var said json.RawMessage
	if err := t.Claims(&said); err != nil {
		return Claims{}, err
	}
	var person struct {
		EmailVerified bool `json:"email_verified"`
	}
	if err := json.Unmarshal(said, &person); err != nil {
		return Claims{}, err
	}
	return Claims{IDToken: t, EmailVerified: person.EmailVerified, Digest: secret.Hash(string(said))}, nil
}

func (i *Issuer) verify(ctx context.Context, raw string) (*oidc.IDToken, error) {
	if err := i.waitForKeys(ctx); err != nil {
		return nil, err
	}
	if _, err := i.signer.ValidationKeys(ctx); err != nil {
		return nil, fault.New(fault.Unavailable, "the signing keys cannot be read").
			Next("try again shortly").Because(err)
	}
	t, err := oidc.NewVerifier(i.URL(), &signer.KeySet{Signer: i.signer}, &oidc.Config{
		SkipClientIDCheck:    true, // the callers know different audiences
		SupportedSigningAlgs: []string{string(jose.RS256), string(jose.ES256)},
		Now:                  i.with.Now,
	}).Verify(ctx, raw)
	if err != nil {
		return nil, fault.New(fault.Unauthenticated, "could not verify token: it is not a valid ID token of %s", i.URL()).
			Next("log in again with: pachctl auth login").Because(err)
	}
	return t, nil
}

// Redeem exchanges an authorization code as a client would over HTTP that pachd
// itself acts as, without leaving the process, and returns the ID token. The
// client's secret stays here unless an administrator registered the client with
// one of theirs. Faults: Precondition, and Unauthenticated with the issuer's
// reason.
func (i *Issuer) Redeem(ctx context.Context, clientID, redirectURI, code, verifier string) (string, error) {
	c, err := i.store.GetClient(ctx, clientID)
	if errors.Is(err, storage.ErrNotFound) {
		return "", fault.New(fault.Precondition, "pachd is set up to sign in as client %q, which is not registered any more", clientID).
			Next("an administrator can correct it with: pachctl auth set-config")
	}
	if err != nil {
		return "", err
	}
	form := url.Values{
		"grant_type": {oauth2.GrantTypeAuthorizationCode}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
		"client_id": {clientID}, "client_secret": {c.Secret},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.Endpoint("/token"), strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := record.Of(i, r)
	var answer struct {
		IDToken     string `json:"id_token"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(rec.Bytes(), &answer); err != nil || rec.Status != http.StatusOK || answer.IDToken == "" {
		return "", fault.New(fault.Unauthenticated, "the sign-in could not be completed: %s", answer.Description).
			Next("log in again with: pachctl auth login").Because(err)
	}
	return answer.IDToken, nil
}
