package clientauth

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// Tokens are what the token endpoint returns (RFC 6749, 5.1; OpenID Connect
// Core, 3.1.3.3). They have no String and are never logged.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	IDToken      string `json:"id_token"`
	RefreshToken string `json:"refresh_token"`
}

// RequestTokens sends a token request. Faults: Unauthenticated if the provider
// refuses the code or the refresh token, or returns no tokens that can be used;
// Precondition if it refuses anything else; Unavailable.
func (c *Client) RequestTokens(ctx context.Context, s Server, form url.Values) (t *Tokens, err error) {
	return withEither(c, func(c *Client) (*Tokens, error) { return c.tokensAs(ctx, s, form) })
}

func (c *Client) tokensAs(ctx context.Context, s Server, form url.Values) (t *Tokens, err error) {
	err = c.send(s, func(method string) (err error) {
		t, err = c.requestTokens(ctx, s, form, method)
		return err
	})
	return t, err
}

func (c *Client) requestTokens(ctx context.Context, s Server, form url.Values, method string) (*Tokens, error) {
	req, err := c.request(ctx, s, s.TokenURL, form, method)
	if err != nil {
		return nil, err
	}
	status, body, err := c.HTTP.Do(req, "tokens")
	if err != nil {
		return nil, err
	}
	var t struct {
		Tokens
		refusal
	}
	unreadable := fetch.Decode(body, &t)
	switch {
	case status != http.StatusOK || t.Code != "":
		return nil, c.tokensRefused(status, method, t.refusal, form)
	case unreadable != nil:
		return nil, refuse.Response("the provider's tokens cannot be read: the response is not valid JSON")
	case strings.EqualFold(t.TokenType, "DPoP"):
		return nil, fault.New(fault.Precondition, "the provider issued %s, which this server does not support", probe.BoundTokens.Name).
			Next("%s", probe.BoundTokens.Remedy)
	case t.AccessToken == "" || (t.TokenType != "" && !strings.EqualFold(t.TokenType, "Bearer")):
		return nil, refuse.Response("the provider sent no access token of type Bearer")
	}
	return &t.Tokens, nil
}

func (c *Client) tokensRefused(status int, method string, r refusal, sent url.Values) error {
	text := c.hide(r.Description, sent)
	quoted := fetch.Quote(text)
	switch {
	case fetch.IsOutage(status):
		return fault.New(fault.Unavailable, "the provider has a problem issuing tokens (HTTP status %d)%s", status, quoted).
			Next("try again later")
	case r.Code == "invalid_grant" && sent.Get("grant_type") == "refresh_token":
		return refuse.Response("the provider has ended this session (invalid_grant)%s", quoted).
			Next("sign in again").Because(refuse.Gone{})
	case r.Code == "invalid_grant":
		return refuse.Response("the provider no longer accepts this sign-in (invalid_grant)%s", quoted).
			Next("start it again")
	case r.Code == "invalid_client" || status == http.StatusUnauthorized:
		return c.refused(method, r, sent)
	}
	return fault.New(fault.Precondition,
		"the provider issued no tokens (HTTP status %d, %s)%s", status, cmp.Or(fetch.Clean(r.Code), "no reason given"), quoted).
		Next("%s", probe.RemedyFor(r.Code, text, "compare the connector with the client that is registered there"))
}
