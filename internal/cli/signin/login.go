package signin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
	"pachyderm/internal/webaddr"
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
	hint, connector, workload      string
}

func login(k *kit.Kit) *cobra.Command {
	var o loginOptions
	c := &cobra.Command{
		Use: "login", Short: "Sign in with your identity provider", Args: kit.Exactly(0),
		Long: `Sign in with your identity provider, in a browser on this machine. Without one
here, --no-browser shows an address and a code to use in a browser elsewhere.

The browser is the one in BROWSER, or the desktop's.

A job of Kubernetes or a CI system, which nobody signs in for, exchanges the token
that it has there for a robot's with --workload-token (see pachctl idp trust).`,
		Example: "  pachctl auth login\n  pachctl auth login --no-browser\n  pachctl auth login --id-token < id-token\n" +
			"  pachctl auth login --workload-token /var/run/secrets/tokens/pachyderm",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.connector != "" && (o.noBrowser || o.idToken) {
				return kit.Usagef(c, "--connector is for the browser on this machine: with --no-browser the page elsewhere asks which")
			}
			if o.workload != "" && (o.noBrowser || o.idToken || o.connector != "" || o.hint != "") {
				return kit.Usagef(c, "--workload-token signs in by itself: use it alone")
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().BoolVarP(&o.noBrowser, "no-browser", "b", false, "use a browser on another machine")
	c.Flags().BoolVarP(&o.idToken, "id-token", "t", false, "sign in with an ID token from standard input")
	c.Flags().StringVar(&o.hint, "login-hint", "", "e-mail address to suggest to the identity provider")
	c.Flags().StringVar(&o.connector, "connector", "", "id of the connector to sign in with, of several")
	c.Flags().StringVar(&o.workload, "workload-token", "",
		"file with the token that Kubernetes or a CI system gave this job; - is standard input")
	kit.EnterpriseFlag(c, &o.enterprise)
	return c
}

// signIn is one sign-in under way.
type signIn struct {
	kit    *kit.Kit
	target *kit.Target
	client *client.Client          // without a session
	info   *pach.GetSignInResponse // where to sign in, once pachd has said so
	http   *http.Client            // for the issuer
}

func (o loginOptions) run(ctx context.Context, k *kit.Kit) error {
	t, err := k.FindTarget(o.enterprise)
	if err != nil {
		return err
	}
	starting, cancel := k.Limit(ctx)
	defer cancel()
	c, err := k.Dial(starting, t, "")
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := k.CheckCluster(starting, c, t); err != nil {
		return err
	}
	s := &signIn{kit: k, target: t, client: c}
	begin := s.withProvider
	switch {
	case o.idToken:
		begin = s.withIDToken
	case o.workload != "":
		begin = s.withWorkloadToken
	}
	who, err := begin(ctx, o)
	if err != nil {
		return err
	}
	return printIdentity(k, "", who)
}

func (s *signIn) withIDToken(ctx context.Context, _ loginOptions) (*auth.WhoAmIResponse, error) {
	raw, err := s.kit.ReadSecret(ctx, "ID token:")
	if err != nil {
		return nil, err
	}
	if raw == "" {
		return nil, fault.New(fault.Invalid, "no ID token was given").Next("pass it on standard input")
	}
	return s.authenticate(ctx, &auth.AuthenticateRequest{IdToken: raw})
}

// withProvider asks pachd where to sign in, and goes there.
func (s *signIn) withProvider(ctx context.Context, o loginOptions) (*auth.WhoAmIResponse, error) {
	asking, cancel := s.kit.Limit(ctx)
	defer cancel()
	info, err := s.client.Pach.GetSignIn(asking, &pach.GetSignInRequest{})
	switch {
	case status.Code(err) == codes.Unimplemented: // upstream's
		return s.legacy(ctx, o)
	case err != nil:
		return nil, err
	case !info.GetConnected():
		return nil, fault.New(fault.Precondition, "no identity provider is connected yet").
			Next("an administrator connects one with: pachctl idp create-connector --config FILE")
	case info.GetTokenEndpoint() == "": // people sign in at another server, which only pachd knows
		return s.legacy(ctx, o)
	}
	// What pachd answers is about to be opened in a browser and to be sent codes.
	for _, u := range []string{info.GetAuthorizationEndpoint(), info.GetTokenEndpoint(), info.GetDeviceAuthorizationEndpoint()} {
		if err := checkURL(u); err != nil {
			return nil, err
		}
	}
	s.info = info
	if s.http, err = httpClient(s.target.CAs); err != nil {
		return nil, err
	}
	ctx, cancel = context.WithTimeoutCause(ctx, personLimit, errTooLate())
	defer cancel()
	if o.noBrowser {
		return s.byDevice(ctx)
	}
	return s.byLoopback(ctx, o)
}

// legacy signs in at a server of upstream's, which waits for the person itself.
func (s *signIn) legacy(ctx context.Context, o loginOptions) (*auth.WhoAmIResponse, error) {
	asking, cancel := s.kit.Limit(ctx)
	defer cancel()
	r, err := s.client.Auth.GetOIDCLogin(asking, &auth.GetOIDCLoginRequest{})
	if err != nil {
		return nil, err
	}
	if err := checkURL(r.GetLoginUrl()); err != nil {
		return nil, err
	}
	ctx, cancel = context.WithTimeoutCause(ctx, personLimit, errTooLate())
	defer cancel()
	s.showURL(r.GetLoginUrl())
	if !o.noBrowser {
		s.kit.OpenBrowser(ctx, r.GetLoginUrl())
	}
	who, err := s.authenticate(ctx, &auth.AuthenticateRequest{OidcState: r.GetState()})
	if err != nil && ctx.Err() != nil {
		return nil, ended(ctx)
	}
	return who, err
}

func checkURL(u string) error {
	if webaddr.IsOpenable(u) {
		return nil
	}
	return fault.New(fault.Precondition, "pachd says to sign in at %q, which is no web address", u).Next("tell an administrator")
}

func (s *signIn) showURL(u string) {
	s.kit.Printf("Sign in at this address; a browser should open by itself:\n\n%s\n\n", u)
}

func errTooLate() error {
	return fault.New(fault.Unauthenticated, "nobody signed in within %d minutes", personLimit/time.Minute).
		Next("start again with: pachctl auth login")
}

// ended is why waiting for a person ended before they were done.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return fault.New(fault.Unauthenticated, "interrupted: nobody was signed in").Next("start again with: pachctl auth login")
}

// authenticate turns a proof into a session and keeps it.
func (s *signIn) authenticate(ctx context.Context, proof *auth.AuthenticateRequest) (*auth.WhoAmIResponse, error) {
	if proof.GetIdToken() != "" { // the other way waits for a person
		var cancel context.CancelFunc
		ctx, cancel = s.kit.Limit(ctx)
		defer cancel()
	}
	session, err := s.client.Auth.Authenticate(ctx, proof)
	if status.Code(err) == codes.Unauthenticated || status.Code(err) == codes.PermissionDenied {
		if client.NextOf(err) != "" { // which the message has too
			return nil, notSignedIn(client.MessageOf(err), "")
		}
		return nil, notSignedIn(client.MessageOf(err), tryAgain)
	}
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, session.GetPachToken())
}

// keep makes a new session that of the context.
func (s *signIn) keep(ctx context.Context, session string) (*auth.WhoAmIResponse, error) {
	c, err := s.kit.Dial(ctx, s.target, session)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
	if err != nil {
		return nil, err
	}
	before := s.target.Token
	if err := s.kit.SetToken(s.target, session); err != nil {
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
	c, err := s.kit.Dial(ctx, s.target, token)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
	if err == nil && who.GetUsername() == now.GetUsername() && who.GetExpiration() != nil {
		_, _ = c.Auth.RevokeAuthToken(ctx, &auth.RevokeAuthTokenRequest{Token: token}) // it ends by itself too
	}
}
