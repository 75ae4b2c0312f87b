package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/proto"

	"pachyderm/test/idp"
)

// axe is the engine that looks for what keeps people out of a page.
var axe = sync.OnceValues(func() (string, error) {
	data, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	return string(data), err
})

func emulate(t *testing.T, page *rod.Page, width int, scheme string) {
	t.Helper()
	if err := page.SetViewport(&proto.EmulationSetDeviceMetricsOverride{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: false}); err != nil {
		t.Fatal(err)
	}
	media := proto.EmulationSetEmulatedMedia{Features: []*proto.EmulationMediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}
	if err := media.Call(page); err != nil {
		t.Fatal(err)
	}
}

// lookAt holds a page, as it stands, to what every page of the console keeps: in both
// themes and widths axe finds nothing and nothing has to be scrolled sideways, there is
// one heading of the first level, the title is the page's, and the script of the page
// is the only one.
func lookAt(t *testing.T, page *rod.Page, name string) {
	t.Helper()
	source, err := axe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (proto.RuntimeEvaluate{Expression: source + ";0"}).Call(page); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		width  int
		scheme string
	}{{1280, "light"}, {320, "dark"}, {1280, "dark"}, {320, "light"}} {
		if os.Getenv("PACH_SCREENSHOTS") == "" && (c.width == 320) == (c.scheme == "light") {
			continue // these are for the eye
		}
		emulate(t, page, c.width, c.scheme)
		screenshot(t, page, fmt.Sprintf("console-%s-%d-%s", name, c.width, c.scheme))
		if over := page.MustEval(`() => document.documentElement.scrollWidth - innerWidth`).Int(); over > 0 {
			t.Errorf("%s, %s: wider than %d pixels by %d", name, c.scheme, c.width, over)
		}
		if (c.width == 320) == (c.scheme == "light") {
			continue
		}
		found := page.MustEval(`async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
			v => v.id + ": " + v.nodes.map(n => n.html.slice(0, 160) + " " + (n.any[0] || {message: ""}).message).join("; ")).join("\n")`).Str()
		if found != "" {
			t.Errorf("%s, %d pixels, %s: %s", name, c.width, c.scheme, found)
		}
	}
	emulate(t, page, 1280, "light")
	if n := page.MustEval(`() => document.querySelectorAll("h1").length`).Int(); n != 1 {
		t.Errorf("%s has %d headings of the first level", name, n)
	}
	if title := page.MustInfo().Title; !regexp.MustCompile(`^.+ - Pachyderm$`).MatchString(title) {
		t.Errorf("%s is called %q", name, title)
	}
}

// choose picks an option of a list by its text.
func choose(t *testing.T, page *rod.Page, name, option string) {
	t.Helper()
	e, err := page.Element(`select[name="` + name + `"]`)
	if err != nil {
		t.Fatalf("no list %s on %s: %v", name, page.MustInfo().URL, err)
	}
	found, err := e.Eval(`(text) => {
		for (const o of this.options) if (o.text === text) { this.value = o.value; return true }
		return false
	}`, option)
	if err != nil || !found.Value.Bool() {
		t.Fatalf("the list %s has no %q: %v", name, option, err)
	}
}

func goTo(t *testing.T, page *rod.Page, address string) {
	t.Helper()
	loaded := page.WaitNavigation(proto.PageLifecycleEventNameLoad)
	if err := page.Navigate(address); err != nil {
		t.Fatal(err)
	}
	loaded()
}

// atPanva signs in at panva's development pages.
func atPanva(t *testing.T, page *rod.Page, login string) {
	t.Helper()
	fill(t, page, map[string]string{"login": login, "password": "anything"})
	click(t, page, `button[type="submit"]`)
	click(t, page, `button[type="submit"]`) // consent
}

// tryDraft goes through the test sign-in in another tab, as a person does, and waits
// until the page that waits for it has noticed by itself.
func tryDraft(t *testing.T, browser *rod.Browser, page *rod.Page, login string) {
	t.Helper()
	link, err := page.Element(`a[target="_blank"]`)
	if err != nil {
		t.Fatal(err)
	}
	tab := openPage(t, browser, *link.MustAttribute("href"))
	if strings.Contains(text(t, tab), "Sign-in") || strings.Contains(tab.MustInfo().URL, "interaction") {
		if has, _, err := tab.Has(`[name="login"]`); err == nil && has {
			atPanva(t, tab, login)
		}
	}
	wantText(t, tab, "test")
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := page.ElementR("h2", "How it went"); err != nil {
		t.Fatalf("the page does not notice: %s", text(t, page))
	}
}

// TestConsole_JourneyWithoutATerminal is what somebody who sets up a server does, and
// what the people do whom they let in.
func TestConsole_JourneyWithoutATerminal(t *testing.T) {
	d := newDaemon(t)
	p := idp.StartPanva(t, d.callback())
	d.start()
	console := "http://" + d.http + "/console/"
	name := `Panva <b>&"`
	if os.Getenv("PACH_SCREENSHOTS") != "" {
		name = "Acme" // for the documentation
	}
	browser := chromium(t).CancelTimeout().Timeout(3 * patience) // a long way
	admin := openPage(t, browser, "http://"+d.http+"/")
	wantText(t, admin, "no identity provider is connected")
	lookAt(t, admin, "front-new")
	click(t, admin, `a.button`)
	fill(t, admin, map[string]string{"token": "not the root token"})
	click(t, admin, `main button`)
	wantText(t, admin, "This is not the root token")
	lookAt(t, admin, "root-token")
	fill(t, admin, map[string]string{"token": d.rootToken()})
	click(t, admin, `main button`)
	wantText(t, admin, "Connect an identity provider")
	lookAt(t, admin, "connector-new")

	click(t, admin, `a[href$="/new/oidc"]`)
	lookAt(t, admin, "connector-fill")
	fill(t, admin, map[string]string{
		"domain": p.Issuer, "gap-client-ID": p.ClientID, "gap-client-secret": "a-wrong-secret-that-is-long-enough", "name": name, "id": "panva",
	})
	click(t, admin, `main form button:not([type])`)
	wantText(t, admin, "Correct what is marked")
	lookAt(t, admin, "connector-checked-wrong")
	goTo(t, admin, console+"connectors/new/oidc")
	fill(t, admin, map[string]string{
		"domain": p.Issuer, "gap-client-ID": p.ClientID, "gap-client-secret": p.ClientSecret, "name": name, "id": "panva",
	})
	click(t, admin, `main form button:not([type])`)
	wantText(t, admin, "What the provider answers")
	lookAt(t, admin, "connector-checked")
	click(t, admin, `form[action$="/draft/test"] button`)
	wantText(t, admin, "Waiting for you to come back")
	lookAt(t, admin, "connector-test")
	tryDraft(t, browser, admin, "jane")
	wantText(t, admin, "jane@example.org")
	lookAt(t, admin, "connector-tested")
	choose(t, admin, "groups", "take no groups")
	click(t, admin, `form[action$="/draft/claims"] button`)
	tryDraft(t, browser, admin, "jane")
	wantText(t, admin, "The connector says nothing of groups")
	choose(t, admin, "groups", "groups")
	click(t, admin, `form[action$="/draft/claims"] button`)
	tryDraft(t, browser, admin, "jane")
	wantText(t, admin, "developers")
	click(t, admin, `form[action$="/draft/store"] button`)
	wantText(t, admin, "people can sign in with it")
	lookAt(t, admin, "connector")

	jane := openPage(t, incognito(t, browser), "http://"+d.http+"/")
	wantText(t, jane, "Sign in with your organisation's account")
	lookAt(t, jane, "front")
	click(t, jane, `main button`)
	atPanva(t, jane, "jane")
	wantText(t, jane, "user:jane@example.org")
	lookAt(t, jane, "you")
	if strings.Contains(text(t, jane), "Connectors") {
		t.Error("jane is shown what she may not do")
	}
	goTo(t, jane, console+"explain?permission=CLUSTER_GET_BINDINGS&type=CLUSTER")
	wantText(t, jane, "may not")
	lookAt(t, jane, "explain-no")
	goTo(t, jane, console+"access")
	wantText(t, jane, "not authorized")
	lookAt(t, jane, "refused")

	administerJane(t, d, admin, jane)
}

// administerJane gives jane a role, explains it, and keeps her out: her open page stops
// at its next call.
func administerJane(t *testing.T, d *daemon, admin, jane *rod.Page) {
	t.Helper()
	console := "http://" + d.http + "/console/"
	goTo(t, admin, console+"sign-ins")
	wantText(t, admin, "jane@example.org")
	lookAt(t, admin, "sign-ins")
	click(t, admin, `tbody a[href*="/sign-ins/of/"]`)
	wantText(t, admin, "What the provider said")
	lookAt(t, admin, "sign-in-trace")
	goTo(t, admin, console+"people")
	lookAt(t, admin, "people")
	goTo(t, admin, console+"people/unused?days=1")
	lookAt(t, admin, "unused")
	goTo(t, admin, console+"people/unused?days=none")
	wantText(t, admin, "is no number of days")
	lookAt(t, admin, "unused-wrong")
	goTo(t, admin, console+"people/unused/disable?days=1")
	wantText(t, admin, "Nobody is to be disabled")
	lookAt(t, admin, "unused-disable")
	goTo(t, admin, console+"people/of/jane@example.org/rename")
	fill(t, admin, map[string]string{"new": "two@at@example.org"})
	click(t, admin, `main form button`)
	wantText(t, admin, "not exactly one e-mail address")
	lookAt(t, admin, "rename")
	goTo(t, admin, console+"people")
	click(t, admin, `a[href$="jane@example.org"]`)
	lookAt(t, admin, "person")
	click(t, admin, `a[href*="access/grant"]`)
	lookAt(t, admin, "grant")
	admin.MustElement(`input[value="clusterAdmin"]`).MustClick()
	click(t, admin, `form[method="post"][action$="/grant"] button`)
	wantText(t, admin, "The next call is decided by them")
	lookAt(t, admin, "access")
	goTo(t, admin, console+"explain?principal=user:jane@example.org&permission=CLUSTER_GET_BINDINGS&type=CLUSTER")
	wantText(t, admin, "clusterAdmin")
	lookAt(t, admin, "explain")
	goTo(t, admin, console+"explain?principal=user:jane@example.org&permission=CLUSTER_GET_BINDINGS&type=CLUSTER&at="+
		time.Now().UTC().Format(time.RFC3339Nano))
	wantText(t, admin, "was allowed to")
	lookAt(t, admin, "explain-past")
	goTo(t, admin, console+"explain?principal=user:jane@example.org&permission=CLUSTER_GET_BINDINGS&type=CLUSTER&at=2001-01-01T00:00")
	wantText(t, admin, "before that nobody knows")
	lookAt(t, admin, "explain-before")
	goTo(t, jane, console+"access")
	wantText(t, jane, "user:jane@example.org")
	for _, name := range []string{"overview", "connectors", "groups", "groups/of/admins", "applications", "applications/new", "audit", "settings", "connectors/of/panva/edit", "connectors/of/panva/delete"} {
		goTo(t, admin, console+name)
		lookAt(t, admin, strings.ReplaceAll(name, "/", "-"))
	}
	goTo(t, admin, console+"applications/new")
	fill(t, admin, map[string]string{"id": "app", "name": "App", "redirects": "https://app.example.com/callback"})
	click(t, admin, `main form button`)
	lookAt(t, admin, "application-secret")
	click(t, admin, `a[href$="/of/app"]`)
	lookAt(t, admin, "application")

	goTo(t, admin, console+"people/of/jane@example.org")
	click(t, admin, `form[action$="/disable"] button`)
	wantText(t, admin, "kept out")
	click(t, jane, `nav a[href$="/people"]`)
	wantText(t, jane, "sign in")
	if strings.Contains(text(t, jane), "Search") {
		t.Errorf("jane still sees: %s", text(t, jane))
	}
	lookAt(t, jane, "ended")
	click(t, admin, `form[action$="/end"] button`)
	wantText(t, admin, "Everything ended")
	lookAt(t, admin, "person-ended")
}

// Everything but what is live works without script.
func TestConsole_WithoutScript(t *testing.T) {
	d := newDaemon(t)
	p := idp.StartPanva(t, d.callback())
	d.start()
	browser := chromium(t)
	page := openPage(t, browser, "about:blank")
	if err := (proto.NetworkEnable{}).Call(page); err != nil {
		t.Fatal(err)
	}
	// What drives the browser needs scripts; the page's own does not come.
	if err := (proto.NetworkSetBlockedURLs{Urls: []string{"*/console.js"}}).Call(page); err != nil {
		t.Fatal(err)
	}
	goTo(t, page, "http://"+d.http+"/console/root-token?next=/console/connectors/new/oidc")
	fill(t, page, map[string]string{"token": d.rootToken()})
	click(t, page, `main button`)
	fill(t, page, map[string]string{"domain": p.Issuer, "gap-client-ID": p.ClientID, "gap-client-secret": p.ClientSecret, "name": "Panva", "id": "panva"})
	click(t, page, `main form button:not([type])`)
	click(t, page, `form[action$="/draft/test"] button`)
	link, err := page.Element(`a[target="_blank"]`)
	if err != nil {
		t.Fatal(err)
	}
	tab := openPage(t, browser, *link.MustAttribute("href"))
	atPanva(t, tab, "jane")
	wantText(t, tab, "test")
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	wantText(t, page, "Waiting for you to come back") // and does not notice by itself
	click(t, page, `form[data-live] button`)
	wantText(t, page, "The sign-in works")
	click(t, page, `form[action$="/draft/store"] button`)
	wantText(t, page, "people can sign in with it")
}

func incognito(t *testing.T, browser *rod.Browser) *rod.Browser {
	t.Helper()
	other, err := browser.Incognito()
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// The screenshots of the documentation are there, and small.
func TestConsole_ScreenshotsAreSmall(t *testing.T) {
	all, err := filepath.Glob("../docs/images/*.png")
	if err != nil || len(all) < 6 {
		t.Fatalf("%d screenshots, %v", len(all), err)
	}
	for _, file := range all {
		if info, err := os.Stat(file); err != nil || info.Size() > 80<<10 {
			t.Errorf("%s has %d bytes, %v", file, info.Size(), err)
		}
	}
}
