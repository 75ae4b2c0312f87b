package test

import (
	"strings"
	"testing"

	"github.com/go-rod/rod"

	"pachyderm/test/idp"
)

// notices waits until a page shows something new by itself.
func notices(t *testing.T, page *rod.Page, selector, says string) {
	t.Helper()
	if _, err := page.Timeout(patience).ElementR(selector, says); err != nil {
		t.Fatalf("the page does not notice that %q: %s", says, text(t, page))
	}
}

// The administrator of a provider, who has no account here, prepares a connector by a
// link, while whoever sent it watches; the provider starts only once both are looking.
func TestConsole_SetUpLink(t *testing.T) {
	d := newDaemon(t)
	address := idp.FreeAddress(t)
	issuer := "http://" + address
	d.start()
	console := "http://" + d.http + "/console/"
	browser := chromium(t).CancelTimeout().Timeout(3 * patience)

	admin := openPage(t, browser, console+"root-token?next=/console/connectors/new/oidc")
	fill(t, admin, map[string]string{"token": d.rootToken()})
	click(t, admin, `main button`)
	click(t, admin, `a[href$="/new/oidc/link"]`)
	lookAt(t, admin, "setup-link-new")
	fill(t, admin, map[string]string{"id": "acme", "name": "Acme"})
	admin.MustElement(`input[name="private"]`).MustClick()
	click(t, admin, `main form button`)
	wantText(t, admin, "It is shown this once")
	lookAt(t, admin, "setup-link-sent")
	link := admin.MustElement(`#setup-url`).MustText()

	holder := openPage(t, incognito(t, browser), link)
	wantText(t, holder, "asks you to connect your identity provider")
	lookAt(t, holder, "setup-begin")
	click(t, holder, `main form button`)
	wantText(t, holder, "You prepare the sign-in Acme")
	lookAt(t, holder, "setup-fill")
	notices(t, admin, `#news li.ok`, "The link was opened")
	fill(t, holder, map[string]string{"domain": issuer, "gap-client-ID": "pachyderm", "gap-client-secret": "a-demo-secret"})
	click(t, holder, `main form button:not([type])`)
	wantText(t, holder, "nothing answers")
	lookAt(t, holder, "setup-checked-wrong")
	notices(t, admin, `#news li.failed`, "nothing answers")

	idp.Run(t, issuer+"/.well-known/openid-configuration",
		[]string{"DEMO_CLIENT_SECRET=a-demo-secret", "DEMO_ALICE_PASSWORD=wonderland", "DEMO_BOB_PASSWORD=builder"},
		program(t, "demo"), "-listen", address, "-redirect-uri", d.callback())
	notices(t, holder, `.steps li.ok`, "credentials")
	if strings.Contains(text(t, holder), "Correct what is marked") {
		t.Errorf("all is green, and still: %s", text(t, holder))
	}
	lookAt(t, holder, "setup-checked")
	click(t, holder, `form[action$="/draft/test"] button`)
	lookAt(t, holder, "setup-test")
	tab := openPage(t, browser, *holder.MustElement(`a[target="_blank"]`).MustAttribute("href"))
	fill(t, tab, map[string]string{"email": "alice@example.com", "password": "wonderland"})
	click(t, tab, `button:not([name])`)
	wantText(t, tab, "test")
	if err := tab.Close(); err != nil {
		t.Fatal(err)
	}
	notices(t, holder, "h2", "How it went")
	lookAt(t, holder, "setup-tested")
	click(t, holder, `form[action$="/draft/store"] button`)
	wantText(t, holder, "It was handed in")
	lookAt(t, holder, "setup-done")

	notices(t, admin, `#news button`, "Approve it")
	wantText(t, admin, "user:alice@example.com")
	lookAt(t, admin, "setup-link-handed-in")
	goTo(t, admin, console+"connectors")
	lookAt(t, admin, "connectors-links")
	click(t, admin, `a[href*="/connectors/links/"]`)
	click(t, admin, `form[action$="/approve"] button`)
	wantText(t, admin, "people can sign in with it")
	goTo(t, holder, link)
	click(t, holder, `main form button`)
	wantText(t, holder, "This link opens nothing")
	lookAt(t, holder, "setup-over")
}
