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

// maxRequestURI is far more than the 512 characters that a request_uri should
// have (RFC 9101, 5.2).
const maxRequestURI = 2 << 10

// Push hands an authorization request to the provider (RFC 9126, 2.1) and
// returns the request_uri that it is known by there; the address is the
// provider's affair and never opened here. Faults: Precondition if the provider
// refuses the request; Unauthenticated if it returns no request_uri that can be
// used; Unavailable.
func (c *Client) Push(ctx context.Context, s Server, request url.Values) (requestURI string, err error) {
	return withEither(c, func(c *Client) (string, error) { return c.pushAs(ctx, s, request) })
}

func (c *Client) pushAs(ctx context.Context, s Server, request url.Values) (requestURI string, err error) {
	err = c.send(s, func(method string) (err error) {
		requestURI, err = c.push(ctx, s, request, method)
		return err
	})
	return requestURI, err
}

func (c *Client) push(ctx context.Context, s Server, request url.Values, method string) (string, error) {
	req, err := c.request(ctx, s, s.PushURL, request, method)
	if err != nil {
		return "", err
	}
	status, body, err := c.HTTP.Do(req, "pushed authorization request endpoint")
	if err != nil {
		return "", err
	}
	var pushed struct {
		RequestURI string `json:"request_uri"`
		refusal
	}
	unreadable := fetch.Decode(body, &pushed)
	switch {
	case status != http.StatusCreated && status != http.StatusOK || pushed.Code != "": // 201: RFC 9126, 2.2
		return "", c.pushRefused(status, method, pushed.refusal, request)
	case unreadable != nil:
		return "", refuse.Response("the provider's response to the pushed authorization request is not valid JSON")
	}
	return pushed.RequestURI, checkRequestURI(pushed.RequestURI)
}

func checkRequestURI(text string) error {
	switch u, err := url.Parse(text); {
	case text == "":
		return refuse.Response("the provider's response to the pushed authorization request has no request_uri")
	case len(text) > maxRequestURI:
		return refuse.Response("the provider's request_uri is %d bytes long, at most %d are taken", len(text), maxRequestURI)
	case err != nil || !u.IsAbs() || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return refuse.Response("the provider's request_uri is %q, which is not a URI", fetch.Clean(text))
	}
	return nil
}

// pushRefused words an error of the endpoint (RFC 9126, 2.3).
func (c *Client) pushRefused(status int, method string, r refusal, sent url.Values) error {
	text := c.hide(r.Description, sent)
	quoted := fetch.Quote(text)
	switch {
	case fetch.IsOutage(status):
		return fault.New(fault.Unavailable, "the provider has a problem taking pushed authorization requests (HTTP status %d)%s", status, quoted).
			Next("try again later")
	case r.Code == "invalid_client" || status == http.StatusUnauthorized:
		return c.refused(method, r, sent)
	}
	remedy := "compare clientID, redirectURI and scopes with the client that is registered there"
	if strings.Contains(strings.ToLower(r.Code+" "+text), "redirect_uri") {
		remedy = "register the callback " + sent.Get("redirect_uri") + " with it, exactly so"
	}
	return fault.New(fault.Precondition, "the provider refused the pushed authorization request (HTTP status %d, %s)%s",
		status, cmp.Or(fetch.Clean(r.Code), "no reason given"), quoted).
		Next("%s", probe.RemedyFor(r.Code, text, remedy))
}
