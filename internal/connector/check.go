package connector

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pachyderm/internal/connector/fetch"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

// checkWithin bounds one request of a check.
const checkWithin = 10 * time.Second

// Check opens the connector and looks at all that a sign-in will need of its
// provider, short of a person. Nothing is stored.
func Check(ctx context.Context, id, typ string, config map[string]any, d Deps) []probe.Step {
	l := probe.New(d.Now)
	var p *Provider
	opened := l.Do("document", func() (result string, err error) {
		if err := CheckSecrets(typ, config); err != nil {
			return "", err
		}
		p, err = Open(id, typ, config, d)
		return "the document is complete", err
	})
	if !opened {
		return l.Steps
	}
	if c, ok := p.Connector.(interface {
		Check(context.Context, *probe.Ladder)
	}); ok {
		c.Check(ctx, l)
	} else {
		p.site.check(ctx, l)
	}
	return l.Steps
}

// check is for providers of which only addresses are known.
func (s Site) check(ctx context.Context, l *probe.Ladder) {
	if s.Base == "" {
		return
	}
	roots, err := fetch.Roots("config.rootCAs", s.RootCAs...)
	if err != nil {
		l.Do(probe.TLS, func() (string, error) { return "", err })
		return
	}
	t := probe.OfURL(s.Base, roots, "the connector's CA certificates", "the connector's address of the provider")
	if t.TLS != nil {
		t.TLS.InsecureSkipVerify = s.AnyCA
	}
	if !l.Reach(ctx, t) {
		l.Skip(probe.Credentials, probe.Callback)
		return
	}
	if s.TokenURL == "" {
		return
	}
	client := fetch.New(roots, checkWithin)
	defer client.Close()
	l.Do(probe.Credentials, func() (string, error) { return s.checkCredentials(ctx, client) })
	l.Do(probe.Callback, func() (string, error) { return s.checkCallback(ctx, client) })
}

// reach is an error if nothing answers at the provider's address.
func (s Site) reach(ctx context.Context) error {
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
	client := fetch.New(roots, checkWithin).Blaming("the connector's address of the provider")
	defer client.Close()
	_, _, _, err = client.Visit(req, "page")
	return err
}

// checkCredentials exchanges a code that cannot be right; what the provider
// minds tells whether it knows the client (RFC 6749, 5.2). GitHub has codes of
// its own for both, and answers them with status 200.
func (s Site) checkCredentials(ctx context.Context, client *fetch.Client) (string, error) {
	result, err := s.madeUpCode(ctx, client)
	if err != nil {
		return "", err
	}
	s.Client.Secret = rand.Text()
	if _, err := s.madeUpCode(ctx, client); !fault.Is(err, fault.Precondition) {
		return "", probe.Skip("the provider refuses a made-up code whatever the secret is, so that it does not tell")
	}
	return result, nil
}

func (s Site) madeUpCode(ctx context.Context, client *fetch.Client) (string, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {rand.Text()}, "redirect_uri": {s.Client.RedirectURI}, "client_id": {s.Client.ID}, "client_secret": {s.Client.Secret},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.TokenURL, strings.NewReader(form.Encode()))
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
	switch {
	case answer.Error == "invalid_grant", answer.Error == "bad_verification_code":
		return "the provider knows the client ID and the secret", nil
	case answer.Error == "invalid_client", answer.Error == "incorrect_client_credentials", answer.Error == "unauthorized_client", status == http.StatusUnauthorized, status == http.StatusNotFound:
		return "", fault.New(fault.Precondition, "the provider refused the client ID or the secret (%s): check clientID and clientSecret", or(fetch.Clean(answer.Error), http.StatusText(status)))
	}
	return "", probe.Skip("the provider's answer to a made-up code does not tell (HTTP status %d, %s)", status, or(fetch.Clean(answer.Error), "no reason given"))
}

func (s Site) checkCallback(ctx context.Context, client *fetch.Client) (string, error) {
	to, err := url.Parse(s.AuthURL)
	if err != nil {
		return "", err
	}
	q := to.Query()
	for name, value := range map[string]string{"client_id": s.Client.ID, "redirect_uri": s.Client.RedirectURI, "response_type": "code", "state": rand.Text()} {
		q.Set(name, value)
	}
	to.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return "", err
	}
	status, location, body, err := client.Visit(req, "authorization endpoint")
	if err != nil {
		return "", err
	}
	return probe.JudgeCallback(s.Client.RedirectURI, status, location, string(body))
}
