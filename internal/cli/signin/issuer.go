package signin

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"pachyderm/api/auth"
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
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	if runes := []rune(s); len(runes) > 500 {
		s = string(runes[:500]) + "..."
	}
	return strings.TrimSpace(s)
}

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
			return nil, errors.New("server_cas holds no certificate that can be read: set it again with: pachctl config update context --server-cas")
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
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // its own text repeats method and address
		}
		return fmt.Errorf("the issuer %s cannot be reached: %w: check that this machine can open %s", s.info.GetIssuer(), err, endpoint)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", endpoint, err)
	}
	if res.StatusCode == http.StatusOK && json.Unmarshal(body, into) == nil {
		return nil
	}
	no := &oauthError{}
	if json.Unmarshal(body, no) == nil && no.Code != "" {
		return no
	}
	return fmt.Errorf("%s answered %s and not as an issuer does: tell an administrator", endpoint, res.Status)
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
		return errors.New("the issuer's answer holds no ID token: try again")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return errors.New("the issuer's answer holds an ID token that cannot be read: try again")
	}
	switch {
	case claims.Issuer != issuer:
		return errors.New("the ID token is another issuer's: try again, and if it happens again, tell an administrator")
	case len(claims.Audience) != 1 || claims.Audience[0] != client:
		return errors.New("the ID token was made for another application: try again, and if it happens again, tell an administrator")
	case !equal(claims.Nonce, nonce):
		return errors.New("the ID token belongs to another sign-in: try again, and if it happens again, tell an administrator")
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
