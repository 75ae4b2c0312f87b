package issuer

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/dexidp/dex/server/authflow"
	"github.com/dexidp/dex/server/consent"
	"github.com/dexidp/dex/server/discovery"
	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/server/router"
	"github.com/dexidp/dex/server/session"
	"github.com/dexidp/dex/server/templates"
	"github.com/dexidp/dex/server/tokens"
	"github.com/gorilla/mux"

	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/issuer/logout"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
	"pachyderm/internal/web/theme"
)

// rememberFor is how long a browser remembers the connector that it took last.
const rememberFor = 365 * 24 * time.Hour

// handler is the issuer under one set of settings: Dex's handlers and our rules
// in front of them.
type handler struct {
	issuer    *Issuer
	settings  settings.Settings
	url       oauth2.IssuerURL
	cookie    browser.Cookie // binds a login to the browser it began in
	last      browser.Cookie // remembers the connector that was taken last
	pages     web.Pages
	test      *connectortest.Handler
	grants    *grant.Server
	logout    *logout.Handler
	device    *device.Handler
	dex       http.Handler
	discovery []byte
}

// build makes the handler for settings. Fault: Invalid for a value that could
// not work.
func (i *Issuer) build(s settings.Settings) (*handler, error) {
	p, err := s.Parse(i.with.PublicURL, i.with.Insecure)
	if err != nil {
		return nil, err
	}
	https := p.Issuer.Scheme == "https"
	h := &handler{
		issuer: i, settings: s, url: oauth2.IssuerURL{URL: p.Issuer},
		cookie: browser.Cookie{Name: "pach-login", Secure: https},
		last:   browser.Cookie{Name: "pach-connector", Secure: https, MaxAge: rememberFor},
		pages:  web.Pages{Log: i.with.Log, Now: i.with.Now, Title: "You are not signed in", Next: "Try again."},
	}
	h.test = &connectortest.Handler{
		Tests: i.tests, Cookie: h.cookie, Pages: h.pages, Back: h.url.AbsPath("/callback"), Path: h.url.AbsPath("/connector-test") + "/",
	}
	_, _, _, pages, err := templates.LoadWebConfig(templates.Config{
		WebFS: web.DexFiles(), Issuer: theme.Product, IssuerURL: h.url.String(), Theme: web.DexTheme,
	})
	if err != nil {
		return nil, err
	}
	h.device = &device.Handler{
		DB: i.with.DB, Log: i.with.Log, Now: i.with.Now, URL: h.url, Cookie: h.cookie, Pages: h.pages, Templates: pages, ClientName: i.clientName,
	}
	h.grants = i.grantServer(h.url, p, h.device.IsRedirect)
	h.logout = &logout.Handler{JWS: h.grants.JWS, Pages: h.pages, Client: i.store.GetClient, End: i.RefreshTokens.SignOut}
	h.device.Approve = h.grants.Approve
	routes := mux.NewRouter().SkipClean(true).UseEncodedPath()
	m := router.New(router.Config{
		Router:     routes,
		IssuerPath: h.url.Path,
		Instrument: func(_ string, inner http.Handler) http.HandlerFunc { return inner.ServeHTTP },
	})
	for _, part := range i.dexHandlers(h.url, p, pages) {
		part.Mount(m)
	}
	h.dex = routes
	return h, h.makeDiscovery()
}

// dexHandlers are the parts of Dex that serve: a login, up to its code. What
// comes of that is package grant's (decision 0019). Left out are also those that
// are not ours to offer: logout and home need Dex's sessions, and introspection
// verifies RS256 only.
func (i *Issuer) dexHandlers(url oauth2.IssuerURL, p settings.Parsed, pages *templates.Templates) []router.Handler {
	log, now := i.dexLog(), i.with.Now
	sessions := &session.Manager{Storage: i.store, Now: now, Logger: log, IssuerURL: url} // no Config: off
	issue := tokens.NewIssuer(i.store, i.Keys, url.URL, p.IDTokens, now, log)
	responseTypes := map[string]bool{oauth2.ResponseTypeCode: true}
	pkce := []string{oauth2.PKCEMethodS256}
	return []router.Handler{
		&discovery.Handler{
			IssuerURL: url, Templates: pages, Signer: i.Keys, Logger: log,
			ResponseTypes: responseTypes, GrantTypes: grant.Types(), PKCEMethods: pkce,
		},
		&authflow.Handler{
			IssuerURL: url, Connectors: i.cache, Storage: i.store, Templates: pages, Signer: i.Keys, Now: now, Logger: log,
			SupportedResponseTypes: responseTypes, PKCE: authflow.PKCEConfig{CodeChallengeMethodsSupported: pkce},
			AuthRequestsValidFor: loginsLiveFor, Sessions: sessions, Issuer: issue, SkipApproval: true,
		},
		&consent.Handler{
			Storage: i.store, Templates: pages, Logger: log, IssuerURL: url, Sessions: sessions, SkipApproval: true,
		},
	}
}

// grantServer serves what comes of a code under a set of settings.
func (i *Issuer) grantServer(url oauth2.IssuerURL, p settings.Parsed, isDevice func(redirectURI string) bool) *grant.Server {
	return &grant.Server{
		Store: i.Grants, Log: i.with.Log, JWS: jws.Issuer{Name: url.String(), Signer: i.Keys, Keys: i.Keys.For, Now: i.with.Now},
		Audience:   url.AbsURL("/userinfo"),
		TokensLive: p.IDTokens, RefreshLives: p.Refresh, DevicesLive: devicesLiveFor,
		Client: i.client, LearntPKCE: oidcclient.LearntPKCE, Refresh: i.Providers.Refresh, Exchange: i.with.Exchange,
		VerificationURI: func(ctx context.Context) string { return i.Outside(ctx, url.AbsURL("/device")) }, IsDevice: isDevice,
	}
}

// ServeHTTP serves a request, and answers what a handler could not do.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	theme.SetHeaders(w.Header())
	h.issuer.StayOnHTTPS(w.Header())
	path, below := h.relative(r.URL.Path)
	err := web.NothingHere()
	if below {
		err = h.route(w, r, path)
	}
	if err != nil {
		h.fail(w, r, err)
	}
}

// route puts our rules in front of Dex's handlers, by path.
func (h *handler) route(w http.ResponseWriter, r *http.Request, path string) error {
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case path == "/" || path == "":
		return serveHome(w)
	case path == "/.well-known/openid-configuration":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(h.discovery) //nolint:gosec // JSON that we made
		return nil
	case path == "/keys":
		return h.withKeys(w, r, h.serveDex)
	case path == "/connector-keys":
		return h.issuer.clientKeys.Serve(w, r)
	case path == "/token":
		return h.withKeys(w, r, h.grants.ServeToken)
	case path == "/userinfo":
		return h.withKeys(w, r, h.grants.ServeUserInfo)
	case path == "/revoke":
		return h.withKeys(w, r, h.grants.ServeRevocation)
	case path == "/introspect":
		return h.withKeys(w, r, h.grants.ServeIntrospection)
	case path == "/logout":
		return h.withKeys(w, r, h.logout.ServeHTTP)
	case path == "/auth":
		return h.serveAuth(w, r)
	case first == "callback", first == "auth" && strings.HasSuffix(rest, "/login"):
		return h.serveStep(w, r)
	case first == "auth":
		return h.serveStart(w, r, rest)
	case first == "connector-test":
		return h.serveTest(w, r, rest)
	case path == "/saml/request":
		return h.serveSAMLRequest(w, r)
	case first == "saml":
		return h.serveSAMLMetadata(w, r, rest)
	case path == "/device":
		return h.device.ServePage(w, r)
	case path == "/device/code":
		return h.grants.ServeDevice(w, r)
	case path == "/device/callback":
		return h.device.ServeCallback(w, r)
	case path == "/device/auth/verify_code":
		return h.device.ServeVerify(w, r)
	case path == "/approval":
		return h.serveEnd(w, r)
	}
	return web.NothingHere()
}

// fail answers an application in its way, and everybody else with a page.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var no *endpoint.Error
	var refused *refusal
	switch {
	case errors.As(err, &no):
		no.Write(w)
	case errors.As(err, &refused):
		h.refuse(w, r, refused)
	default:
		h.pages.Fail(w, r, err)
	}
}

// StayOnHTTPS tells browsers, where the issuer is https, never to come back in
// plain text (RFC 6797). It says nothing of other hosts of the domain.
func (i *Issuer) StayOnHTTPS(h http.Header) {
	if i.current.Load().url.Scheme == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// relative is a request's path below the issuer's.
func (h *handler) relative(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, h.url.Path)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// withKeys waits until there are signing keys, or the client has gone.
func (h *handler) withKeys(w http.ResponseWriter, r *http.Request, next web.HandlerFunc) error {
	if err := h.issuer.Keys.Wait(r.Context()); err != nil {
		return nil //nolint:nilerr // nobody is there to tell
	}
	return next(w, r)
}

func (h *handler) serveDex(w http.ResponseWriter, r *http.Request) error {
	h.dex.ServeHTTP(w, r)
	return nil
}

// serveHome answers load balancers, as upstream's identity service does.
func serveHome(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("200 OK"))
	return nil
}

func (h *handler) serveTest(w http.ResponseWriter, r *http.Request, id string) error {
	if h.rehost(w, r) {
		return nil
	}
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	return h.test.Serve(w, r, id)
}

// Connected reports whether there is a connector to sign in with.
func (i *Issuer) Connected(ctx context.Context) (bool, error) {
	all, err := i.Registry.Rows(ctx)
	return len(all) > 0, err
}
