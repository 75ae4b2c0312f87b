package oidc

import (
	"context"
	"net/http"
	"slices"
	"time"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/authtime"
	"pachyderm/internal/connector/oidc/claim"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fetch"
)

// Account is whom a provider vouches for, for callers that know nothing of
// Dex: a pachd that uses another server as its identity service.
type Account struct {
	Subject string
	Email   string
	// Groups are nil if the provider said nothing of them.
	Groups []string
	// Expires is the end of the ID token that was handed in; zero when the
	// person came by a browser.
	Expires time.Time
	// Proved is when the person last proved to the provider who they are; zero if
	// that is not known.
	Proved time.Time
}

// Begin is LoginURL without what Dex wants to say; maxAge is how old the proof may be
// that the provider has of who the person is, in seconds, or nil.
func (c *Connector) Begin(state string, maxAge *int64) (loginURL string, pending []byte, err error) {
	return c.loginURL(dexconn.Scopes{Groups: true}, c.cfg.RedirectURI, state, maxAge)
}

// Finish is HandleCallback of what Begin began.
func (c *Connector) Finish(r *http.Request, pending []byte) (Account, error) {
	ctx, proved := authtime.Watch(r.Context())
	who, err := c.HandleCallback(dexconn.Scopes{Groups: true}, pending, r.WithContext(ctx))
	return Account{Subject: who.UserID, Email: who.Email, Groups: who.Groups, Proved: proved()}, err
}

// VerifyIDToken takes an ID token that somebody else was given: ours must be
// among those it is meant for, whoever asked for it.
func (c *Connector) VerifyIDToken(ctx context.Context, raw string) (a Account, err error) {
	m, err := c.meta.Get(ctx)
	if err != nil {
		return a, err
	}
	payload, err := c.openToken(ctx, m, raw)
	if err != nil {
		return a, err
	}
	var cl claim.Set
	if err := fetch.Decode(payload, &cl); err != nil || cl == nil {
		return a, refuse.Response("the claims of the ID token cannot be read").Because(err)
	}
	if err := c.checkIssuer(cl); err != nil {
		return a, err
	}
	if audience, err := cl.Audience(); err != nil {
		return a, err
	} else if !slices.Contains(audience, c.cfg.ClientID) {
		return a, refuse.Response("expected audience %q got %q", c.cfg.ClientID, audience).
			Next("ask for the scope audience:server:client_id:%s", c.cfg.ClientID)
	}
	if err := checkTimes(cl, c.deps.Now()); err != nil {
		return a, err
	}
	if a.Expires, err = cl.Time("exp"); err != nil {
		return a, err
	}
	if a.Subject, err = cl.ID("sub"); err != nil {
		return a, err
	}
	if a.Email, err = c.email(cl); err != nil {
		return a, err
	}
	a.Groups, err = c.groups(m, cl)
	return a, err
}
