package console_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pachyderm/api/auth"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/config"
	"pachyderm/internal/pachd/pachdtest"
)

// forms is every form of the console with a session, and a page that leads to it.
func forms() map[string]url.Values {
	return map[string]url.Values{
		"sign-out": {}, "sessions/end": {"id": {"none"}},
		"connectors/draft": {"preset": {"oidc"}}, "connectors/draft/test": {}, "connectors/draft/result": {}, "connectors/draft/claims": {},
		"connectors/draft/store": {}, "connectors/draft/watch": {}, "connectors/new/oidc/link": {"id": {"x"}, "name": {"X"}},
		"connectors/links/none/watch": {}, "connectors/links/none/approve": {}, "connectors/links/none/delete": {},
		"connectors/of/demo/check": {}, "connectors/of/demo/test": {}, "connectors/of/demo/result": {}, "connectors/of/demo/edit": {},
		"connectors/of/demo/approve": {}, "connectors/of/demo/delete": {}, "connectors/of/demo/enable": {}, "connectors/of/demo/disable": {},
		"connectors/of/demo/confirm": {}, "connectors/of/demo/rollback": {}, "connectors/of/demo/plan": {},
		"people/of/alice@example.com/disable": {}, "people/of/alice@example.com/enable": {}, "people/of/alice@example.com/end": {},
		"people/of/alice@example.com/session": {"id": {"none"}}, "people/of/alice@example.com/link": {"id": {"none"}},
		"people/of/alice@example.com/unlink": {"id": {"none"}},
		"people/of/alice@example.com/rename": {"new": {"mallory@example.com"}},
		"people/unused/disable":              {"days": {"90"}},
		"access/grant":                       {"principal": {"user:mallory@example.com"}, "type": {"CLUSTER"}, "role": {"clusterAdmin"}},
		"access/max-age":                     {"principal": {"group:admins"}, "type": {"CLUSTER"}, "age": {"30m"}},
		"applications/new":                   {"id": {"app"}, "name": {"App"}, "redirects": {"https://app.example.com/"}},
		"applications/of/app":                {}, "applications/of/app/secret": {}, "applications/of/app/delete": {},
		"settings": {"issuer": {""}},
	}
}

func (v visit) post(path string, values url.Values, header ...string) (status int, text string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.s.HTTP+"/console/"+path, strings.NewReader(values.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := v.Client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func with(values url.Values, token string) url.Values {
	out := url.Values{}
	for k, v := range values {
		out[k] = v
	}
	out.Set("csrf", token)
	return out
}

// Every form, of every area: without the token of the page, from another origin, and
// with that of a session that is over.
func TestForms_OnlyFromAPageOfThisBrowser(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	open(t, s).asAlice()
	v := open(t, s).asRoot()
	token := csrf(t, v.at(""))
	before := open(t, s).asRoot()
	old := csrf(t, before.at(""))
	for path, values := range forms() {
		for name, c := range map[string]struct {
			values url.Values
			header []string
		}{
			"without a token":        {values, nil},
			"with another browser's": {with(values, old), nil},
			"from another site":      {with(values, token), []string{"Sec-Fetch-Site", "cross-site"}},
			"from another host":      {with(values, token), []string{"Sec-Fetch-Site", "same-site"}},
			"from another origin":    {with(values, token), []string{"Origin", "https://evil.example.com"}},
		} {
			if status, text := v.post(path, c.values, c.header...); status != http.StatusForbidden || !strings.Contains(text, "This form was not taken") {
				t.Errorf("%s %s: %d", path, name, status)
			}
		}
		if status, text := open(t, s).post(path, with(values, token)); status != http.StatusUnauthorized || !strings.Contains(text, "Sign in") {
			t.Errorf("%s without a session: %d", path, status)
		}
	}
	for _, path := range []string{"sign-in", "root-token"} {
		if status, _ := open(t, s).post(path, url.Values{"token": {s.RootToken}}); status != http.StatusForbidden {
			t.Errorf("%s without a token: %d", path, status)
		}
	}
	// The form of a session that is over; its browser has another.
	v.want(v.send("", "sign-out", url.Values{}), http.StatusOK, "Welcome")
	v.asRoot()
	if status, _ := v.post("sign-out", url.Values{"csrf": {token}}); status != http.StatusForbidden {
		t.Errorf("a form of the session before: %d", status)
	}
	if bound, err := s.Bound(s.Root(), pachdtest.Cluster()); err != nil || bound["user:mallory@example.com"] != nil {
		t.Errorf("%v, %v", bound, err)
	}
}

func TestSignIn_OnlyInTheBrowserThatBegan(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	mallory, victim := open(t, s), open(t, s)
	mallory.Stop = func(u *url.URL) bool { return u.Path == "/authorization-code/callback" }
	login := mallory.Submit(mallory.at(""), nil)
	back := mallory.Submit(login, map[string]string{"email": optest.Bob.Email, "password": optest.Bob.Password})
	if back.URL.Path != "/authorization-code/callback" {
		t.Fatalf("mallory is at %s", back.URL)
	}
	victim.want(victim.Get(back.URL.String()), http.StatusForbidden, "did not begin in this browser")
	if p := victim.at(""); strings.Contains(p.Text(), "bob@example.com") {
		t.Errorf("the victim is bob now: %s", p.Text())
	}
	// Whoever has the state cannot wait for the session.
	if res, err := s.API.Auth.Authenticate(t.Context(), &auth.AuthenticateRequest{OidcState: back.URL.Query().Get("state")}); err == nil {
		t.Errorf("whoever waits got %q", res.GetPachToken())
	}
	mallory.Stop = nil
	mallory.want(mallory.Get(back.URL.String()), http.StatusOK, "user:bob@example.com")
	mallory.want(mallory.Get(back.URL.String()), http.StatusUnauthorized, "expired, or it was used before")
}

func TestSession_CookieIsNewAtEachSignIn(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	home, err := url.Parse(s.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	v := open(t, s)
	planted := "pach_planted_by_somebody_else_ABCDEFG"
	v.Client.Jar.SetCookies(home, []*http.Cookie{{Name: "pach-console", Value: planted}})
	v.asAlice()
	held := func() string {
		for _, c := range v.Client.Jar.Cookies(home) {
			if c.Name == "pach-console" {
				return c.Value
			}
		}
		return ""
	}
	first := held()
	if first == planted || first == "" {
		t.Fatalf("the session is %q", first)
	}
	p := v.press(v.at("sign-in?next=/console/explain"), "/console/sign-in")
	v.want(v.Submit(p, map[string]string{"email": optest.Alice.Email, "password": optest.Alice.Password}), http.StatusOK, "the engine")
	if second := held(); second == first || second == "" {
		t.Errorf("the session is %q, and was %q", second, first)
	}
	if _, err := s.WhoAmI(pachdtest.As(t.Context(), first)); err == nil {
		t.Error("the session before is still good")
	}
}

// On https the cookie is one that no other host can plant and no script reads.
func TestSession_CookieOnHTTPS(t *testing.T) {
	s := pachdtest.Start(t, func(c *config.Config) { c.PublicURL, c.Insecure = "https://pach.example.com", true })
	v := open(t, s)
	seen := map[string]*http.Cookie{}
	v.Client.Transport = toServer{s, func(c *http.Cookie) { seen[c.Name] = c }}
	form := v.Get("https://pach.example.com/console/root-token")
	p := v.Post("https://pach.example.com/console/root-token", url.Values{"csrf": {csrf(t, form)}, "token": {s.RootToken}})
	v.want(p, http.StatusOK, "pach:root")
	if got := p.Header.Get("Strict-Transport-Security"); got == "" {
		t.Error("browsers are not told to stay on https")
	}
	for _, name := range []string{"__Host-pach-console", "__Host-pach-visitor"} {
		c := seen[name]
		if c == nil || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
			t.Errorf("%s is %v", name, c)
		}
	}
}

func TestSession_DisabledPersonIsStoppedAtTheNextCall(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	alice, root := open(t, s), open(t, s).asRoot()
	alice.asAlice()
	const at = "/console/people/of/alice@example.com"
	root.want(root.press(root.at("people/of/alice@example.com"), at+"/disable"), http.StatusOK, "kept out")
	alice.want(alice.at(""), http.StatusOK, "Welcome", "disabled")
	root.want(root.press(root.at("people/of/alice@example.com"), at+"/enable"), http.StatusOK, "may sign in again")
	alice.asAlice()
	page := alice.at("explain")
	root.want(root.press(root.at("people/of/alice@example.com"), at+"/disable"), http.StatusOK, "kept out")
	alice.want(alice.press(page, "/console/sign-out"), http.StatusUnauthorized, "disabled", "Sign in again to go on")
	root.want(root.press(root.at("people/of/alice@example.com"), at+"/end"), http.StatusOK, "Everything ended", "sessions and tokens")
}

func TestDangerous_AsksForARecentSignIn(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	open(t, s).asAlice()
	v := open(t, s).asRoot()
	form := v.at("access/grant?principal=user:alice@example.com&type=CLUSTER")
	s.Ahead(16 * time.Minute)
	again := v.press(form, "/console/access/grant", "role", "clusterAdmin")
	v.want(again, http.StatusForbidden, "Sign in again", "nothing was changed")
	if bound, err := s.Bound(s.Root(), pachdtest.Cluster()); err != nil || bound["user:alice@example.com"] != nil {
		t.Fatalf("%v, %v", bound, err)
	}
	for path, values := range forms() {
		if path == "sign-out" {
			continue
		}
		p := v.send("", path, values)
		isDangerous := strings.Contains(p.Text(), "Sign in again")
		want := strings.HasSuffix(path, "/store") || strings.HasSuffix(path, "demo/edit") || strings.HasSuffix(path, "/approve") ||
			strings.HasSuffix(path, "demo/enable") || strings.HasSuffix(path, "demo/disable") || strings.HasSuffix(path, "/confirm") ||
			strings.HasSuffix(path, "/rollback") ||
			strings.HasSuffix(path, "/delete") && !strings.HasPrefix(path, "connectors/links/") ||
			strings.HasSuffix(path, "/end") && path != "sessions/end" || strings.HasSuffix(path, "/link") ||
			strings.HasSuffix(path, "/rename") || path == "people/unused/disable" ||
			path == "access/grant" || path == "access/max-age" || strings.HasSuffix(path, "/secret") || path == "settings"
		if isDangerous != want {
			t.Errorf("%s asks for a recent sign-in: %v, want %v: %s", path, isDangerous, want, p.Text())
		}
	}
}

// toServer takes requests for any host to a server.
type toServer struct {
	s   *pachdtest.Server
	set func(*http.Cookie) // is told of each cookie that is set; may be nil
}

func (to toServer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = r.URL.Host
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(to.s.HTTP, "http://")
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && to.set != nil {
		for _, c := range res.Cookies() {
			to.set(c)
		}
	}
	return res, err
}

// The root token may be typed in only where nobody on the way can read it.
func TestRootToken_NotByHTTPFromElsewhere(t *testing.T) {
	s := pachdtest.Start(t, func(c *config.Config) { c.PublicURL, c.Insecure = "http://pach.example.com", true })
	s.Connect()
	v := open(t, s)
	v.Client.Transport = toServer{s, nil}
	page := v.Get("http://pach.example.com/console/root-token")
	v.want(page, http.StatusForbidden, "everybody on the way could read", "https")
	front := v.Get("http://pach.example.com/console/")
	if strings.Contains(front.Body, "root-token") {
		t.Errorf("the first page: %s", front.Text())
	}
	p := v.Post("http://pach.example.com/console/root-token", url.Values{"csrf": {csrf(t, v.Get("http://pach.example.com/console/sign-in"))}, "token": {s.RootToken}})
	v.want(p, http.StatusForbidden, "everybody on the way could read")
}
