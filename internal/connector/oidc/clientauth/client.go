package clientauth

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// Server is what the discovery document of a provider says of the endpoints at
// which clients authenticate (OpenID Connect Discovery, 3; RFC 8414, 2).
type Server struct {
	TokenURL      string   `json:"token_endpoint"`
	RevocationURL string   `json:"revocation_endpoint"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	// AuthAlgorithms are for SecretJWT and KeyJWT.
	AuthAlgorithms []string `json:"token_endpoint_auth_signing_alg_values_supported"`

	// RFC 9126, 5.
	PushURL    string `json:"pushed_authorization_request_endpoint"`
	PushedOnly bool   `json:"require_pushed_authorization_requests"`
}

// Client is a client at one provider. It is safe for concurrent use.
type Client struct {
	Issuer     string // the provider's
	ID, Secret string
	// Method is how it authenticates; "" for what the provider offers.
	Method string
	Keys   Keys // for private_key_jwt
	HTTP   *fetch.Client
	Now    func() time.Time
	// Next is the same client with the secret that is to replace this one, if there
	// is one; Promoted is called once it is seen to work and this one is not.
	Next     *Client
	Promoted func()

	nextFirst, promoted atomic.Bool
	// formOnly is learnt from a provider that refuses the secret in the header.
	formOnly atomic.Bool
}

// The fields of a fault that says that the provider does not take us for its client.
const (
	refusedSecret = "config.clientSecret" //nolint:gosec // a key of documents
	refusedKey    = "config.tokenEndpointAuthMethod"
)

func isRefused(err error) bool {
	field := fault.FieldOf(err)
	return field == refusedSecret || field == refusedKey
}

// withEither asks with the secret, and with the next one where the provider refuses
// it. Most providers look at the client before they look at its code, which is good
// for a second request then; one whose code is gone with the first has to be signed in
// to again, and is asked with the next secret first.
func withEither[T any](c *Client, ask func(*Client) (T, error)) (T, error) {
	if c.Next == nil {
		return ask(c)
	}
	first, second := c, c.Next
	if c.nextFirst.Load() {
		first, second = second, first
	}
	answer, err := ask(first)
	if !isRefused(err) {
		c.worked(first, err)
		return answer, err
	}
	again, errAgain := ask(second)
	if isRefused(errAgain) {
		return answer, err
	}
	c.nextFirst.Store(second == c.Next)
	c.worked(second, errAgain)
	if errAgain != nil {
		errAgain = fault.New(fault.Unauthenticated,
			"the provider refuses the client secret that it took before, and another one is tried from now on").
			Next("start the sign-in again").Because(err)
	}
	return again, errAgain
}

// worked is called with the client that was asked as.
func (c *Client) worked(as *Client, err error) {
	if as == c.Next && err == nil && c.promoted.CompareAndSwap(false, true) && c.Promoted != nil {
		c.Promoted()
	}
}

func (c *Client) mayChangeToForm(s Server) bool {
	return c.Method == "" && c.method(s) == Basic && (len(s.AuthMethods) == 0 || slices.Contains(s.AuthMethods, Post))
}

// send sends the secret in the header and, if the provider refuses that and may
// have it in the form, once more: several register each client for one of the
// two, and their metadata lists both.
func (c *Client) send(s Server, once func(method string) error) error {
	err := once(c.method(s))
	if !isRefused(err) || !c.mayChangeToForm(s) {
		return err
	}
	if again := once(Post); again == nil {
		c.formOnly.Store(true)
		return nil
	}
	return err
}

// request is a form from a client that says who it is (RFC 6749, 2.3; RFC 7523, 2.2).
func (c *Client) request(ctx context.Context, s Server, to string, form url.Values, method string) (*http.Request, error) {
	form = maps.Clone(form)
	switch method {
	case Post:
		form.Set("client_id", c.ID)
		form.Set("client_secret", c.Secret)
	case SecretJWT, KeyJWT:
		assertion, err := c.assertion(ctx, s, method)
		if err != nil {
			return nil, err
		}
		form.Set("client_id", c.ID)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if method == Basic {
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

// token is what assertions and ID tokens look like (RFC 7515, 3.1), whole or cut.
var token = regexp.MustCompile(`eyJ[\w.-]{8,}`)

// hide takes out of what a provider says for itself what only it and we may know.
func (c *Client) hide(text string, sent url.Values) string {
	for _, secret := range []string{
		sent.Get("code"), sent.Get("code_verifier"), sent.Get("refresh_token"), sent.Get("state"), sent.Get("nonce"), c.Secret,
	} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return token.ReplaceAllString(text, "***")
}

// refused is the fault of a provider that does not take us for its client.
func (c *Client) refused(method string, r refusal, sent url.Values) error {
	text := c.hide(r.Description, sent)
	quoted := fetch.Quote(text)
	const registered = "and that the clocks agree; or set tokenEndpointAuthMethod to what the client has there"
	switch method {
	case KeyJWT:
		return fault.New(fault.Precondition, "the provider refused our client ID or key (private_key_jwt)%s", quoted).
			Next("check clientID, that the client has private_key_jwt and the keys at %s there (jwks_uri), %s", c.Keys.URL(), registered).
			At(refusedKey)
	case SecretJWT:
		return fault.New(fault.Precondition, "the provider refused our client ID or secret (client_secret_jwt)%s", quoted).
			Next("check clientID and clientSecret of the connector, that the client has client_secret_jwt there, %s", registered).
			At(refusedSecret)
	}
	return fault.New(fault.Precondition, "the provider refused our client ID or secret%s", quoted).
		Next("%s", probe.RemedyFor(r.Code, text, "check clientID and clientSecret of the connector, "+
			"and that the client has client_secret_basic or client_secret_post there")).At(refusedSecret)
}
