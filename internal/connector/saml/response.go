package saml

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"net/http"

	"github.com/beevik/etree"
	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/authtime"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/connector/saml/profile"
	"pachyderm/internal/connector/saml/signed"
	"pachyderm/internal/connector/saml/xmltree"
)

// maxMessage is far more than a person with a thousand groups needs.
const maxMessage = 256 << 10

// HandleCallback turns the provider's Response, which the browser carries and may
// have forged, into an identity (SAML profiles, 4.1.4.2 and 4.1.4.3). The errors
// are faults: Unauthenticated for what proves nothing, Precondition for what an
// administrator must change, Denied for who may not sign in.
func (c *Connector) HandleCallback(_ dexconn.Scopes, connData []byte, r *http.Request) (dexconn.Identity, error) {
	none := dexconn.Identity{}
	p, err := parsePending(connData)
	if err != nil {
		return none, err
	}
	raw, err := answer(r, p)
	if err != nil {
		return none, err
	}
	m, err := signed.Parse(raw)
	if err != nil {
		return none, err
	}
	a, err := c.assertion(r.Context(), m, p)
	if err != nil {
		return none, err
	}
	if err := c.checkProved(r.Context(), a, p); err != nil {
		return none, err
	}
	return c.identity(r.Context(), a)
}

// checkProved notes when the person proved who they are (AuthnInstant), and refuses
// what is too old where the provider had to ask. Where it had to, it must say.
func (c *Connector) checkProved(ctx context.Context, a *etree.Element, p pending) error {
	at, err := profile.Proved(a)
	switch {
	case err != nil:
		return err
	case at.IsZero() && p.Force:
		return refuse.Response("the provider does not say when you signed in there (AuthnInstant)").
			Next("have it send one for this application")
	case at.IsZero():
		return nil
	case p.Force:
		if err := authtime.Check(at, p.Issued); err != nil {
			return err
		}
	}
	if now := c.deps.Now(); at.After(now) {
		at = now
	}
	authtime.Note(ctx, at)
	return nil
}

// answer is the message in the form that the browser posted (SAML bindings, 3.5.4).
func answer(r *http.Request, p pending) ([]byte, error) {
	for _, name := range []string{"SAMLResponse", "RelayState"} {
		if len(r.PostForm[name]) > 1 {
			return nil, refuse.Response("the provider's response has %s more than once", name).
				Next("start the sign-in again")
		}
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("RelayState")), []byte(p.State)) != 1 {
		return nil, refuse.Response("the provider's response belongs to another sign-in").
			Next("start again")
	}
	encoded := r.PostForm.Get("SAMLResponse")
	switch {
	case encoded == "":
		return nil, refuse.Response("the provider's response has no SAMLResponse").
			Next("start the sign-in again")
	case len(encoded) > 2*maxMessage:
		return nil, tooLarge()
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, refuse.Response("the provider's SAMLResponse is not base64").
			Next("start the sign-in again").Because(err)
	}
	if len(raw) > maxMessage {
		return nil, tooLarge()
	}
	return raw, nil
}

func tooLarge() error {
	return refuse.Response("the provider's response is larger than %d KiB and was not read", maxMessage>>10).
		Next("have it send fewer groups or attributes")
}

// assertion is the message's assertion, in a tree that was made of verified bytes
// alone, once all that the message says about itself is right. From the message
// as it came only refusals are drawn.
func (c *Connector) assertion(ctx context.Context, m *signed.Message, p pending) (*etree.Element, error) {
	// The answer that a sign-in failed is commonly unsigned, and can do no more
	// than end the sign-in.
	if err := profile.CheckStatus(m.Response); err != nil {
		return nil, err
	}
	switch {
	case m.Assertion == nil:
		return nil, refuse.Response("the provider's response has no Assertion").
			Next("look at the provider's log")
	case m.OfResponse == nil && m.OfAssertion == nil:
		return nil, refuse.Response("the provider signed neither the Response nor the Assertion").
			Next("let it sign the Assertion, in its settings of this application")
	}
	response, a := m.Response, (*etree.Element)(nil)
	if m.OfResponse != nil {
		found, err := c.verified(ctx, m.Response, m.OfResponse)
		if err != nil {
			return nil, err
		}
		if a, err = xmltree.Child(found, xmltree.Assertion, "Assertion"); err != nil || a == nil {
			return nil, refuse.Response("the signature of the Response leaves the Assertion out").
				Next("let the provider sign the Assertion itself, in its settings of this application").Because(err)
		}
		response = found
	}
	if m.OfAssertion != nil {
		found, err := c.verified(ctx, m.Assertion, m.OfAssertion)
		if err != nil {
			return nil, err
		}
		a = found
	}
	idp, err := c.provider(ctx)
	if err != nil {
		return nil, err
	}
	expected := profile.Expected{
		Issuer: idp.EntityID, Audience: c.cfg.entityID(), Recipient: c.cfg.RedirectURI,
		Request: p.ID, Asked: p.Issued, Now: c.deps.Now(),
	}
	if err := expected.CheckResponse(response, m.OfResponse != nil); err != nil {
		return nil, err
	}
	end, err := expected.CheckAssertion(a)
	if err != nil {
		return nil, err
	}
	if !c.seen.first(xmltree.Attr(a, "ID"), end, expected.Now) {
		return nil, refuse.Response("the provider's Assertion was used before").
			Next("start the sign-in again")
	}
	return a, nil
}
