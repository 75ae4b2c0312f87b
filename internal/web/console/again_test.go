package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/pachd/pachdtest"
)

const grantOf = "access/grant?principal=user:bob@example.com&type=CLUSTER"

// administrator is alice as a cluster administrator, signed in.
func administrator(t *testing.T) (*pachdtest.Server, visit) {
	t.Helper()
	s := pachdtest.Start(t)
	s.Connect()
	if err := s.Bind(pachdtest.Cluster(), pachdtest.Alice, "clusterAdmin"); err != nil {
		t.Fatal(err)
	}
	v := open(t, s)
	v.asAlice()
	return s, v
}

func (v visit) grants(want int) {
	v.t.Helper()
	p := v.press(v.at(grantOf), "/console/access/grant", "role", "debugger")
	if p.Status != want {
		v.t.Errorf("granting answers %d, want %d: %s", p.Status, want, p.Text())
	}
}

// again presses the button of the page that asks for another sign-in, and signs in at
// the provider; along the way each address is seen, and may be changed.
func (v visit) again(seen func(u *url.URL)) optest.Page {
	v.t.Helper()
	page := v.press(v.at(grantOf), "/console/access/grant", "role", "debugger")
	if !strings.Contains(page.Body, `name="again"`) { // it is recent, and asked for all the same
		page.Body = `<form method="post" action="/console/sign-in"><input type="hidden" name="csrf" value="` + csrf(v.t, page) +
			`"><input type="hidden" name="again" value="yes"></form>`
	}
	v.Stop = func(u *url.URL) bool { seen(u); return false }
	return v.Submit(v.Submit(page, nil), map[string]string{"email": optest.Alice.Email, "password": optest.Alice.Password})
}

func TestAgain_ProviderIsToldToAsk(t *testing.T) {
	s, v := administrator(t)
	v.grants(http.StatusOK)
	var asked []string
	v.want(v.again(func(u *url.URL) {
		if q := u.Query(); q.Get("response_type") == "code" {
			asked = append(asked, q.Get("prompt")+" "+q.Get("max_age"))
		}
	}), http.StatusOK, "user:alice@example.com")
	if len(asked) != 2 || asked[0] != "login 0" || asked[1] != "login 0" {
		t.Errorf("our issuer and the provider were told %q", asked)
	}
	v.grants(http.StatusOK)
	var proved *pach.GetSessionResponse
	home, err := url.Parse(s.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Client.Jar.Cookies(home) {
		if c.Name == "pach-console" {
			proved, err = s.API.Pach.GetSession(pachdtest.As(t.Context(), c.Value), &pach.GetSessionRequest{})
		}
	}
	if err != nil || proved.GetProved() == nil || s.Now().Sub(proved.GetProved().AsTime()) > time.Minute {
		t.Errorf("%v, %v", proved, err)
	}
}

// The clock of the provider stays behind: what it says is that it remembers a sign-in
// of then.
const longAgo = 9 * time.Minute

func TestAgain_ProviderThatRemembersIsRefused(t *testing.T) {
	s, v := administrator(t)
	s.Ahead(longAgo)
	p := v.again(func(*url.URL) {})
	v.want(p, http.StatusForbidden, "did not ask who you are")
	v.Stop = nil
	v.want(v.at(""), http.StatusOK, "user:alice@example.com") // the session before is still the one
}

// Whoever sits at an open browser can change the address on its way.
func TestAgain_TakenOutOnTheWayIsRefused(t *testing.T) {
	s, v := administrator(t)
	s.Ahead(longAgo)
	inner := v.Client.Transport
	v.Client.Transport = without{inner}
	p := v.again(func(*url.URL) {})
	v.want(p, http.StatusForbidden, "Your identity provider did not ask who you are")
}

// without takes out what tells our issuer to have the provider ask.
type without struct{ http.RoundTripper }

func (w without) RoundTrip(r *http.Request) (*http.Response, error) {
	if q := r.URL.Query(); q.Get("client_id") == "pachd" {
		r = r.Clone(r.Context())
		q.Del("prompt")
		q.Del("max_age")
		r.URL.RawQuery = q.Encode()
	}
	return http.DefaultTransport.RoundTrip(r)
}

// That a session is new says nothing of when its person last proved who they are.
func TestDangerous_NewSessionOfARememberedSignInIsNotRecent(t *testing.T) {
	s, v := administrator(t)
	v.grants(http.StatusOK)
	s.Ahead(longAgo)
	v.want(v.send("", "sign-out", url.Values{}), http.StatusOK, "Welcome")
	v.asAlice() // and the provider says: nine minutes ago
	v.grants(http.StatusOK)
	s.Ahead(longAgo + 7*time.Minute)
	v.grants(http.StatusForbidden)
}
