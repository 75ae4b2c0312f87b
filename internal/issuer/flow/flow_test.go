package flow_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pachyderm/internal/issuer/flow"
	"pachyderm/internal/secret"
)

func binding(t *testing.T, issuer string) flow.Binding {
	t.Helper()
	u, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	return flow.Binding{Issuer: *u}
}

func get(t *testing.T, u string, cookies ...*http.Cookie) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func TestABrowserIsKnownByItsCookie(t *testing.T) {
	for issuer, want := range map[string]http.Cookie{
		"https://pach.example.com/dex": {Name: "__Host-pach-login", Secure: true},
		"http://localhost:30658":       {Name: "pach-login", Secure: false},
	} {
		b := binding(t, issuer)
		w := httptest.NewRecorder()
		first := b.Ensure(w, get(t, issuer))
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
		if got := b.Ensure(again, get(t, issuer, c)); got != first || len(again.Result().Cookies()) != 0 {
			t.Errorf("%s: the same browser is %q, then %q", issuer, first, got)
		}
		if got := b.Ensure(httptest.NewRecorder(), get(t, issuer)); got == first {
			t.Error("two browsers are the same")
		}
		// A value that is too short to be ours, and another cookie, are nobody's.
		for _, foreign := range []*http.Cookie{{Name: c.Name, Value: "short"}, {Name: "x-" + c.Name, Value: c.Value}} {
			if got := b.Browser(get(t, issuer, foreign)); got != "" {
				t.Errorf("%s: the cookie %v is %q", issuer, foreign, got)
			}
		}
	}
}

func TestAForeignHostIsSentToOurs(t *testing.T) {
	b := binding(t, "https://pach.example.com/dex")
	for asked, want := range map[string]string{
		"https://pach.example.com/dex/callback?state=s":                  "",
		"http://192.168.49.2:30658/dex/callback?state=s&code=c":          "https://pach.example.com/dex/callback?code=c&pach_hop=1&state=s",
		"http://evil.example.com/dex/callback":                           "https://pach.example.com/dex/callback?pach_hop=1",
		"http://evil.example.com//evil.example.com/":                     "https://pach.example.com//evil.example.com/?pach_hop=1",
		"http://hidden.example.com/dex/callback?state=s&pach_hop=1":      "", // a proxy hides the host: not in a circle
		"http://hidden.example.com/dex/callback?state=s&pach_hop=&x=y#f": "",
	} {
		w := httptest.NewRecorder()
		moved := b.Rehost(w, get(t, asked))
		if got := w.Header().Get("Location"); got != want || moved != (want != "") {
			t.Errorf("%s: %v to %q, want %q", asked, moved, got, want)
		}
	}
	post := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://192.168.49.2/dex/callback", nil)
	if b.Rehost(httptest.NewRecorder(), post) {
		t.Error("a form was sent on without its fields")
	}
}

func TestTheIssuerIsNamedInAnswers(t *testing.T) {
	const issuer = "https://pach.example.com/dex"
	for location, want := range map[string]string{
		"http://127.0.0.1:7/?code=c&state=s": "http://127.0.0.1:7/?code=c&iss=https%3A%2F%2Fpach.example.com%2Fdex&state=s",
		"http://127.0.0.1:7/?error=e&iss=x":  "http://127.0.0.1:7/?error=e&iss=https%3A%2F%2Fpach.example.com%2Fdex",
		"/dex/auth/demo?client_id=pachctl":   "/dex/auth/demo?client_id=pachctl",
		"":                                   "",
	} {
		rec := flow.Record(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(http.StatusSeeOther)
			_, _ = w.Write([]byte("see"))
		}), get(t, issuer))
		rec.AddIssuer(issuer)
		w := httptest.NewRecorder()
		rec.Flush(w)
		if got := w.Header().Get("Location"); got != want || w.Code != http.StatusSeeOther || w.Body.String() != "see" {
			t.Errorf("%q became %q, %d, %q", location, got, w.Code, w.Body)
		}
	}
}

func TestAFlowTravelsInTheContext(t *testing.T) {
	f := &flow.Flow{Browser: "b", Revision: "r"}
	if flow.Of(context.Background()) != nil || flow.Of(f.In(t.Context())) != f {
		t.Error("lost on the way")
	}
	data, err := f.Envelope([]byte("inner"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := flow.OpenEnvelope(data)
	if err != nil || e.Browser != "b" || e.Revision != "r" || string(e.Inner) != "inner" {
		t.Errorf("opened %+v, %v", e, err)
	}
	// What was not closed by us binds to no browser: Same then says no.
	if e, err := flow.OpenEnvelope([]byte(`{}`)); err != nil || secret.Same(e.Browser, "") {
		t.Errorf("opened %+v, %v", e, err)
	}
	if _, err := flow.OpenEnvelope(nil); err == nil {
		t.Error("nothing was opened")
	}
}
