package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/authtime"
	"pachyderm/internal/connector/oidc/claim"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// HandleCallback turns the provider's response, which the browser carries and may
// have forged, into an identity.
func (c *Connector) HandleCallback(s dexconn.Scopes, connData []byte, r *http.Request) (dexconn.Identity, error) {
	var p pending
	if err := json.Unmarshal(connData, &p); err != nil || p.Nonce == "" || p.Verifier == "" {
		return dexconn.Identity{}, refuse.Response("nothing is known of the beginning of this sign-in").
			Next("start again").Because(err)
	}
	answer, err := parseAnswer(r.URL.RawQuery)
	if err != nil {
		return dexconn.Identity{}, err
	}
	ctx := r.Context()
	m, err := c.checkAnswer(ctx, answer, p)
	if err != nil {
		return dexconn.Identity{}, err
	}
	t, err := c.auth.RequestTokens(ctx, m.Server, url.Values{
		"grant_type": {"authorization_code"}, "code": {answer["code"]},
		"redirect_uri": {c.cfg.RedirectURI}, "code_verifier": {p.Verifier},
	})
	if err != nil {
		return dexconn.Identity{}, err
	}
	if t.IDToken == "" {
		return dexconn.Identity{}, refuse.Response("the provider sent no ID token").
			Next("check that the client may request the scope openid there")
	}
	cl, err := c.verify(ctx, m, t, expected{nonce: p.Nonce})
	if err != nil {
		return dexconn.Identity{}, err
	}
	if err := c.checkProved(ctx, m, cl, p); err != nil {
		return dexconn.Identity{}, err
	}
	if !c.staysSignedIn(s) {
		t.RefreshToken = ""
	}
	return c.identity(ctx, m, t, cl, c.cfg.GetUserInfo)
}

// checkProved notes when the person proved who they are, and refuses what is too old
// where the provider had to ask. One that promises to say must do so: the way to it
// leads through the browser, where anybody could have taken the question out.
func (c *Connector) checkProved(ctx context.Context, m *metadata, cl claim.Set, p pending) error {
	if cl["auth_time"] == nil {
		if p.MaxAge != nil && slices.Contains(m.Claims, "auth_time") {
			return refuse.Response("the provider does not say when you signed in there (auth_time), although it was asked to").
				Next("start again")
		}
		return nil
	}
	at, err := cl.Time("auth_time")
	if err != nil {
		return err
	}
	if authtime.Forced(p.MaxAge) {
		if err := authtime.Check(at, p.Asked); err != nil {
			return err
		}
	}
	if now := c.deps.Now(); at.After(now) {
		at = now
	}
	authtime.Note(ctx, at)
	return nil
}

// parseAnswer refuses a parameter that stands there twice, of which two readers
// could pick different ones (RFC 6749, 3.1).
func parseAnswer(query string) (map[string]string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, refuse.Response("the provider's response cannot be read").
			Next("start the sign-in again").Because(err)
	}
	answer := make(map[string]string)
	for _, name := range []string{"state", "code", "iss", "error", "error_description"} {
		if len(values[name]) > 1 {
			return nil, refuse.Response("the provider's response has %s more than once", name).
				Next("start the sign-in again")
		}
		answer[name] = values.Get(name)
	}
	return answer, nil
}

func (c *Connector) checkAnswer(ctx context.Context, answer map[string]string, p pending) (*metadata, error) {
	if answer["state"] == "" {
		return nil, refuse.Response("the provider's response has no state").
			Next("start the sign-in again")
	}
	if !equal(answer["state"], p.State) {
		return nil, refuse.Response("the provider's response belongs to another sign-in").
			Next("start again")
	}
	iss := answer["iss"]
	if iss != "" && iss != c.cfg.Issuer {
		return nil, refuse.Response("the response is from issuer %q, but the request was sent to %q", fetch.Clean(iss), c.cfg.Issuer).
			Next("start the sign-in again")
	}
	if answer["error"] != "" {
		return nil, refusal(answer["error"], answer["error_description"])
	}
	if answer["code"] == "" {
		return nil, refuse.Response("the provider's response has no code").
			Next("start the sign-in again")
	}
	m, err := c.meta.Get(ctx)
	if err != nil {
		return nil, err
	}
	if iss == "" && m.IssInResponse {
		return nil, refuse.Response("the provider's response does not say who it is from (iss), which this provider promises").
			Next("start the sign-in again")
	}
	return m, nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// refusal words an error response (RFC 6749, 4.1.2.1; OpenID Connect Core, 3.1.2.6).
func refusal(code, description string) error {
	text := fetch.Quote(description)
	switch code {
	case "temporarily_unavailable", "server_error":
		return fault.New(fault.Unavailable, "the provider cannot sign anybody in at the moment (%s)%s", code, text).
			Next("try again later")
	case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope",
		"invalid_client", "redirect_uri_mismatch", "request_not_supported",
		"request_uri_not_supported", "invalid_request_object":
		return fault.New(fault.Precondition, "the provider does not accept the connector's request (%s)%s", code, text).
			Next("%s", probe.RemedyFor(code, description, "compare clientID, redirectURI and scopes with the client that is registered there"))
	case "invalid_request_uri":
		return refuse.Response("the provider does not know the pushed authorization request, or not any more (%s)%s", code, text).
			Next("start the sign-in again")
	case "access_denied":
		return fault.New(fault.Denied, "the sign-in was cancelled or denied at the provider (access_denied)%s", text)
	}
	return fault.New(fault.Denied, "the provider ended the sign-in (%s)%s", fetch.Clean(code), text)
}
