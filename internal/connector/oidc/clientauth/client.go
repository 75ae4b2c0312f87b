package clientauth

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"pachyderm/internal/connector/fetch"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

// Server is what the discovery document of a provider says of the endpoints at
// which clients authenticate (OpenID Connect Discovery, 3; RFC 8414, 2).
type Server struct {
	TokenURL      string   `json:"token_endpoint"`
	RevocationURL string   `json:"revocation_endpoint"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`

	// RFC 9126, 5.
	PushURL    string `json:"pushed_authorization_request_endpoint"`
	PushedOnly bool   `json:"require_pushed_authorization_requests"`
}

// Client is a client at one provider. It is safe for concurrent use.
type Client struct {
	ID, Secret string
	// InForm sends the secret in the form instead of the header.
	InForm bool
	HTTP   *fetch.Client

	// formOnly is learnt from a provider that refuses the secret in the header.
	formOnly atomic.Bool
}

// The methods by their registered names (OpenID Connect Core, 9).
const (
	basic = "client_secret_basic"
	post  = "client_secret_post"
)

// refusedSecret is the field of a fault that says that the provider does not
// take us for its client.
const refusedSecret = "config.clientSecret" //nolint:gosec // a key of documents

func isRefused(err error) bool { return fault.FieldOf(err) == refusedSecret }

func (c *Client) inForm(s Server) bool {
	return c.InForm || c.formOnly.Load() || (slices.Contains(s.AuthMethods, post) && !slices.Contains(s.AuthMethods, basic))
}

func (c *Client) mayChangeToForm(s Server) bool {
	return !c.inForm(s) && (len(s.AuthMethods) == 0 || slices.Contains(s.AuthMethods, post))
}

// send sends the secret in the header and, if the provider refuses that and may
// have it in the form, once more: several register each client for one of the
// two, and their metadata lists both.
func (c *Client) send(s Server, once func(inForm bool) error) error {
	err := once(c.inForm(s))
	if !isRefused(err) || !c.mayChangeToForm(s) {
		return err
	}
	if again := once(true); again == nil {
		c.formOnly.Store(true)
		return nil
	}
	return err
}

// request is a form from a client that says who it is (RFC 6749, 2.3.1).
func (c *Client) request(ctx context.Context, to string, form url.Values, inForm bool) (*http.Request, error) {
	form = maps.Clone(form)
	if inForm {
		form.Set("client_id", c.ID)
		form.Set("client_secret", c.Secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !inForm {
		// Encoded first: RFC 6749, 2.3.1.
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	}
	return req, nil
}

// refusal is an error response (RFC 6749, 5.2).
type refusal struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// hide takes out of what a provider says for itself what only it and we may know.
func (c *Client) hide(text string, sent url.Values) string {
	for _, secret := range []string{
		sent.Get("code"), sent.Get("code_verifier"), sent.Get("refresh_token"), sent.Get("state"), sent.Get("nonce"), c.Secret,
	} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// refusedClient is the fault of a provider that does not take us for its client.
func refusedClient(code, description string) error {
	return fault.New(fault.Precondition, "the provider refused our client ID or secret%s", fetch.Quote(description)).
		Next("%s", probe.RemedyFor(code, description, "check clientID and clientSecret of the connector, "+
			"and that the client has client_secret_basic or client_secret_post there")).At(refusedSecret)
}
