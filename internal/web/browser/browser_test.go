package browser_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
)

func get(t *testing.T, u string, cookies ...*http.Cookie) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func TestCookie_TellsBrowsersApart(t *testing.T) {
	for issuer, want := range map[string]http.Cookie{
		"https://pach.example.com/dex": {Name: "__Host-pach-login", Secure: true},
		"http://localhost:30658":       {Name: "pach-login", Secure: false},
	} {
		b := browser.Cookie{Name: "pach-login", Secure: want.Secure}
		w := httptest.NewRecorder()
		first := b.EnsureID(w, get(t, issuer))
		cookies := w.Result().Cookies()
		if len(cookies) != 1 || first == "" {
			t.Fatalf("%s: %v, %q", issuer, cookies, first)
		}
		c := cookies[0]
		if c.Name != want.Name || c.Secure != want.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s: %v", issuer, c)
		}
		if strings.Contains(first, c.Value) {
			t.Error("the cookie itself is kept, not its hash")
		}
		again := httptest.NewRecorder()
		if got := b.EnsureID(again, get(t, issuer, c)); got != first || len(again.Result().Cookies()) != 0 {
			t.Errorf("%s: the same browser is %q, then %q", issuer, first, got)
		}
		if got := b.EnsureID(httptest.NewRecorder(), get(t, issuer)); got == first {
			t.Error("two browsers are the same")
		}
		// A value that is too short to be ours, and another cookie, are nobody's.
		for _, foreign := range []*http.Cookie{{Name: c.Name, Value: "short"}, {Name: "x-" + c.Name, Value: c.Value}} {
			if got := b.ID(get(t, issuer, foreign)); got != "" {
				t.Errorf("%s: the cookie %v is %q", issuer, foreign, got)
			}
		}
	}
}

func TestRehost(t *testing.T) {
	ours := url.URL{Scheme: "https", Host: "pach.example.com", Path: "/dex"}
	for asked, want := range map[string]string{
		"https://pach.example.com/dex/callback?state=s":                  "",
		"http://192.168.49.2:30658/dex/callback?state=s&code=c":          "https://pach.example.com/dex/callback?code=c&pach_hop=1&state=s",
		"http://evil.example.com/dex/callback":                           "https://pach.example.com/dex/callback?pach_hop=1",
		"http://evil.example.com//evil.example.com/":                     "https://pach.example.com//evil.example.com/?pach_hop=1",
		"http://hidden.example.com/dex/callback?state=s&pach_hop=1":      "", // a proxy hides the host: not in a circle
		"http://hidden.example.com/dex/callback?state=s&pach_hop=&x=y#f": "",
	} {
		w := httptest.NewRecorder()
		moved := browser.Rehost(w, get(t, asked), ours)
		if got := w.Header().Get("Location"); got != want || moved != (want != "") {
			t.Errorf("%s: %v to %q, want %q", asked, moved, got, want)
		}
	}
	post := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://192.168.49.2/dex/callback", nil)
	if browser.Rehost(httptest.NewRecorder(), post, ours) {
		t.Error("a form was sent on without its fields")
	}
}

func TestCookie_MaxAge(t *testing.T) {
	w := httptest.NewRecorder()
	browser.Cookie{Name: "last", MaxAge: time.Hour}.Set(w, "okta")
	if c := w.Result().Cookies()[0]; c.MaxAge != 3600 || c.Value != "okta" {
		t.Errorf("got %v", c)
	}
}

func TestCSRF_IsOfOneBrowserAndOneThing(t *testing.T) {
	form := func(token string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(url.Values{"csrf": {token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := r.ParseForm(); err != nil {
			t.Fatal(err)
		}
		return r
	}
	good := browser.CSRF("alice's browser", "login-1")
	if !browser.CheckCSRF(form(good), "alice's browser", "login-1") {
		t.Error("the form that we gave is refused")
	}
	for name, ok := range map[string]bool{
		"another browser": browser.CheckCSRF(form(good), "mallory's browser", "login-1"),
		"another thing":   browser.CheckCSRF(form(good), "alice's browser", "login-2"),
		"no token":        browser.CheckCSRF(form(""), "alice's browser", "login-1"),
		"another token":   browser.CheckCSRF(form("x"), "alice's browser", "login-1"),
	} {
		if ok {
			t.Errorf("%s is let through", name)
		}
	}
}

func TestParseForm_Bounds(t *testing.T) {
	for name, c := range map[string]struct {
		query, body string
		want        error
	}{
		"a form":              {"a=b", "state=c", nil},
		"a long JWT":          {"", "id_token_hint=" + strings.Repeat("x", 8<<10), nil},
		"a SAML response":     {"", "SAMLResponse=" + strings.Repeat("x", 300<<10), nil},
		"a longer parameter":  {"", "state=" + strings.Repeat("x", 8<<10+1), web.Problem{Status: http.StatusRequestEntityTooLarge}},
		"the same in a query": {"state=" + strings.Repeat("x", 8<<10+1), "", web.Problem{Status: http.StatusRequestEntityTooLarge}},
		"many of one name":    {"", strings.Repeat("state="+strings.Repeat("x", 1<<10)+"&", 9), web.Problem{Status: http.StatusRequestEntityTooLarge}},
		"a long name":         {"", strings.Repeat("x", 8<<10+1) + "=", web.Problem{Status: http.StatusRequestEntityTooLarge}},
		"more than a form":    {"", "SAMLResponse=" + strings.Repeat("x", 512<<10), web.Problem{Status: http.StatusRequestEntityTooLarge}},
		"no form":             {"", "%zz", web.Problem{Status: http.StatusBadRequest}},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/?"+c.query, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		err := browser.ParseForm(httptest.NewRecorder(), r)
		var got, want web.Problem
		errors.As(c.want, &want)
		if errors.As(err, &got); got.Status != want.Status || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
