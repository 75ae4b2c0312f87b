package oidc

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/fetch"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
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
	t, err := c.requestTokens(ctx, m, url.Values{
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
	if !s.OfflineAccess {
		t.RefreshToken = ""
	}
	return c.identity(ctx, m, t, cl, c.cfg.GetUserInfo)
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
		"request_uri_not_supported", "invalid_request_object", "invalid_request_uri":
		return fault.New(fault.Precondition, "the provider does not accept the connector's request (%s)%s", code, text).
			Next("%s", probe.RemedyFor(code, description, "compare clientID, redirectURI and scopes with the client that is registered there"))
	case "access_denied":
		return fault.New(fault.Denied, "the sign-in was cancelled or denied at the provider (access_denied)%s", text)
	}
	return fault.New(fault.Denied, "the provider ended the sign-in (%s)%s", fetch.Clean(code), text)
}

// tokens has no String and is never logged.
type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	IDToken      string `json:"id_token"`
	RefreshToken string `json:"refresh_token"`

	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// requestTokens sends the secret in the header and, if the provider refuses
// that and may have it in the form, once more: several register each client
// for one of the two, and their metadata lists both.
func (c *Connector) requestTokens(ctx context.Context, m *metadata, form url.Values) (*tokens, error) {
	t, err := c.requestTokensOnce(ctx, m, form, c.inForm(m))
	if fault.FieldOf(err) != "config.clientSecret" || !c.mayChangeToForm(m) {
		return t, err
	}
	if t, again := c.requestTokensOnce(ctx, m, form, true); again == nil {
		c.formOnly.Store(true)
		return t, nil
	}
	return t, err
}

func (c *Connector) mayChangeToForm(m *metadata) bool {
	return !c.inForm(m) && (len(m.AuthMethods) == 0 || slices.Contains(m.AuthMethods, "client_secret_post"))
}

func (c *Connector) inForm(m *metadata) bool {
	return c.cfg.BasicAuthUnsupported || c.formOnly.Load() ||
		(slices.Contains(m.AuthMethods, "client_secret_post") && !slices.Contains(m.AuthMethods, "client_secret_basic"))
}

func (c *Connector) requestTokensOnce(ctx context.Context, m *metadata, form url.Values, inForm bool) (*tokens, error) {
	req, err := c.tokenRequest(ctx, m.TokenURL, form, inForm)
	if err != nil {
		return nil, err
	}
	status, body, err := c.client.Do(req, "tokens")
	if err != nil {
		return nil, err
	}
	var t tokens
	unreadable := fetch.Decode(body, &t)
	switch {
	case status != http.StatusOK || t.Error != "":
		return nil, c.tokensRefused(status, t, form)
	case unreadable != nil:
		return nil, refuse.Response("the provider's tokens cannot be read: the response is not valid JSON")
	case strings.EqualFold(t.TokenType, "DPoP"):
		return nil, fault.New(fault.Precondition, "the provider issued %s, which this server does not support", probe.BoundTokens.Name).
			Next("%s", probe.BoundTokens.Remedy)
	case t.AccessToken == "" || (t.TokenType != "" && !strings.EqualFold(t.TokenType, "Bearer")):
		return nil, refuse.Response("the provider sent no access token of type Bearer")
	}
	return &t, nil
}

// tokenRequest is a form from a client that says who it is (RFC 6749, 2.3.1).
func (c *Connector) tokenRequest(ctx context.Context, to string, form url.Values, inForm bool) (*http.Request, error) {
	if inForm {
		form.Set("client_id", c.cfg.ClientID)
		form.Set("client_secret", c.cfg.ClientSecret)
	}
	//nolint:gosec // the address is the provider's, and the client guards where it leads
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !inForm {
		// Encoded first: RFC 6749, 2.3.1.
		req.SetBasicAuth(url.QueryEscape(c.cfg.ClientID), url.QueryEscape(c.cfg.ClientSecret))
	}
	return req, nil
}

// tokensRefused words an error of the token endpoint (RFC 6749, 5.2).
func (c *Connector) tokensRefused(status int, t tokens, sent url.Values) error {
	text := t.Description
	for _, secret := range []string{sent.Get("code"), sent.Get("code_verifier"), sent.Get("refresh_token"), c.cfg.ClientSecret} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	remedy := func(otherwise string) string { return probe.RemedyFor(t.Error, text, otherwise) }
	quoted := fetch.Quote(text)
	switch {
	case fetch.IsOutage(status):
		return fault.New(fault.Unavailable, "the provider has a problem issuing tokens (HTTP status %d)%s", status, quoted).
			Next("try again later")
	case t.Error == "invalid_grant" && sent.Get("grant_type") == "refresh_token":
		return refuse.Response("the provider has ended this session (invalid_grant)%s", quoted).
			Next("sign in again")
	case t.Error == "invalid_grant":
		return refuse.Response("the provider no longer accepts this sign-in (invalid_grant)%s", quoted).
			Next("start it again")
	case t.Error == "invalid_client" || status == http.StatusUnauthorized:
		return fault.New(fault.Precondition, "the provider refused our client ID or secret%s", quoted).
			Next("%s", remedy("check clientID and clientSecret of the connector, "+
				"and that the client has client_secret_basic or client_secret_post there")).At("config.clientSecret")
	}
	return fault.New(fault.Precondition,
		"the provider issued no tokens (HTTP status %d, %s)%s", status, cmp.Or(fetch.Clean(t.Error), "no reason given"), quoted).
		Next("%s", remedy("compare the connector with the client that is registered there"))
}
