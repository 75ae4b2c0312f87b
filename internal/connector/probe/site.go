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

	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
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
	client := r.Limit.New(roots, siteWithin)
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
	ours, err := s.madeUpCode(ctx, client, s.OAuth.ClientSecret)
	if err != nil {
		return "", err
	}
	result, err := ours.judge()
	if err != nil && ours.Error != "unauthorized_client" {
		return "", err
	}
	theirs, failed := s.madeUpCode(ctx, client, rand.Text())
	switch {
	case failed != nil:
		return "", failed
	case err == nil && !theirs.refusesClient():
		return "", Skip("the provider refuses a made-up code whatever the secret is, so that this cannot be checked")
	case err == nil:
		return result, nil
	}
	return s.compareReasons(ctx, client, ours, theirs, err)
}

// compareReasons is for Gitea and Forgejo, which refuse a code and a secret with
// the same error and in other words. Other secrets must be refused in the same
// words twice, since some providers number their answers.
func (s Site) compareReasons(ctx context.Context, client *fetch.Client, ours, theirs refusal, otherwise error) (string, error) {
	if theirs.Error != ours.Error || theirs.Description == ours.Description {
		return "", otherwise
	}
	again, err := s.madeUpCode(ctx, client, rand.Text())
	switch {
	case err != nil:
		return "", err
	case again != theirs:
		return "", otherwise
	case strings.Contains(strings.ToLower(ours.Description), "redirect"):
		return "", fault.New(fault.Precondition, "the provider knows the client ID and the secret, but not the callback %s", s.OAuth.RedirectURL).
			Next("register exactly this callback with it")
	}
	return knowsClient, nil
}

const knowsClient = "the provider knows the client ID and the secret"

// refusal is what the token endpoint says to a code that was made up.
type refusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`

	status int
}

func (s Site) madeUpCode(ctx context.Context, client *fetch.Client, secret string) (refusal, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {rand.Text()}, "redirect_uri": {s.OAuth.RedirectURL},
		"client_id": {s.OAuth.ClientID}, "client_secret": {secret},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.OAuth.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return refusal{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body, err := client.Do(req, "tokens")
	if err != nil {
		return refusal{}, err
	}
	a := refusal{status: status}
	_ = fetch.Decode(body, &a) // what cannot be read does not tell
	if secret != "" {
		a.Description = strings.ReplaceAll(a.Description, secret, "***")
	}
	return a, nil
}

func (a refusal) refusesClient() bool {
	return slices.Contains([]string{"invalid_client", "incorrect_client_credentials", "unauthorized_client"}, a.Error) ||
		a.status == http.StatusUnauthorized || a.status == http.StatusNotFound
}

func (a refusal) judge() (string, error) {
	switch {
	case a.Error == "invalid_grant", a.Error == "bad_verification_code":
		return knowsClient, nil
	case a.refusesClient():
		return "", fault.New(fault.Precondition, "the provider refused the client ID or the secret (%s)%s",
			cmp.Or(fetch.Clean(a.Error), http.StatusText(a.status)), fetch.Quote(a.Description)).
			Next("check clientID and clientSecret")
	}
	return "", Skip(
		"the provider's response to a made-up code is inconclusive (HTTP status %d, %s)",
		a.status, cmp.Or(fetch.Clean(a.Error), "no reason given"))
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
