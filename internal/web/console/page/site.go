package page

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pachyderm/api"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
	"pachyderm/internal/webaddr"
)

// Root is where the console is.
const Root = "/console/"

const (
	// answerWithin is how long the calls of one page may take, a connector's check
	// and half a minute of waiting for a test included.
	answerWithin = time.Minute
	// Recent is how long ago a sign-in may be for what is dangerous.
	Recent = 15 * time.Minute
	// PageSize is how many items of a list one page has.
	PageSize = 50
)

// Site is what all pages are made with. Its fields are set once.
type Site struct {
	// API calls the server of this process, by the way of every call.
	API api.Clients
	Log *slog.Logger
	Now func() time.Time
	// Home is where browsers reach this server: scheme and host.
	Home func(r *http.Request) *url.URL
	// SignIn begins a sign-in of this browser and returns where to send it; next is
	// the path that it comes back to, and again has the provider ask who it is.
	SignIn func(w http.ResponseWriter, r *http.Request, next string, again bool) (string, error)
	// Sealer keeps drafts with secrets in them from the browser that holds them.
	Sealer *secret.Sealer
	// GRPC is the address of the gRPC API as pachctl knows it.
	GRPC func(r *http.Request) string
}

// Handler answers a call, or says why it cannot.
type Handler func(c *Call) error

// Public serves a page that needs no session; c.Session is nil without one.
func (s *Site) Public(h Handler) http.Handler { return s.serve(h, false) }

// SignedIn serves a page for whoever has a session; others are sent to sign in.
func (s *Site) SignedIn(h Handler) http.Handler { return s.serve(h, true) }

func (s *Site) serve(h Handler, signedIn bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		c, cancel := s.call(w, r)
		defer cancel()
		err := c.admit(signedIn)
		if err == nil {
			err = h(c)
		}
		if err != nil {
			c.fail(err)
		}
	})
}

// secure says whether cookies need https.
func (s *Site) secure(r *http.Request) bool { return s.Home(r).Scheme == "https" }

// session is the cookie that holds a session of the server.
func (s *Site) session(r *http.Request) browser.Cookie {
	return browser.Cookie{Name: "pach-console", Secure: s.secure(r)}
}

// TakesRootToken reports whether the root token may be typed in here: not where
// whoever is on the way could read it.
func (s *Site) TakesRootToken(r *http.Request) bool {
	home := s.Home(r)
	return home.Scheme == "https" || webaddr.IsLoopback(home.Hostname())
}

// SignedInAs gives the browser a session and sends it on. What it had before ends: a
// cookie that somebody planted, or read, is good for nothing then.
func (s *Site) SignedInAs(w http.ResponseWriter, r *http.Request, held secret.Text, next string) {
	setHeaders(w.Header())
	c, cancel := s.call(w, r)
	defer cancel()
	c.End()
	s.session(r).Set(w, held.Reveal())
	to := *s.Home(r)
	http.Redirect(w, r, to.ResolveReference(local(next)).String(), http.StatusSeeOther)
}

// Local is a path of the console, whatever was asked for.
func Local(next string) string { return local(next).String() }

func local(next string) *url.URL {
	u, err := url.Parse(next)
	if err != nil || !strings.HasPrefix(u.Path, Root) || strings.Contains(u.Path, "..") {
		return &url.URL{Path: Root}
	}
	// Of another host it is a path of this one.
	return &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
}

// setHeaders are the security headers: all that a page loads and sends is of its own
// origin. Forms are not held to it: that of a sign-in leads on to the identity
// provider, and browsers apply form-action to that redirect too.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "+
		"connect-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// Problem is an error that a page can show.
type Problem = web.Problem

func notFound() error {
	return Problem{
		Status: http.StatusNotFound, Title: "There is nothing here", What: "This address is not one of the console's.",
		Next: "Choose from the menu, or check the link that brought you here.",
	}
}

// NotFound is for addresses that no page has.
func NotFound(*Call) error { return notFound() }
