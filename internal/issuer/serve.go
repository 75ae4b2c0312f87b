package issuer

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/dexidp/dex/server/authflow"
	"github.com/dexidp/dex/server/consent"
	"github.com/dexidp/dex/server/device"
	"github.com/dexidp/dex/server/discovery"
	"github.com/dexidp/dex/server/grants"
	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/server/router"
	"github.com/dexidp/dex/server/session"
	"github.com/dexidp/dex/server/templates"
	"github.com/dexidp/dex/server/tokens"
	"github.com/gorilla/mux"

	"pachyderm/internal/issuer/flow"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trial"
	"pachyderm/internal/web"
)

// refreshReuse is how long a rotated refresh token still works, so that a
// client whose answer got lost can ask again.
const refreshReuse = 3

// served is the issuer under one set of settings: Dex's handlers and our guard
// in front of them.
type served struct {
	*Issuer
	settings  registry.Settings
	url       oauth2.IssuerURL
	bind      flow.Binding
	trial     *trial.Page
	dex       http.Handler
	discovery []byte
}

// serve builds the handlers for settings and swaps them in.
func (i *Issuer) serve(s registry.Settings) error {
	p, err := s.Parse(i.PublicURL, i.Insecure)
	if err != nil {
		return err
	}
	out := &served{Issuer: i, settings: s, url: oauth2.IssuerURL{URL: p.Issuer}, bind: flow.Binding{Issuer: p.Issuer}}
	out.trial = &trial.Page{Server: i.trials, Bind: out.bind, Back: out.url.AbsPath("/callback"), Path: out.url.AbsPath("/trial") + "/"}
	_, _, _, pages, err := templates.LoadWebConfig(templates.Config{
		WebFS: web.DexFiles(), Issuer: web.Product, IssuerURL: out.url.String(), Theme: web.DexTheme,
	})
	if err != nil {
		return err
	}
	routes := mux.NewRouter().SkipClean(true).UseEncodedPath()
	m := router.New(router.Config{
		Router:     routes,
		IssuerPath: out.url.Path,
		Instrument: func(_ string, h http.Handler) http.HandlerFunc { return h.ServeHTTP },
	})
	for _, h := range out.handlers(p, pages) {
		h.Mount(m)
	}
	out.dex = routes
	if err := out.makeDiscovery(); err != nil {
		return err
	}
	i.served.Store(out)
	return nil
}

// handlers are the parts of Dex that serve. Left out are those that are not
// ours to offer: logout and home need Dex's sessions, introspection verifies
// RS256 only, and user info is our own for the same reason.
func (s *served) handlers(p registry.Parsed, pages *templates.Templates) []router.Handler {
	log := s.dexLog()
	sessions := &session.Manager{Storage: s.store, Now: s.Now, Logger: log, IssuerURL: s.url} // no Config: off
	issue := tokens.NewIssuer(s.store, s.signer, s.url.URL, p.IDTokens, s.Now, log)
	grantTypes := []string{oauth2.GrantTypeAuthorizationCode, oauth2.GrantTypeRefreshToken, oauth2.GrantTypeDeviceCode}
	responseTypes := map[string]bool{oauth2.ResponseTypeCode: true}
	pkce := []string{oauth2.PKCEMethodS256}
	return []router.Handler{
		&discovery.Handler{
			IssuerURL: s.url, Templates: pages, Signer: s.signer, Logger: log,
			ResponseTypes: responseTypes, GrantTypes: grantTypes, PKCEMethods: pkce,
		},
		&grants.Handler{
			Issuer: issue, Storage: s.store, Connectors: s.cache, Now: s.Now, Logger: log,
			RefreshPolicy: tokens.NewRefreshStrategy(true, p.Refresh, 0, refreshReuse*1e9, s.Now),
			Sessions:      sessions, SupportedGrantTypes: grantTypes,
		},
		&device.Handler{
			IssuerURL: s.url, Storage: s.store, Templates: pages, Now: s.Now, RequestsValidFor: devicesLiveFor,
			Logger: log, Issuer: issue, Connectors: s.cache,
		},
		&authflow.Handler{
			IssuerURL: s.url, Connectors: s.cache, Storage: s.store, Templates: pages, Signer: s.signer, Now: s.Now, Logger: log,
			SupportedResponseTypes: responseTypes, PKCE: authflow.PKCEConfig{CodeChallengeMethodsSupported: pkce},
			AuthRequestsValidFor: loginsLiveFor, Sessions: sessions, Issuer: issue, SkipApproval: true,
		},
		&consent.Handler{
			Storage: s.store, Templates: pages, Logger: log, IssuerURL: s.url, Sessions: sessions, SkipApproval: true,
		},
	}
}

// ServeHTTP puts our rules in front of Dex's handlers, by path.
func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	web.SetHeaders(w.Header())
	s.StayOnHTTPS(w.Header())
	path, below := s.relative(r.URL.Path)
	if !below {
		s.notFound(w, r)
		return
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case path == "/" || path == "":
		s.serveHome(w, r)
	case path == "/.well-known/openid-configuration":
		s.serveDiscovery(w, r)
	case path == "/keys":
		s.withKeys(w, r, s.dex)
	case path == "/token":
		s.withKeys(w, r, http.HandlerFunc(s.serveToken))
	case path == "/userinfo":
		s.withKeys(w, r, http.HandlerFunc(s.serveUserInfo))
	case path == "/auth":
		s.serveAuth(w, r)
	case first == "callback", first == "auth" && strings.HasSuffix(rest, "/login"):
		s.serveStep(w, r)
	case first == "auth":
		s.serveStart(w, r, rest)
	case first == "trial":
		if !s.rehost(w, r) && s.parsed(w, r) {
			s.trial.Serve(w, r, rest)
		}
	case path == "/saml/request":
		s.serveSAMLRequest(w, r)
	case first == "saml":
		s.serveSAMLMetadata(w, r, rest)
	case path == "/device/code":
		s.serveDeviceCode(w, r)
	case path == "/device/auth/verify_code":
		s.serveDeviceVerify(w, r)
	case path == "/device", path == "/device/callback":
		s.withKeys(w, r, s.dex)
	case path == "/approval":
		s.dex.ServeHTTP(w, r)
	default:
		s.notFound(w, r)
	}
}

// StayOnHTTPS tells browsers, where the issuer is https, never to come back in
// plain text (RFC 6797). It says nothing of other hosts of the domain.
func (i *Issuer) StayOnHTTPS(h http.Header) {
	if i.served.Load().url.Scheme == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// relative is a request's path below the issuer's.
func (s *served) relative(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, s.url.Path)
	return rest, ok && (rest == "" || rest[0] == '/')
}

func (s *served) withKeys(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if err := s.waitForKeys(r.Context()); err == nil {
		next.ServeHTTP(w, r)
	}
}

func (s *served) notFound(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, http.StatusNotFound, web.Problem{Title: "There is nothing here", What: "This address is not one of Pachyderm's.", Next: "Check the link that brought you here."})
}

// serveHome answers load balancers, as upstream's identity service does.
func (s *served) serveHome(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("200 OK"))
}

func (s *served) problem(w http.ResponseWriter, r *http.Request, status int, p web.Problem) {
	if err := web.Render(w, status, p); err != nil {
		s.Log.ErrorContext(r.Context(), "cannot render a page", "error", err)
	}
}

// Connected reports whether there is a connector to sign in with.
func (i *Issuer) Connected(ctx context.Context) (bool, error) {
	all, err := i.Rows(ctx)
	return len(all) > 0, err
}

func isDeviceRedirect(uri, issuerPath string) bool {
	return slices.Contains([]string{oauth2.DeviceCallbackURI, issuerPath + oauth2.DeviceCallbackURI}, uri)
}
