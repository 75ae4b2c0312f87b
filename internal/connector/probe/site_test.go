package probe_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

const callback = "https://pach.example.com/callback"

// answers is a site by path; what is missing there is not found.
type answers map[string]http.HandlerFunc

func (a answers) start(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := a[r.URL.Path]; ok {
			h(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// fails answers a code that was made up, depending on the secret.
func fails(known, unknown string, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		code := unknown
		if r.PostFormValue("client_secret") == "s3cret" {
			code = known
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error": "`+code+`"}`)
	}
}

// giteas answers as Gitea and Forgejo do (routers/web/auth/oauth2_provider.go
// there): every refusal but that of the client ID is unauthorized_client.
func giteas(registered string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		code, description := "unauthorized_client", "client is not authorized"
		switch {
		case r.PostFormValue("client_id") != "pach":
			code, description = "invalid_client", "cannot load client with client id: 'pach'"
		case r.PostFormValue("client_secret") != "s3cret":
			description = "invalid client secret"
		case r.PostFormValue("redirect_uri") != registered:
			description = "unexpected redirect URI"
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error": "`+code+`", "error_description": "`+description+`"}`)
	}
}

// says answers unauthorized_client with a description made of the secret that
// was sent and the number of the answer.
func says(describe func(secret string, n int) string) http.HandlerFunc {
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		n++
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error": "unauthorized_client", "error_description": %q}`, describe(r.PostFormValue("client_secret"), n))
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}
}

func TestSite_Check(t *testing.T) {
	back := redirect(callback + "?error=login_required")
	for name, c := range map[string]struct {
		token, auth http.HandlerFunc
		want, says  string
	}{
		"good":            {fails("invalid_grant", "invalid_client", 400), back, "credentials:o callback:o", "knows the client ID and the secret"},
		"GitHub":          {fails("bad_verification_code", "incorrect_client_credentials", 200), back, "credentials:o callback:o", "sends people back"},
		"a wrong secret":  {fails("invalid_client", "invalid_client", 401), back, "credentials:f callback:o", "check clientID and clientSecret"},
		"a wrong client":  {fails("", "", 404), back, "credentials:f callback:o", "(Not Found)"},
		"whatever it is":  {fails("invalid_grant", "invalid_grant", 400), back, "credentials:s callback:o", "cannot be checked"},
		"something else":  {fails("server_error", "server_error", 400), back, "credentials:s callback:o", "inconclusive (HTTP status 400, server_error)"},
		"Gitea":           {giteas(callback), back, "credentials:o callback:o", "knows the client ID and the secret"},
		"Gitea, callback": {giteas("https://old.example.com/callback"), back, "credentials:f callback:o", "not the callback " + callback},
		"Gitea, public": {
			says(func(string, int) string { return "client is not authorized" }), back, "credentials:f callback:o", `saying "client is not authorized"`,
		},
		"numbered answers": {
			says(func(_ string, n int) string { return fmt.Sprintf("no such client, trace %d", n) }), back, "credentials:f callback:o", "trace 1",
		},
		"a secret repeated": {says(func(secret string, _ int) string { return "not " + secret }), back, "credentials:f callback:o", `saying "not ***"`},
		"another callback":  {fails("invalid_grant", "invalid_client", 400), redirect("/error"), "credentials:o callback:s", "is registered"},
	} {
		t.Run(name, func(t *testing.T) {
			base := answers{"/token": c.token, "/auth": c.auth}.start(t)
			site := probe.Site{
				Base: base,
				OAuth: oauth2.Config{
					ClientID: "pach", ClientSecret: "s3cret", RedirectURL: callback,
					Endpoint: oauth2.Endpoint{AuthURL: base + "/auth?tenant=7", TokenURL: base + "/token"},
				},
			}
			r := probe.New(time.Now)
			site.Check(t.Context(), r)
			if got := statuses(r); got != "dns:o tcp:o tls:o clock:o "+c.want || !strings.Contains(said(r), c.says) {
				t.Errorf("%s; it says %q\nwant %s; %q", got, said(r), c.want, c.says)
			}
			if strings.Contains(said(r), "s3cret") {
				t.Errorf("it shows the secret: %s", said(r))
			}
		})
	}
}

func TestSite_Check_Gitea_Refused(t *testing.T) {
	base := answers{"/token": giteas(callback), "/auth": redirect("/user/login")}.start(t)
	for name, c := range map[string]struct{ id, secret, says string }{
		"secret":    {"pach", "wr0ng", `(unauthorized_client), saying "invalid client secret"`},
		"client ID": {"other", "s3cret", "(invalid_client)"},
	} {
		r := probe.New(time.Now)
		probe.Site{Base: base, OAuth: oauth2.Config{
			ClientID: c.id, ClientSecret: c.secret, RedirectURL: callback,
			Endpoint: oauth2.Endpoint{AuthURL: base + "/auth", TokenURL: base + "/token"},
		}}.Check(t.Context(), r)
		if !strings.Contains(statuses(r), "credentials:f") || !strings.Contains(said(r), c.says) {
			t.Errorf("%s: %s; it says %q", name, statuses(r), said(r))
		}
	}
}

func TestSite_Check_Addresses(t *testing.T) {
	base := answers{}.start(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		site probe.Site
		want string
	}{
		"nothing known":        {probe.Site{}, ""},
		"no OAuth":             {probe.Site{Base: base}, "dns:o tcp:o tls:o clock:o"},
		"nobody there":         {probe.Site{Base: gone.URL, OAuth: oauth2.Config{Endpoint: oauth2.Endpoint{TokenURL: base}}}, "dns:o tcp:f tls:s credentials:s callback:s"},
		"a file that is none":  {probe.Site{Base: base, RootCAs: []string{"/nowhere"}}, "tls:f"},
		"text that is no cert": {probe.Site{Base: base, RootCAs: []string{"-----BEGIN CERTIFICATE-----"}}, "tls:f"},
	} {
		r := probe.New(time.Now)
		c.site.Check(t.Context(), r)
		if got := statuses(r); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestSite_Ping(t *testing.T) {
	base := answers{
		"/broken": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"/away":   redirect("https://elsewhere.example.com/"),
	}.start(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	for name, site := range map[string]probe.Site{
		"any answer": {Base: base}, "an error": {Base: base + "/broken"}, "a redirect": {Base: base + "/away"},
		"nothing known": {}, "any certificate": {Base: secure.URL, AnyCA: true},
	} {
		if err := site.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		site probe.Site
		kind fault.Kind
	}{
		"nobody there":        {probe.Site{Base: gone.URL}, fault.Unavailable},
		"no trust":            {probe.Site{Base: secure.URL}, fault.Unavailable},
		"a file that is none": {probe.Site{Base: base, RootCAs: []string{"/nowhere"}}, fault.Invalid},
	} {
		if err := c.site.Ping(t.Context()); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestJudgeCallback(t *testing.T) {
	for name, c := range map[string]struct {
		status         int
		location, body string
		want           string // "" for a step that cannot tell
		kind           fault.Kind
	}{
		"back":               {302, callback + "?error=login_required&state=x", "", "sends people back to " + callback, ""},
		"back with a code":   {302, callback + "?code=x", "", "sends people back to " + callback, ""},
		"back, refused":      {302, callback + "?error=unauthorized_client", "", "refuses the request (unauthorized_client)", fault.Precondition},
		"to its own page":    {302, "https://id.example.com/login", "", "", ""},
		"its own page":       {200, "", "<h1>Sign in</h1>", "", ""},
		"about the callback": {400, "", "Invalid redirect_uri", "refuses to send people back to " + callback, fault.Precondition},
		"in other words":     {400, "", "Callback URL mismatch", "refuses to send people back", fault.Precondition},
		"about the client":   {401, "", "unknown client", "refuses the beginning of a sign-in (HTTP status 401)", fault.Precondition},
		"to a look-alike":    {302, "https://evil.test/?x=" + callback, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := probe.JudgeCallback(callback, c.status, c.location, c.body)
			switch {
			case c.kind != "":
				if !fault.Is(err, c.kind) || !strings.Contains(fault.Message(err), c.want) {
					t.Errorf("%q, %v", got, err)
				}
			case c.want != "":
				if err != nil || !strings.Contains(got, c.want) {
					t.Errorf("%q, %v", got, err)
				}
			default:
				r := probe.New(time.Now)
				r.Do(probe.Callback, func() (string, error) { return got, err })
				if statuses(r) != "callback:s" {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
}
