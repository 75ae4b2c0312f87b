package probe

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"pachyderm/internal/connector/fetch"
	"pachyderm/internal/fault"
)

// siteWithin bounds one request to a site.
const siteWithin = 10 * time.Second

// Site is what is known of a provider whose protocol is somebody else's.
type Site struct {
	Base    string        // address to try
	Issuer  string        // what its subjects belong to
	OAuth   oauth2.Config // with its endpoints, if it has them
	RootCAs []string      // files or PEM text
	AnyCA   bool
}

// Check is for providers of which only addresses are known.
func (s Site) Check(ctx context.Context, r *Report) {
	if s.Base == "" {
		return
	}
	roots, err := fetch.Roots("config.rootCAs", s.RootCAs...)
	if err != nil {
		r.Do(handshake, func() (string, error) { return "", err })
		return
	}
	t := OfURL(s.Base, roots, "the connector's CA certificates", "the connector's address of the provider")
	if t.TLS != nil {
		t.TLS.InsecureSkipVerify = s.AnyCA
	}
	if !r.Reach(ctx, t) {
		r.Skip(Credentials, Callback)
		return
	}
	if s.OAuth.Endpoint.TokenURL == "" {
		return
	}
	client := fetch.New(roots, siteWithin)
	defer client.Close()
	r.Do(Credentials, func() (string, error) { return s.checkCredentials(ctx, client) })
	r.Do(Callback, func() (string, error) { return s.checkCallback(ctx, client) })
}

// Ping is an error if nothing answers at the provider's address.
func (s Site) Ping(ctx context.Context) error {
	if s.Base == "" || s.AnyCA {
		return nil
	}
	roots, err := fetch.Roots("config.rootCAs", s.RootCAs...)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base, nil)
	if err != nil {
		return err
	}
	client := fetch.New(roots, siteWithin).WithSetting("the connector's address of the provider")
	defer client.Close()
	_, _, _, err = client.Visit(req, "page")
	return err
}

// checkCredentials exchanges a code that cannot be right; the error tells
// whether the provider knows the client (RFC 6749, 5.2). GitHub has codes of its
// own for both, and answers them with status 200.
func (s Site) checkCredentials(ctx context.Context, client *fetch.Client) (string, error) {
	result, err := s.madeUpCode(ctx, client)
	if err != nil {
		return "", err
	}
	s.OAuth.ClientSecret = rand.Text()
	if _, err := s.madeUpCode(ctx, client); !fault.Is(err, fault.Precondition) {
		return "", Skip("the provider refuses a made-up code whatever the secret is, so that this cannot be checked")
	}
	return result, nil
}

func (s Site) madeUpCode(ctx context.Context, client *fetch.Client) (string, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {rand.Text()}, "redirect_uri": {s.OAuth.RedirectURL},
		"client_id": {s.OAuth.ClientID}, "client_secret": {s.OAuth.ClientSecret},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.OAuth.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body, err := client.Do(req, "tokens")
	if err != nil {
		return "", err
	}
	var answer struct {
		Error string `json:"error"`
	}
	_ = fetch.Decode(body, &answer) // what cannot be read does not tell
	unknown := slices.Contains([]string{"invalid_client", "incorrect_client_credentials", "unauthorized_client"}, answer.Error)
	switch {
	case answer.Error == "invalid_grant", answer.Error == "bad_verification_code":
		return "the provider knows the client ID and the secret", nil
	case unknown, status == http.StatusUnauthorized, status == http.StatusNotFound:
		return "", fault.New(fault.Precondition,
			"the provider refused the client ID or the secret (%s)", cmp.Or(fetch.Clean(answer.Error), http.StatusText(status))).
			Next("check clientID and clientSecret")
	}
	return "", Skip(
		"the provider's response to a made-up code is inconclusive (HTTP status %d, %s)",
		status, cmp.Or(fetch.Clean(answer.Error), "no reason given"))
}

func (s Site) checkCallback(ctx context.Context, client *fetch.Client) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.OAuth.AuthCodeURL(rand.Text()), nil)
	if err != nil {
		return "", err
	}
	status, location, body, err := client.Visit(req, "authorization endpoint")
	if err != nil {
		return "", err
	}
	return JudgeCallback(s.OAuth.RedirectURL, status, location, string(body))
}
