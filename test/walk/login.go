package walk

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
)

// RedirectURI is where the browser would bring the code; nobody listens there.
const RedirectURI = "http://127.0.0.1:7/"

// Login signs one person in, again and again: as "pachctl auth login" does it, with
// a browser that has no cookies yet. It is safe for concurrent use.
type Login struct {
	SignIn *pach.GetSignInResponse // of the server
	API    auth.APIClient
	Person Person
	// Connector is the one to sign in with; empty lets the server choose.
	Connector string
	// Transport is the browser's; nil is http.DefaultTransport.
	Transport http.RoundTripper
	// Patience is for how long a request is sent again that found no server, or one
	// that is not ready (503, Unavailable).
	Patience time.Duration
}

// Run signs in and returns the session token.
func (l *Login) Run(ctx context.Context) (session string, err error) {
	id, err := l.IDToken(ctx)
	if err != nil {
		return "", err
	}
	until := time.Now().Add(l.Patience)
	for {
		res, err := l.API.Authenticate(ctx, &auth.AuthenticateRequest{IdToken: id})
		if status.Code(err) != codes.Unavailable || !again(ctx, until) {
			return res.GetPachToken(), err
		}
	}
}

// IDToken signs in as far as any OpenID Connect provider goes: by an authorization
// code and PKCE to the ID token. Of SignIn it needs the endpoints and the client,
// and no API.
func (l *Login) IDToken(ctx context.Context) (string, error) {
	verifier := rand.Text() + rand.Text()
	code, err := l.authorize(ctx, verifier)
	if err != nil {
		return "", err
	}
	return l.redeem(ctx, code, verifier)
}

func (l *Login) authorize(ctx context.Context, verifier string) (code string, err error) {
	sum := sha256.Sum256([]byte(verifier))
	start, err := url.Parse(l.SignIn.GetAuthorizationEndpoint())
	if err != nil {
		return "", err
	}
	if l.Connector != "" {
		start = start.JoinPath(l.Connector)
	}
	state := rand.Text()
	start.RawQuery = url.Values{
		"client_id": {l.SignIn.GetClientId()}, "redirect_uri": {RedirectURI}, "response_type": {"code"}, "scope": {"openid email groups"}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := &http.Client{Jar: jar, Transport: patient{l.transport(), l.Patience}}
	at, page, err := SignIn(ctx, browser, start.String(), l.Person, func(u *url.URL) bool { return strings.HasPrefix(u.String(), RedirectURI) })
	switch {
	case err != nil:
		return "", err
	case !strings.HasPrefix(at.String(), RedirectURI):
		return "", fmt.Errorf("the sign-in ended at %s: %s", at, page)
	case at.Query().Get("error") != "":
		return "", fmt.Errorf("the sign-in was refused: %s", at.Query().Get("error_description"))
	case at.Query().Get("state") != state || at.Query().Get("code") == "":
		return "", fmt.Errorf("the answer %s is not to this sign-in", at)
	}
	return at.Query().Get("code"), nil
}

func (l *Login) redeem(ctx context.Context, code, verifier string) (idToken string, err error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {l.SignIn.GetClientId()}, "code": {code}, "redirect_uri": {RedirectURI}, "code_verifier": {verifier},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.SignIn.GetTokenEndpoint(), strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := patient{l.transport(), l.Patience}.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	var tokens struct {
		ID    string `json:"id_token"`
		Error string `json:"error_description"`
	}
	err = json.NewDecoder(res.Body).Decode(&tokens)
	if err == nil && tokens.ID == "" {
		err = fmt.Errorf("the token endpoint answers %s: %s", res.Status, tokens.Error)
	}
	return tokens.ID, err
}

func (l *Login) transport() http.RoundTripper {
	if l.Transport == nil {
		return http.DefaultTransport
	}
	return l.Transport
}

// patient sends a request again that found no server, or one that is not ready.
type patient struct {
	next http.RoundTripper
	how  time.Duration
}

// RoundTrip is http.RoundTripper's.
func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	until := time.Now().Add(p.how)
	for {
		res, err := p.next.RoundTrip(r)
		if err == nil && res.StatusCode != http.StatusServiceUnavailable || !again(r.Context(), until) {
			return res, err
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		if r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			r = r.Clone(r.Context())
			r.Body = body
		}
	}
}

// again waits a moment, if there is still time.
func again(ctx context.Context, until time.Time) bool {
	const pause = 50 * time.Millisecond
	if time.Now().Add(pause).After(until) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

// ErrNoSignIn is that of a server that has no sign-in which a Login can do.
var ErrNoSignIn = errors.New("the server has no connector, or its people sign in at another server")

// NewLogin asks a server for its way to sign in.
func NewLogin(ctx context.Context, signIn pach.APIClient, api auth.APIClient, p Person) (*Login, error) {
	res, err := signIn.GetSignIn(ctx, &pach.GetSignInRequest{})
	if err == nil && (res.GetClientId() == "" || !res.GetConnected()) {
		err = ErrNoSignIn
	}
	return &Login{SignIn: res, API: api, Person: p}, err
}
