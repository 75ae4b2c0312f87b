package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/pachd/pachdtest"
)

// hidden are the hidden fields of the form that goes to an address.
func hidden(t *testing.T, p optest.Page, action string) url.Values {
	t.Helper()
	_, form, ok := strings.Cut(p.Body, `method="post" action="`+action+`"`)
	if !ok {
		t.Fatalf("no form to %s on %s: %s", action, p.URL, p.Text())
	}
	form, _, _ = strings.Cut(form, "</form>")
	values := url.Values{}
	for _, field := range regexp.MustCompile(`type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(form, -1) {
		values.Set(field[1], strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(field[2]))
	}
	return values
}

// press sends the form of a page that goes to an address, with more filled in.
func (v visit) press(p optest.Page, action string, more ...string) optest.Page {
	v.t.Helper()
	values := hidden(v.t, p, action)
	for i := 0; i < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	return v.Post(v.s.HTTP+action, values)
}

var testLink = regexp.MustCompile(`href="([^"]*/connector-test/[^"]*)"`)

// trySignIn goes through the test sign-in that a page leads to, as alice.
func (v visit) trySignIn(p optest.Page) {
	v.t.Helper()
	link := testLink.FindStringSubmatch(p.Body)
	if link == nil {
		v.t.Fatalf("no test sign-in on %s: %s", p.URL, p.Text())
	}
	v.SignIn(strings.ReplaceAll(link[1], "&amp;", "&"), optest.Alice)
}

func TestConnectors_GuidedSetUp(t *testing.T) {
	s := pachdtest.Start(t)
	provider := optest.Start(t, s.Issuer.Callback())
	v := open(t, s).asRoot()
	v.want(v.at("connectors"), http.StatusOK, "There are none")
	v.want(v.at("connectors/new"), http.StatusOK, "Auth0", "OpenID Connect")
	form := v.at("connectors/new/oidc")
	v.want(form, http.StatusOK, s.Issuer.Callback(), "Client secret")

	const draft = "/console/connectors/draft"
	fields := []string{"domain", "https://nowhere.invalid", "gap-client-ID", provider.ClientID, "gap-client-secret", provider.ClientSecret, "name", "Acme", "id", "acme"}
	v.want(v.press(form, draft, append(fields, "domain", "not an address")...), http.StatusUnprocessableEntity, "is not the issuer")
	v.want(v.press(form, draft, append(fields, "gap-client-ID", "")...), http.StatusUnprocessableEntity, "Client ID is missing")
	v.want(v.press(form, draft, fields...), http.StatusOK, "Correct what is marked")
	checked := v.press(form, draft, append(fields, "domain", provider.Issuer)...)
	v.want(checked, http.StatusOK, "What the provider answers", "Test sign-in")
	if strings.Contains(checked.Body, provider.ClientSecret) {
		t.Error("the draft shows the client secret")
	}
	tested := v.press(checked, draft+"/test")
	v.trySignIn(tested)
	result := v.press(tested, draft+"/result")
	v.want(result, http.StatusOK, "The sign-in works", "user:alice@example.com", "admins", "Pick other claims")
	again := v.press(result, draft+"/claims", "id", "sub", "email", "email", "name", "name", "groups", "")
	v.trySignIn(again)
	v.want(v.press(again, draft+"/result"), http.StatusOK, "says nothing of groups")
	if got := v.at("connectors"); !strings.Contains(got.Text(), "There are none") {
		t.Errorf("something is stored before it is activated: %s", got.Text())
	}
	v.want(v.press(result, draft+"/store"), http.StatusOK, "people can sign in with it")
	open(t, s).asAlice()

	other := open(t, s).asRoot()
	values := hidden(t, checked, draft+"/test")
	values.Set("csrf", csrf(t, other.at("")))
	other.want(other.Post(s.HTTP+draft+"/test", values), http.StatusBadRequest, "begun in another session")
}

func TestConnectors_TwoAdministrators(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	const edit = "/console/connectors/of/demo/edit"
	one, two := open(t, s).asRoot(), open(t, s).asRoot()
	mine, theirs := one.at("connectors/of/demo/edit"), two.at("connectors/of/demo/edit")
	document := func(p optest.Page, old, with string) string { return strings.ReplaceAll(document(p), old, with) }
	one.want(one.press(mine, edit, "document", document(mine, "name: Demo", "name: First")), http.StatusOK, "The connector was updated", "First")
	conflict := two.press(theirs, edit, "document", document(theirs, "name: Demo", "name: Second"))
	two.want(conflict, http.StatusConflict, "Somebody else has changed this connector", "name: First", "name: Second")
	two.want(two.press(conflict, edit, "document", document(conflict, "name: Second", "name: Third")), http.StatusOK, "was updated", "Third")
	two.want(two.press(conflict, edit, "document", "type: oidc\nnot: there"), http.StatusConflict, "Somebody else")
	now := one.at("connectors/of/demo/edit")
	one.want(one.press(now, edit, "document", "type: oidc\nid: demo\nwrong: there"), http.StatusUnprocessableEntity, "wrong", "line 3")
	gone := document(now, "  insecureEnableGroups: true\n", "")
	one.want(one.press(now, edit, "document", gone), http.StatusOK, "was updated")
	stored, _, _ := strings.Cut(one.at("connectors/of/demo").Text(), "History")
	if strings.Contains(stored, "insecureEnableGroups") {
		t.Errorf("what was taken out is still there: %s", stored)
	}
	one.deleteDemo()
}

// The last connector of the administrators is deleted by nobody who has not been told.
func TestConnectors_DeletingTheLastWayIn(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	open(t, s).asAlice()
	v := open(t, s).asRoot()
	const at, warning = "connectors/of/demo/delete", "only the root token would be left"
	if text := v.at(at).Text(); strings.Contains(text, warning) {
		t.Errorf("she administers nothing: %s", text)
	}
	if err := s.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"); err != nil {
		t.Fatal(err)
	}
	v.want(v.at(at), http.StatusOK, warning, "user:alice@example.com")
}

func (v visit) deleteDemo() {
	v.t.Helper()
	const to = "/console/connectors/of/demo/delete"
	v.want(v.press(v.at("connectors/of/demo"), "/console/connectors/of/demo/check"), http.StatusOK, "Check")
	v.want(v.press(v.at("connectors/of/demo/delete"), to), http.StatusOK, "It was deleted", "There are none")
}

// document is what the editor of a page holds.
func document(p optest.Page) string {
	_, text, _ := strings.Cut(p.Body, "<textarea")
	_, text, _ = strings.Cut(text, ">")
	text, _, _ = strings.Cut(text, "</textarea>")
	return strings.NewReplacer("&#39;", "'", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}

func TestConnectors_Life(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	open(t, s).asAlice()
	v := open(t, s).asRoot()
	const at = "/console/connectors/of/demo"
	edit := v.at("connectors/of/demo/edit")
	next := strings.ReplaceAll(document(edit), "insecureEnableGroups: true", "insecureEnableGroups: false")
	planned := v.press(edit, at+"/edit", "document", next)
	v.want(planned, http.StatusOK, "The connector was updated", "History", "insecureEnableGroups", "By pach:root")
	v.want(v.press(planned, at+"/rollback"), http.StatusOK, "The revision is stored again", "Version 2")

	edit = v.at("connectors/of/demo/edit")
	values := hidden(t, edit, at+"/edit")
	values.Set("document", strings.ReplaceAll(document(edit), "insecureEnableGroups: true", "insecureEnableGroups: true\n  allowedGroups: [operators]"))
	plan := v.Post(s.HTTP+at+"/plan", values)
	v.want(plan, http.StatusOK, "What it would change", "allowedGroups", "1 refused", "alice@example.com", "only members of certain groups")
	values.Set("document", next)
	plan = v.Post(s.HTTP+at+"/plan", values)
	v.want(plan, http.StatusOK, "insecureEnableGroups", "nothing is read of groups any more", "1 as before")
	if got := v.at("connectors/of/demo"); !strings.Contains(got.Text(), "Version 2") || strings.Contains(got.Text(), "Version 3") {
		t.Errorf("a plan has changed the connector: %s", got.Text())
	}
	tried := v.press(edit, at+"/edit", "document", next, "within", "10m")
	v.want(tried, http.StatusOK, "undoes itself", "Keep the change")
	v.want(v.press(tried, at+"/confirm"), http.StatusOK, "The change stays")

	if err := s.Bind(pachdtest.Cluster(), pachdtest.Alice, "clusterAdmin"); err != nil {
		t.Fatal(err)
	}
	refused := v.press(v.at("connectors/of/demo"), at+"/disable")
	v.want(refused, http.StatusConflict, "it all the same")
	v.want(v.press(refused, at+"/disable"), http.StatusOK, "Nobody can sign in with it", "disabled")
	v.want(v.press(v.at("connectors/of/demo"), at+"/enable"), http.StatusOK, "People can sign in with it again")
}

func TestSignIns_OneIsFoundByItsCode(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	open(t, s).asAlice()
	v := open(t, s).asRoot()
	list := v.at("sign-ins")
	v.want(list, http.StatusOK, "1 signed in", "alice@example.com")
	code := regexp.MustCompile(`/console/sign-ins/of/([A-Z0-9-]+)"`).FindStringSubmatch(list.Body)
	if code == nil {
		t.Fatalf("no trace on %s", list.Text())
	}
	v.want(v.at("sign-ins/of/find?code="+code[1]), http.StatusOK, "user:alice@example.com", "What the provider said", "Steps", "admins")
	v.want(v.at("sign-ins?result=REFUSED"), http.StatusOK, "None is kept that fits")
	v.want(v.at("sign-ins/of/NONE"), http.StatusNotFound)
}
