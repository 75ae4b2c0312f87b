package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/pachd/pachdtest"
)

// visit is a browser at a console.
type visit struct {
	*optest.Browser
	t *testing.T
	s *pachdtest.Server
}

func open(t *testing.T, s *pachdtest.Server) visit {
	t.Helper()
	return visit{optest.NewBrowser(t, nil), t, s}
}

func (v visit) at(path string) optest.Page {
	v.t.Helper()
	return v.Get(v.s.HTTP + "/console/" + path)
}

// csrf is the token of the forms on a page.
func csrf(t *testing.T, p optest.Page) string {
	t.Helper()
	_, rest, ok := strings.Cut(p.Body, `name="csrf" value="`)
	if !ok {
		t.Fatalf("no form on %s: %s", p.URL, p.Text())
	}
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

// send posts a form of the console, as from a page that shows one.
func (v visit) send(from, to string, values url.Values) optest.Page {
	v.t.Helper()
	values.Set("csrf", csrf(v.t, v.at(from)))
	return v.Post(v.s.HTTP+"/console/"+to, values)
}

func (v visit) asRoot() visit {
	v.t.Helper()
	v.want(v.send("root-token", "root-token", url.Values{"token": {v.s.RootToken}}), http.StatusOK, "pach:root")
	return v
}

func (v visit) asAlice() {
	v.t.Helper()
	p := v.Submit(v.Submit(v.at(""), nil), map[string]string{"email": optest.Alice.Email, "password": optest.Alice.Password})
	v.want(p, http.StatusOK, "user:alice@example.com")
}

func (v visit) want(p optest.Page, status int, texts ...string) {
	v.t.Helper()
	if p.Status != status {
		v.t.Errorf("%s answers %d, want %d: %s", p.URL, p.Status, status, p.Text())
	}
	for _, text := range texts {
		if !strings.Contains(p.Text(), text) {
			v.t.Errorf("%s does not say %q: %s", p.URL, text, p.Text())
		}
	}
}

func TestConsole_SignInWithAProvider(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	v := open(t, s)
	v.want(v.at(""), http.StatusOK, "Sign in", "pachctl auth login")
	v.asAlice()
	v.want(v.at(""), http.StatusOK, "alice@example.com", "the connector demo", "admins", "connector/demo", "this one")
	v.want(v.at("explain?permission=REPO_READ&type=PROJECT&name=default"), http.StatusOK, "may not", "repoReader")
}

func TestConsole_SignInWithTheRootToken(t *testing.T) {
	s := pachdtest.Start(t)
	v := open(t, s)
	v.want(v.at(""), http.StatusOK, "Nobody can sign in yet", "Connect an identity provider")
	v.want(v.send("root-token", "root-token", url.Values{"token": {"wrong"}}), http.StatusUnauthorized, "not the root token")
	v.asRoot()
	home, err := url.Parse(s.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Client.Jar.Cookies(home) {
		if strings.Contains(c.Value, s.RootToken) {
			t.Errorf("the cookie %s holds the root token", c.Name)
		}
	}
	v.want(v.Post(s.HTTP+"/console/sign-out", url.Values{"csrf": {csrf(t, v.at(""))}}), http.StatusOK, "Nobody can sign in yet")
}
