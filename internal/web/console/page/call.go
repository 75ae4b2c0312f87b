package page

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pachyderm/api"
	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
)

// Call is one request for a page.
type Call struct {
	W http.ResponseWriter
	R *http.Request
	// Context is that of calls to the server, by the session of the browser.
	Context context.Context //nolint:containedctx // a call lives as long as its context
	*Site
	// Session is who asks; nil for nobody.
	Session *pach.GetSessionResponse

	may   map[auth.Permission]bool
	token secret.Text
	ended string // why the session that the browser had is none any more
}

func (s *Site) call(w http.ResponseWriter, r *http.Request) (*Call, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	c := &Call{W: w, R: r, Site: s, token: secret.Text(s.session(r).Value(r))}
	c.Context = withToken(ctx, c.token)
	return c, cancel
}

// Unhurried is Context without its end in time, for what is handed over for as long as
// the browser takes it.
func (c *Call) Unhurried() context.Context { return withToken(c.R.Context(), c.token) }

func withToken(ctx context.Context, token secret.Text) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(api.TokenKey, token.Reveal()))
}

// maxForm bounds a form, in bytes: a connector's document is the longest.
const maxForm = 192 << 10

// admit holds a request to its origin, its form and its session.
func (c *Call) admit(signedIn bool) error {
	if home := c.Home(c.R); c.R.Method == http.MethodGet && hostname(c.R.Host) != home.Hostname() && browser.Rehost(c.W, c.R, *home) {
		return errAnswered
	}
	if err := c.identify(); err != nil {
		return err
	}
	if signedIn && c.Session == nil {
		return errSignIn
	}
	if c.R.Method != http.MethodGet && c.R.Method != http.MethodHead {
		if err := c.checkForm(); err != nil {
			return err
		}
	}
	return nil
}

func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }

var (
	// errSignIn says that there is no session, or none any more.
	errSignIn = errors.New("no session")
	// errAnswered says that nothing is left to do.
	errAnswered = errors.New("answered")
)

// identify asks whose session the browser has, and what they may do on the cluster.
func (c *Call) identify() error {
	if c.token == "" {
		return nil
	}
	session, err := c.API.Pach.GetSession(c.Context, &pach.GetSessionRequest{})
	switch {
	case status.Code(err) == codes.Unauthenticated:
		c.forget()
		c.ended = client.MessageOf(err)
		return nil
	case err != nil:
		return err
	}
	have, err := c.API.Auth.GetPermissions(c.Context, &auth.GetPermissionsRequest{Resource: Cluster()})
	if err != nil {
		return err
	}
	c.Session, c.may = session, map[auth.Permission]bool{}
	for _, p := range have.GetPermissions() {
		c.may[p] = true
	}
	return nil
}

// Cluster is the resource on which most of what the console shows is permitted.
func Cluster() *auth.Resource { return &auth.Resource{Type: auth.ResourceType_CLUSTER} }

// forget takes the cookie away, and what it held from this call.
func (c *Call) forget() {
	c.session(c.R).Clear(c.W)
	c.token = ""
	c.Context = metadata.NewOutgoingContext(c.Context, metadata.MD{})
}

// End ends the session of the browser, if it has one.
func (c *Call) End() {
	if c.token == "" {
		return
	}
	// The root token itself is in no cookie, so that this ends no more than a session.
	_, _ = c.API.Auth.RevokeAuthToken(c.Context, &auth.RevokeAuthTokenRequest{Token: c.token.Reveal()})
	c.forget()
}

// checkForm refuses a form that no page of ours sent from this browser.
func (c *Call) checkForm() error {
	// Sec-Fetch-Site, or Origin for older browsers.
	if err := http.NewCrossOriginProtection().Check(c.R); err != nil {
		return errForeign()
	}
	c.R.Body = http.MaxBytesReader(c.W, c.R.Body, maxForm)
	if err := c.R.ParseForm(); err != nil {
		return web.Problem{
			Status: http.StatusBadRequest, Title: "This form cannot be read", What: "It is not one, or it is too large.",
			Next: "Go back and try again.",
		}
	}
	if !browser.CheckCSRF(c.R, c.formID(), formThing) {
		return errForeign()
	}
	return nil
}

const formThing = "console"

// formID is what forms of this browser are bound to: its session, or before there is
// one a cookie of its own.
func (c *Call) formID() string {
	if c.token != "" {
		return secret.Hash("console form " + c.token.Reveal())
	}
	return c.visitor().ID(c.R)
}

func (c *Call) visitor() browser.Cookie {
	return browser.Cookie{Name: "pach-visitor", Secure: c.secure(c.R)}
}

// Cookie is one of the console's, for this host only.
func (c *Call) Cookie(name string) browser.Cookie {
	return browser.Cookie{Name: name, Secure: c.secure(c.R)}
}

func (c *Call) csrf() string {
	if c.token == "" {
		return browser.CSRF(c.visitor().EnsureID(c.W, c.R), formThing)
	}
	return browser.CSRF(c.formID(), formThing)
}

func errForeign() error {
	return web.Problem{
		Status: http.StatusForbidden, Title: "This form was not taken",
		What: "It did not come from a page that this browser has open, or you signed in or out since. Nothing was changed.",
		Next: "Go back, load the page again, and send it once more, with cookies allowed.",
	}
}

// May reports whether the caller has a permission on the cluster: what they may not
// do is not shown. It protects nothing; the services do.
func (c *Call) May(p auth.Permission) bool { return c.may[p] }

// Me is the caller's principal, or "".
func (c *Call) Me() string { return c.Session.GetSession().GetPrincipal() }

// IsRecent reports whether it is a short while ago that a person proved to their
// provider who they are. That a session is new says nothing: the provider may have
// remembered them. A token that is nobody's at a provider, the root token among them,
// was shown when the session began.
func (c *Call) IsRecent() bool {
	at := c.Session.GetSession().GetCreated()
	if c.Session.GetSession().GetConnector() != "" {
		at = c.Session.GetProved()
	}
	return at != nil && c.Now().Sub(at.AsTime()) < Recent
}

// Dangerous wraps a handler of what must not be done by whoever finds a browser open:
// unless the sign-in is recent it asks for another, and comes back to the page back.
func Dangerous(back func(c *Call) string, h Handler) Handler {
	return func(c *Call) error {
		if !c.IsRecent() {
			return c.Render(http.StatusForbidden, "again", "Sign in again", Again{Next: back(c), Root: c.Me() == "pach:root"})
		}
		return h(c)
	}
}

// Again is the page that asks for another sign-in.
type Again struct {
	Next string
	Root bool
}

// Field is a field of the form, without the white space around it.
func (c *Call) Field(name string) string { return strings.TrimSpace(c.R.PostForm.Get(name)) }

// Query is a parameter of the address; it is bounded, for it goes on to the services.
func (c *Call) Query(name string) string {
	const most = 600
	text := strings.TrimSpace(c.R.URL.Query().Get(name))
	return text[:min(len(text), most)]
}

// Done sends the browser to a page, which says what was done.
func (c *Call) Done(to, what string) error {
	u := local(to)
	if what != "" {
		q := u.Query()
		q.Set("done", what)
		u.RawQuery = q.Encode()
	}
	http.Redirect(c.W, c.R, u.String(), http.StatusSeeOther)
	return nil
}

// Fault is what a call answered, as an error that pages can be made of.
func Fault(err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	kind := fault.Kind(client.ReasonOf(err))
	switch {
	case kind != "":
	case s.Code() == codes.DeadlineExceeded || s.Code() == codes.Canceled:
		kind = fault.Unavailable
	default:
		return err
	}
	next := client.NextOf(err)
	return fault.New(kind, "%s", strings.TrimSuffix(s.Message(), ": "+next)).Next("%s", next).At(client.FieldOf(err))
}

// fail writes an error.
func (c *Call) fail(err error) {
	var known web.Problem
	switch {
	case errors.Is(err, errAnswered):
		return
	case errors.Is(err, errSignIn):
		c.askToSignIn(c.ended)
		return
	case status.Code(err) == codes.Unauthenticated && c.Session != nil:
		c.forget()
		c.askToSignIn(client.MessageOf(err))
		return
	case !errors.As(err, &known):
		pages := web.Pages{Log: c.Log, Now: c.Now, Title: "That did not work", Next: "Go back and try again."}
		err = Fault(err)
		known = pages.Explain(c.R.Context(), err)
		c.Log.InfoContext(c.R.Context(), "console: a page was refused", "page", c.R.Pattern, "code", known.Code, "error", err)
		web.SetRetryAfter(c.W.Header(), err)
	}
	if err := c.Render(known.Status, "problem", known.Title, known); err != nil {
		c.Log.ErrorContext(c.R.Context(), "cannot render a page", "error", err)
	}
}

// SignIn is the page for whoever has no session, or none any more.
type SignIn struct {
	Next string // where they come back to
	Front
}

// Front is what a page before the sign-in knows of the ways in.
type Front struct {
	Connected bool   // there is a connector to sign in with
	RootToken bool   // the root token may be typed in here
	Home      string // where it may not, the address that is asked for
	Ended     string // why the session that the browser had is none any more; may be empty
}

// Front finds the ways in.
func (c *Call) Front() (Front, error) {
	known, err := c.API.Pach.GetSignIn(c.Context, &pach.GetSignInRequest{})
	return Front{Connected: known.GetConnected(), RootToken: c.TakesRootToken(c.R), Home: c.Home(c.R).String(), Ended: c.ended}, err
}

// askToSignIn shows whoever has no session how to begin one; they come back to the
// page that they asked for.
func (c *Call) askToSignIn(why string) {
	c.Session = nil
	c.ended = why
	page := SignIn{Next: Root}
	if c.R.Method == http.MethodGet {
		page.Next = local(c.R.URL.RequestURI()).String()
	}
	var err error
	if page.Front, err = c.Front(); err == nil {
		err = c.Render(http.StatusUnauthorized, "sign-in", "Sign in", page)
	}
	if err != nil {
		c.Log.ErrorContext(c.R.Context(), "cannot render a page", "error", err)
	}
}

// Sorted are the keys of a set, in order.
func Sorted[V any](set map[string]V) []string { return slices.Sorted(maps.Keys(set)) }

// Path is that of a page, each part of it in one segment.
func Path(parts ...string) string {
	for n, part := range parts {
		parts[n] = url.PathEscape(part)
	}
	return Root + strings.Join(parts, "/")
}

// Words are what an error says is wrong, and what to do next.
func Words(err error) (what, next string) {
	line := max(client.LineOf(err), fault.LineOf(err))
	err = Fault(err)
	what = fault.What(err)
	if line > 0 {
		what += fmt.Sprintf(" (line %d)", line)
	}
	return what, fault.NextOf(err)
}

// Mendable reports whether the person can correct what they wrote.
func Mendable(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.AlreadyExists, codes.Unavailable:
		return true
	}
	return fault.Is(err, fault.Invalid)
}
