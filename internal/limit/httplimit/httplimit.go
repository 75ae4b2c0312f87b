package httplimit

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/limit"
	"pachyderm/internal/limit/guess"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
	"pachyderm/internal/web/console/page"
	"pachyderm/internal/web/theme"
)

// Issuer is what the limits need to know of the issuer.
type Issuer interface {
	URL() string // in which its endpoints are
	StayOnHTTPS(h http.Header)
}

// Config is what limits are made from.
type Config struct {
	Limits  *limit.Limits
	Guesses *guess.Guesses
	Issuer  Issuer
	Log     *slog.Logger
	Now     func() time.Time
}

type limited struct {
	Config
	pages web.Pages
	next  http.Handler
}

// New holds requests to the limits, and hands on what is within them.
func New(c Config, next http.Handler) http.Handler {
	pages := web.Pages{Log: c.Log, Now: c.Now, Title: "Please wait a moment", Next: "Try again later."}
	return limited{c, pages, next}
}

func (l limited) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client := l.Limits.Proxies.Client(r.RemoteAddr, r.Header.Values("X-Forwarded-For"))
	r = r.WithContext(limit.NewContext(r.Context(), client))
	err := l.admit(w, r, client.Network)
	var g *guessed
	if err == nil {
		g, err = l.guess(w, r, client.Network)
	}
	switch {
	case err != nil:
	case g != nil:
		err = l.serveGuess(w, r, client.Network, g)
	default:
		l.next.ServeHTTP(w, r)
	}
	if err != nil {
		l.refuse(w, r, err)
	}
}

// Path is that of a request below the issuer's.
func Path(i Issuer, r *http.Request) string {
	path := r.URL.Path
	if u, err := url.Parse(i.URL()); err == nil {
		path = strings.TrimPrefix(path, u.Path)
	}
	return path
}

// longForm is what no form of ours is longer than, in bytes: only what an
// identity provider has a browser post is.
const longForm = 16 << 10

// admit counts a request against its network.
func (l limited) admit(w http.ResponseWriter, r *http.Request, network string) error {
	if r.Method == http.MethodPost && r.ContentLength < 0 || r.ContentLength > longForm {
		size := r.ContentLength
		if size < 0 {
			size = browser.MaxForm
		}
		if err := l.Limits.Admit(limit.Uploads, network, "", int(min(size, browser.MaxForm)>>10)); err != nil {
			return err
		}
	}
	path := Path(l.Issuer, r)
	isLogin := strings.HasPrefix(path, "/auth/") && strings.HasSuffix(path, "/login")
	switch {
	case strings.HasPrefix(path, "/auth/") && !isLogin && r.Method != http.MethodGet && r.Method != http.MethodHead:
		return errNotGet() // Dex would keep what was asked, and then refuse it
	case r.Method == http.MethodPost && r.URL.Path == page.Root+"sign-in",
		path == "/auth" && !r.URL.Query().Has("req"), strings.HasPrefix(path, "/auth/") && !isLogin, path == "/logout":
		return l.Limits.Admit(limit.SignIns, network, "", 1)
	}
	if kind, ok := ofApplications(path); ok {
		return l.admitClient(w, r, kind, network)
	}
	return nil
}

// ofApplications are the endpoints that applications post forms to, and what that
// counts as.
func ofApplications(path string) (kind limit.Kind, ok bool) {
	switch path {
	case "/token", "/revoke", "/introspect":
		return limit.Tokens, true
	case "/device/code":
		return limit.DeviceCodes, true
	}
	return kind, false
}

func errNotGet() error {
	return web.Problem{
		Status: http.StatusMethodNotAllowed, Title: "This address is opened with GET", What: "A form was sent to it.",
		Next: "Tell whoever runs the application that sent you here.",
	}
}

// admitClient also counts against the OIDC client that a form, or basic
// authentication, names.
func (l limited) admitClient(w http.ResponseWriter, r *http.Request, k limit.Kind, network string) error {
	form, err := endpoint.ParseForm(w, r)
	if err != nil {
		return err
	}
	client := form.Get("client_id")
	if id, _, ok := r.BasicAuth(); ok {
		client = id
	}
	return l.Limits.Admit(k, network, client, 1)
}

// refuse answers an application in its way (RFC 6749, 5.2; RFC 8628, 3.5), and
// everybody else with a page.
func (l limited) refuse(w http.ResponseWriter, r *http.Request, err error) {
	theme.SetHeaders(w.Header())
	l.Issuer.StayOnHTTPS(w.Header())
	if _, ok := ofApplications(Path(l.Issuer, r)); !ok {
		l.pages.Fail(w, r, err)
		return
	}
	var no *endpoint.Error
	if !errors.As(err, &no) {
		no = &endpoint.Error{Status: http.StatusTooManyRequests, Code: "temporarily_unavailable", Description: fault.Message(err)}
		if r.PostForm.Get("grant_type") == "urn:ietf:params:oauth:grant-type:device_code" {
			no.Code = "slow_down"
		}
		web.SetRetryAfter(w.Header(), err)
	}
	no.Write(w)
}
