package signin

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"pachyderm/api/auth"
	"pachyderm/internal/fault"
)

// oauthError is the issuer's no (RFC 6749, 5.2).
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	// Hint is the part of Description that says what to do, which only pachd sends.
	Hint string `json:"error_hint"`
}

// Error is the description, which is written for people, made fit to show.
func (e *oauthError) Error() string {
	text := e.Description
	if text == "" {
		text = e.Code
	}
	return printable(text)
}

// printable keeps a stranger's text from moving the cursor.
func printable(s string) string { return fault.Clean(s, 500) }

// httpClient talks to the issuer, which may have its certificate from the same
// authority as pachd. A redirect would carry a code to where it is not meant.
func httpClient(cas []byte) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if len(cas) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(cas) {
			return nil, fault.New(fault.Invalid, "server_cas contains no valid certificate").
				Next("set it again with: pachctl config update context --server-cas")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Transport: transport, Timeout: httpLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// redeem exchanges a code or a device for an ID token, and that for a session.
func (s *signIn) redeem(ctx context.Context, form url.Values, client, nonce string) (*auth.WhoAmIResponse, error) {
	var tokens struct {
		IDToken string `json:"id_token"`
	}
	if err := s.post(ctx, s.info.GetTokenEndpoint(), form, &tokens); err != nil {
		return nil, err
	}
	if err := checkIDToken(tokens.IDToken, s.info.GetIssuer(), client, nonce); err != nil {
		return nil, err
	}
	return s.authenticate(ctx, &auth.AuthenticateRequest{IdToken: tokens.IDToken})
}

// post sends a form to an endpoint of the issuer and reads its answer.
func (s *signIn) post(ctx context.Context, endpoint string, form url.Values, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	res, err := s.http.Do(r)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // its own text repeats method and address
		}
		return fault.New(fault.Unavailable, "the issuer %s cannot be reached: %v", s.info.GetIssuer(), err).
			Next("check that this machine can open %s", endpoint)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fault.New(fault.Unavailable, "cannot read the response of %s: %v", endpoint, err)
	}
	if res.StatusCode == http.StatusOK && json.Unmarshal(body, into) == nil {
		return nil
	}
	no := &oauthError{}
	if json.Unmarshal(body, no) == nil && no.Code != "" {
		return no
	}
	return fault.New(fault.Unavailable, "the response of %s (%s) does not match the specification", endpoint, res.Status).
		Next("tell an administrator")
}

// checkIDToken compares what only this side knows. The signature is for pachd,
// which made the token; it came straight from there (OpenID Connect Core,
// 3.1.3.7).
func checkIDToken(raw, issuer, client, nonce string) error {
	parts := strings.Split(raw, ".")
	var claims struct {
		Issuer   string   `json:"iss"`
		Audience audience `json:"aud"`
		Nonce    string   `json:"nonce"`
	}
	if len(parts) != 3 {
		return fault.New(fault.Unauthenticated, "the issuer's response contains no ID token").Next("try again")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return fault.New(fault.Unauthenticated, "the issuer's response contains an invalid ID token").Next("try again")
	}
	switch {
	case claims.Issuer != issuer:
		return fault.New(fault.Unauthenticated, "issuer mismatch in the ID token").Next(suspicious)
	case len(claims.Audience) != 1 || claims.Audience[0] != client:
		return fault.New(fault.Unauthenticated, "audience mismatch: the ID token is for another application").Next(suspicious)
	case !equal(claims.Nonce, nonce):
		return fault.New(fault.Unauthenticated, "nonce mismatch: the ID token belongs to a different sign-in").Next(suspicious)
	}
	return nil
}

// audience is a text or a list of them.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
