package console_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/pachd/pachdtest"
)

const newLink = "/console/connectors/new/oidc/link"

var setupURL = regexp.MustCompile(`id="setup-url">([^<]+)<`)

// sendsLink makes a set-up link and returns what is sent, and the path of its page.
func (v visit) sendsLink(more ...string) (address, at string) {
	v.t.Helper()
	made := v.press(v.at("connectors/new/oidc/link"), newLink, append([]string{"id", "acme", "name", "Acme", "expires", "24h", "private", "yes"}, more...)...)
	found := setupURL.FindStringSubmatch(made.Body)
	if found == nil {
		v.t.Fatalf("no link: %s", made.Text())
	}
	return found[1], linkPage.FindStringSubmatch(made.Body)[1]
}

var linkPage = regexp.MustCompile(`action="(/console/connectors/links/[a-z2-7]+)/`)

// begins opens a link in this browser.
func (v visit) begins(address string) optest.Page {
	v.t.Helper()
	v.want(v.Get(address), http.StatusOK, "The link opens once")
	return v.Submit(v.Get(address), nil)
}

func TestSetupLink_ThroughThePages(t *testing.T) {
	s := pachdtest.Start(t)
	provider := optest.Start(t, s.Issuer.Callback())
	admin, holder := open(t, s).asRoot(), open(t, s)
	admin.want(admin.at("connectors/new/oidc"), http.StatusOK, "Send them a set-up link")
	form := admin.at("connectors/new/oidc/link")
	admin.want(admin.press(form, newLink, "id", "a/b", "name", "Acme"), http.StatusUnprocessableEntity, "use letters, digits")
	address, link := admin.sendsLink()
	admin.want(admin.at("connectors"), http.StatusOK, "not opened yet")

	fillIn := holder.begins(address)
	holder.want(fillIn, http.StatusOK, "You prepare the sign-in Acme", s.Issuer.Callback(), "Client secret")
	for _, not := range []string{"Connectors", "Other providers", "Id, for commands", "pach:root"} {
		if strings.Contains(fillIn.Text(), not) {
			t.Errorf("the holder is shown %q: %s", not, fillIn.Text())
		}
	}
	other := open(t, s)
	other.want(other.Submit(other.Get(address), nil), http.StatusNotFound, "This link opens nothing", "ask whoever sent it")
	other.want(other.at("setup"), http.StatusNotFound, "This link opens nothing")
	for _, path := range []string{"connectors", "connectors/of/acme", "people", strings.TrimPrefix(link, "/console/")} {
		holder.want(holder.at(path), http.StatusUnauthorized, "Sign in")
	}

	const draft = "/console/setup/draft"
	fields := []string{"domain", provider.Issuer, "gap-client-ID", provider.ClientID, "gap-client-secret", "wrong"}
	holder.want(holder.press(fillIn, draft, append(fields, "domain", "nothing")...), http.StatusUnprocessableEntity, "is not the issuer")
	wrong := holder.press(fillIn, draft, append(fields, "id", "another", "name", "Another")...)
	holder.want(wrong, http.StatusOK, "Connect Acme", "Correct what is marked")
	admin.want(admin.Get(s.HTTP+link), http.StatusOK, "credentials:", "id: acme", "name: Acme")
	checked := holder.press(fillIn, draft, append(fields, "gap-client-secret", provider.ClientSecret)...)
	tested := holder.press(checked, draft+"/test")
	holder.trySignIn(tested)
	result := holder.press(tested, draft+"/result")
	holder.want(result, http.StatusOK, "The sign-in works", "Hand it in")
	values := hidden(t, result, draft+"/store")
	values.Set("csrf", csrf(t, other.at("setup/none")))
	other.want(other.Post(s.HTTP+draft+"/store", values), http.StatusNotFound, "This link opens nothing")
	holder.want(holder.press(result, draft+"/store"), http.StatusOK, "It was handed in")
	holder.want(holder.press(result, draft+"/store"), http.StatusUnprocessableEntity, "cannot be changed any more")

	admin.want(admin.at("connectors"), http.StatusOK, "waits for approval")
	prepared := admin.Get(s.HTTP + link)
	admin.want(prepared, http.StatusOK, "clientSecret: '***'", "user:alice@example.com", "Approve it")
	admin.want(admin.press(prepared, link+"/approve"), http.StatusOK, "people can sign in with it", "Acme")
	holder.want(holder.at("setup"), http.StatusOK, "It was approved")
	for _, secret := range []string{address[strings.LastIndex(address, "/")+1:], provider.ClientSecret} {
		if strings.Contains(s.Log.String(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
	open(t, s).asAlice()
	admin.want(admin.press(admin.Get(s.HTTP+link), link+"/delete"), http.StatusOK, "opens nothing any more")
}

// events sends a form as the script does, and returns the events one by one.
func (v visit) events(p optest.Page, action string) func() (name, html string, last bool) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.s.HTTP+action, strings.NewReader(hidden(v.t, p, action).Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/event-stream")
	res, err := v.Client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = res.Body.Close() })
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		v.t.Fatalf("%s answers %s with %s", action, res.Status, got)
	}
	lines := bufio.NewScanner(res.Body)
	return func() (name, html string, last bool) {
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = text
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var news struct {
					HTML string
					Last bool
				}
				if err := json.Unmarshal([]byte(data), &news); err != nil {
					v.t.Fatal(err)
				}
				return name, news.HTML, news.Last
			}
		}
		return "", "", true
	}
}

func TestLive_FollowsWhatTheHolderDoes(t *testing.T) {
	s := pachdtest.Start(t)
	admin, holder := open(t, s).asRoot(), open(t, s)
	address, link := admin.sendsLink()
	next := admin.events(admin.Get(s.HTTP+link), link+"/watch")
	if name, html, last := next(); name != "page" || !strings.Contains(html, "not yet") || last {
		t.Errorf("at first: %s %q %v", name, html, last)
	}
	holder.begins(address)
	name, html, _ := next()
	if _, begun, _ := strings.Cut(html, "The link was opened"); name != "page" || !strings.Contains(begun[:60], "done") {
		t.Errorf("after it was opened: %s %q", name, html)
	}
	// A link that ends ends the page, too.
	admin.press(admin.Get(s.HTTP+link), link+"/delete")
	if name, html, _ := next(); name != "failed" || html != "" {
		t.Errorf("after it was deleted: %s %q", name, html)
	}
}

func TestLive_CheckTurnsGreen(t *testing.T) {
	s := pachdtest.Start(t)
	provider := optest.Start(t, s.Issuer.Callback())
	v := open(t, s).asRoot()
	const draft = "/console/connectors/draft"
	checked := v.press(v.at("connectors/new/oidc"), draft, "domain", provider.Issuer, "gap-client-ID", "nobody", "gap-client-secret", "wrong", "name", "Acme", "id", "acme")
	v.want(checked, http.StatusOK, "looks again every 10 seconds")
	name, html, last := v.events(checked, draft+"/watch")()
	if name != "page" || !strings.Contains(html, `class="failed"`) || last {
		t.Errorf("%s %q %v", name, html, last)
	}
	v.want(v.press(checked, draft+"/watch"), http.StatusOK, "Correct what is marked") // without the script
}

// A link that was made by the API need not name a guide: that of its type leads through.
func TestSetupLink_WithoutAPreset(t *testing.T) {
	s := pachdtest.Start(t)
	for preset, want := range map[string]string{"": "oidc", "nosuch": "oidc", "okta": "oidc"} {
		made, err := s.API.Pach.CreateSetupLink(s.Root(), &pach.CreateSetupLinkRequest{ConnectorId: "x", Name: "X", Type: want, Preset: preset})
		if err != nil {
			t.Fatal(err)
		}
		v := open(t, s)
		v.want(v.press(v.begins(made.GetUrl()), "/console/setup/draft", "domain", ""), http.StatusUnprocessableEntity, "You prepare the sign-in X")
	}
	made, err := s.API.Pach.CreateSetupLink(s.Root(), &pach.CreateSetupLinkRequest{ConnectorId: "x", Name: "X", Type: "atlassian-crowd"})
	if err != nil {
		t.Fatal(err)
	}
	v := open(t, s)
	v.want(v.begins(made.GetUrl()), http.StatusNotFound, "there is no guide for", "one with a preset")
}

// The key of a link is of a browser, and of a form of the console.
func TestSetupLink_FormsAreTheBrowsers(t *testing.T) {
	s := pachdtest.Start(t)
	holder := open(t, s)
	address, _ := open(t, s).asRoot().sendsLink()
	status, _ := holder.post("setup/"+address[strings.LastIndex(address, "/")+1:], url.Values{})
	if status != http.StatusForbidden {
		t.Errorf("a link is begun by a form of another site: %d", status)
	}
	holder.begins(address)
	for _, path := range []string{"draft", "draft/watch", "draft/test", "draft/result", "draft/claims", "draft/store"} {
		if status, _ := holder.post("setup/"+path, url.Values{"draft": {"x"}}); status != http.StatusForbidden {
			t.Errorf("%s takes a form of another site: %d", path, status)
		}
	}
	for _, c := range holder.Client.Jar.Cookies(mustParse(t, s.HTTP)) {
		if c.Name == "pach-console" {
			t.Error("a link gives a session")
		}
	}
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
