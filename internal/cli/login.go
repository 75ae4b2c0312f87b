package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/client"
)

const (
	// loginScopes are what pachd wants to know about a person.
	loginScopes = "openid email profile groups"
	// personLimit is how long a person may take to sign in.
	personLimit = 10 * time.Minute
	// httpLimit bounds a request to the issuer.
	httpLimit = 30 * time.Second
)

type loginOptions struct {
	noBrowser, idToken, enterprise bool
	hint, connector                string
}

func (a *app) login() *cobra.Command {
	var o loginOptions
	c := &cobra.Command{
		Use: "login", Short: "Sign in with your identity provider", Args: exactly(0),
		Long: `Sign in with your identity provider, in a browser on this machine. Without one
here, --no-browser shows an address and a code to use in a browser elsewhere.

The browser is the one in BROWSER, or the desktop's.`,
		Example: "  pachctl auth login\n  pachctl auth login --no-browser\n  pachctl auth login --id-token < id-token",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.connector != "" && (o.noBrowser || o.idToken) {
				return usagef(c, "--connector is for the browser on this machine: with --no-browser the page elsewhere asks which")
			}
			return a.runLogin(c.Context(), o)
		},
	}
	c.Flags().BoolVarP(&o.noBrowser, "no-browser", "b", false, "use a browser on another machine")
	c.Flags().BoolVarP(&o.idToken, "id-token", "t", false, "sign in with an ID token from standard input")
	c.Flags().StringVar(&o.hint, "login-hint", "", "e-mail address to suggest to the identity provider")
	c.Flags().StringVar(&o.connector, "connector", "", "id of the connector to sign in with, of several")
	enterpriseFlag(c, &o.enterprise)
	return c
}

// signIn is one sign-in under way.
type signIn struct {
	*app
	*pach.GetSignInResponse
	place  *place
	client *client.Client // without a session
	http   *http.Client
}

func (a *app) runLogin(ctx context.Context, o loginOptions) error {
	p, err := a.place(o.enterprise)
	if err != nil {
		return err
	}
	starting, cancel := a.limit(ctx)
	defer cancel()
	c, err := a.dial(starting, p, "")
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := a.greet(starting, c, p); err != nil {
		return err
	}
	s := &signIn{app: a, place: p, client: c}
	if !o.idToken {
		return s.withProvider(ctx, o)
	}
	raw, err := a.readSecret(ctx, "ID token:")
	if err != nil {
		return err
	}
	if raw == "" {
		return errors.New("no ID token was given: pass it on standard input")
	}
	return s.finish(ctx, &auth.AuthenticateRequest{IdToken: raw})
}

// withProvider asks pachd where to sign in, and goes there.
func (s *signIn) withProvider(ctx context.Context, o loginOptions) error {
	asking, cancel := s.limit(ctx)
	defer cancel()
	info, err := s.client.Pach.GetSignIn(asking, &pach.GetSignInRequest{})
	switch {
	case status.Code(err) == codes.Unimplemented:
		return s.legacy(ctx, o)
	case err != nil:
		return err
	case info.GetConnected() && info.GetClientId() == "" && info.GetTokenEndpoint() == "": // people sign in at another server
		return s.legacy(ctx, o)
	case !info.GetConnected():
		return errors.New("no identity provider is connected yet: an administrator connects one with: pachctl idp create-connector --config FILE")
	}
	if info.GetTokenEndpoint() == "" { // people sign in at another server, which only pachd knows
		return s.legacy(ctx, o)
	}
	s.GetSignInResponse = info
	// What pachd answers is about to be opened in a browser and to be sent codes.
	for _, u := range []string{info.GetAuthorizationEndpoint(), info.GetTokenEndpoint(), info.GetDeviceAuthorizationEndpoint()} {
		if !isWeb(u) {
			return fmt.Errorf("pachd says to sign in at %q, which is no web address: tell an administrator", u)
		}
	}
	if s.http, err = httpClient(s.place.cas); err != nil {
		return err
	}
	ctx, cancel = context.WithTimeoutCause(ctx, personLimit, errTooLate())
	defer cancel()
	if o.noBrowser {
		return s.byDevice(ctx)
	}
	return s.byLoopback(ctx, o)
}

func errTooLate() error {
	return fmt.Errorf("nobody signed in within %d minutes: start again with: pachctl auth login", personLimit/time.Minute)
}

// ended is why waiting for a person ended before they were done.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return errors.New("interrupted: nobody was signed in: start again with: pachctl auth login")
}

// finish turns a proof into a session and keeps it.
func (s *signIn) finish(ctx context.Context, proof *auth.AuthenticateRequest) error {
	who, err := s.authenticate(ctx, proof)
	if err == nil {
		s.sayWho(who)
	}
	return err
}

func (s *signIn) authenticate(ctx context.Context, proof *auth.AuthenticateRequest) (*auth.WhoAmIResponse, error) {
	if proof.GetIdToken() != "" { // the other way waits for a person
		var cancel context.CancelFunc
		ctx, cancel = s.limit(ctx)
		defer cancel()
	}
	session, err := s.client.Auth.Authenticate(ctx, proof)
	if status.Code(err) == codes.Unauthenticated || status.Code(err) == codes.PermissionDenied {
		return nil, failf(err, "you are not signed in: %s", withNext(err, client.MessageOf(err), "try again with: pachctl auth login"))
	}
	if err != nil {
		return nil, err
	}
	c, err := s.dial(ctx, s.place, session.GetPachToken())
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
	if err != nil {
		return nil, err
	}
	before := s.place.doc.Token
	if err := s.remember(s.place, session.GetPachToken()); err != nil {
		return nil, err
	}
	s.endEarlier(ctx, before, who)
	return who, nil
}

// endEarlier ends the session that this one replaces, so that sessions do not
// pile up. One of somebody else, or one that never ends, may have other uses.
func (s *signIn) endEarlier(ctx context.Context, token string, now *auth.WhoAmIResponse) {
	if token == "" {
		return
	}
	c, err := s.dial(ctx, s.place, token)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
	if err == nil && who.GetUsername() == now.GetUsername() && who.GetExpiration() != nil {
		_, _ = c.Auth.RevokeAuthToken(ctx, &auth.RevokeAuthTokenRequest{Token: token}) // it ends by itself too
	}
}

// legacy signs in at a server of upstream's.
func (s *signIn) legacy(ctx context.Context, o loginOptions) error {
	asking, cancel := s.limit(ctx)
	defer cancel()
	r, err := s.client.Auth.GetOIDCLogin(asking, &auth.GetOIDCLoginRequest{})
	if err != nil {
		return err
	}
	if !isWeb(r.GetLoginUrl()) {
		return fmt.Errorf("pachd says to sign in at %q, which is no web address: tell an administrator", r.GetLoginUrl())
	}
	ctx, cancel = context.WithTimeoutCause(ctx, personLimit, errTooLate())
	defer cancel()
	s.showURL(r.GetLoginUrl())
	if !o.noBrowser {
		s.open(ctx, r.GetLoginUrl())
	}
	err = s.finish(ctx, &auth.AuthenticateRequest{OidcState: r.GetState()})
	if err != nil && ctx.Err() != nil {
		return ended(ctx)
	}
	return err
}

func (s *signIn) showURL(u string) {
	s.printf("Sign in at this address; a browser should open by itself:\n\n%s\n\n", u)
}

// open opens an address in a browser. The address is shown already, so it is
// no failure if there is no browser to be found.
func (s *signIn) open(ctx context.Context, u string) {
	command := browser(s.Getenv, runtime.GOOS)
	if len(command) == 0 {
		s.notef("No browser is known here. Open the address yourself if the browser is on this machine; otherwise press Ctrl-C and use: pachctl auth login --no-browser\n")
		return
	}
	given := false
	for i, word := range command {
		if strings.Contains(word, "%s") {
			command[i], given = strings.ReplaceAll(word, "%s", u), true
		}
	}
	if !given {
		command = append(command, u)
	}
	// It lives longer than this command does.
	run := exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...) //nolint:gosec // the user's own choice of browser
	if err := run.Start(); err != nil {
		s.notef("The browser cannot be started (%v). Open the address yourself, or use: pachctl auth login --no-browser\n", err)
		return
	}
	go func() { _ = run.Wait() }()
}

// browser is the command that opens an address, or nothing if there is no
// desktop to show one.
func browser(getenv func(string) string, system string) []string {
	for choice := range strings.SplitSeq(getenv("BROWSER"), string(os.PathListSeparator)) {
		if words := strings.Fields(choice); len(words) > 0 {
			return words
		}
	}
	switch {
	case system == "darwin":
		return []string{"open"}
	case system == "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	case getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "":
		return nil
	}
	return []string{"xdg-open"}
}

func isWeb(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
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
