package console

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc"

	"pachyderm/api"
	"pachyderm/internal/secret"
	"pachyderm/internal/web/console/connectors"
	"pachyderm/internal/web/console/data"
	"pachyderm/internal/web/console/overview"
	"pachyderm/internal/web/console/page"
	"pachyderm/internal/web/console/people"
	"pachyderm/internal/web/console/records"
	"pachyderm/internal/web/console/traces"
)

// Issuer is what the console needs to know of the server that it is on.
type Issuer interface {
	http.Handler
	// LegacyRedirect is an address on the host of the server, and Outside what
	// browsers have for one.
	LegacyRedirect() string
	Outside(ctx context.Context, address string) string
	StayOnHTTPS(h http.Header)
}

// SignIns begins sign-ins of browsers, and hands their sessions to whoever takes them.
type SignIns interface {
	StartInBrowser(w http.ResponseWriter, r *http.Request, next string, again bool) (loginURL string, err error)
	SignedInBrowsers(begun func(w http.ResponseWriter, r *http.Request, session secret.Text, next string))
}

// Config is what a Console is made from.
type Config struct {
	// Conn is a connection to the server that the console is part of.
	Conn   grpc.ClientConnInterface
	Issuer Issuer
	Login  SignIns
	Sealer *secret.Sealer
	Log    *slog.Logger
	Now    func() time.Time
	// PublicHost is the host of the gRPC API as clients know it, or "", and GRPC
	// where it listens.
	PublicHost, GRPC string
}

// Console serves the pages.
type Console struct {
	with Config
	mux  *http.ServeMux
}

// New makes a console; call it before requests are served.
func New(with Config) *Console {
	c := &Console{with: with, mux: http.NewServeMux()}
	site := &page.Site{
		API: api.NewClients(with.Conn), Log: with.Log, Now: with.Now, Home: c.home, GRPC: c.grpc,
		SignIn: with.Login.StartInBrowser, Sealer: with.Sealer,
	}
	with.Login.SignedInBrowsers(site.SignedInAs)
	c.routes(site)
	return c
}

// ServeHTTP serves what is below page.Root, and the first page of the host: browsers
// are sent to the console, and whoever looks whether the server is there is answered
// as upstream's answers.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.with.Issuer.StayOnHTTPS(w.Header())
	switch {
	case strings.HasPrefix(r.URL.Path, page.Root):
		c.mux.ServeHTTP(w, r)
		return
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		w.Header().Set("Vary", "Accept")
		http.Redirect(w, r, page.Root, http.StatusSeeOther)
		return
	}
	w.Header().Set("Vary", "Accept")
	c.with.Issuer.ServeHTTP(w, r)
}

func (c *Console) routes(s *page.Site) {
	c.mux.HandleFunc("GET "+page.Root+"assets/", page.ServeAsset)
	c.mux.Handle(page.Root, s.Public(page.NotFound))
	public := map[string]page.Handler{
		"GET {$}": first, "GET sign-in": signIn, "POST sign-in": startSignIn, "GET root-token": rootToken, "POST root-token": useRootToken,
	}
	maps.Copy(public, connectors.SetupRoutes())
	signedIn := map[string]page.Handler{
		"POST sign-out": signOut, "POST sessions/end": endSession, "GET explain": explain,
	}
	for pattern, h := range public {
		c.mux.Handle(below(pattern), s.Public(h))
	}
	for _, area := range []map[string]page.Handler{
		connectors.Routes(), data.Routes(), overview.Routes(), people.Routes(), records.Routes(), traces.Routes(),
	} {
		maps.Copy(signedIn, area)
	}
	for pattern, h := range signedIn {
		c.mux.Handle(below(pattern), s.SignedIn(h))
	}
}

// below is a pattern of ServeMux whose path is below the console's.
func below(pattern string) string {
	method, path, _ := strings.Cut(pattern, " ")
	return method + " " + page.Root + path
}

// home is where browsers reach this server, and where their cookies are for.
func (c *Console) home(r *http.Request) *url.URL {
	u, err := url.Parse(c.with.Issuer.Outside(r.Context(), c.with.Issuer.LegacyRedirect()))
	if err != nil {
		return &url.URL{Scheme: "http", Host: r.Host}
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}
}

// grpc is the address of the gRPC API in the configuration of pachctl.
func (c *Console) grpc(r *http.Request) string {
	home, scheme := c.home(r), "grpc://"
	if home.Scheme == "https" {
		scheme = "grpcs://"
	}
	if c.with.PublicHost != "" {
		return scheme + c.with.PublicHost
	}
	_, port, err := net.SplitHostPort(c.with.GRPC)
	if err != nil {
		port = "30650"
	}
	return scheme + net.JoinHostPort(home.Hostname(), port)
}
