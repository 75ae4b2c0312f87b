package connectortest_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/pachd/pachdtest"
)

// env is a pachd, with the provider that it is connected to, if it is.
type env struct {
	*pachdtest.Server
	t  *testing.T
	op *op.Provider
}

// open starts a pachd whose issuer is below a path.
func open(t *testing.T, path string) *env {
	t.Helper()
	h := &env{Server: pachdtest.Start(t), t: t}
	if err := h.Issuer.SetSettings(t.Context(), registry.Operator(), settings.Settings{Issuer: h.HTTP + path}); err != nil {
		t.Fatal(err)
	}
	h.op = optest.Start(t, h.Issuer.Callback())
	return h
}

func (h *env) document(changes map[string]any) registry.Connector {
	config := map[string]any{
		"issuer": h.op.Issuer, "clientID": h.op.ClientID, "clientSecret": h.op.ClientSecret, "redirectURI": h.Issuer.Callback(),
		"insecureEnableGroups": true,
	}
	maps.Copy(config, changes)
	return registry.Connector{ID: "demo", Name: "Demo", Type: "oidc", Version: 1, Config: config}
}

func (h *env) connect(changes map[string]any) {
	h.t.Helper()
	if err := h.Issuer.Registry.CreateConnector(h.t.Context(), registry.Operator(), h.document(changes)); err != nil {
		h.t.Fatal(err)
	}
}

func asAlice(b *optest.Browser, start string) optest.Page { return b.SignIn(start, optest.Alice) }

func claimNamed(r connectortest.Result, name string) trace.Claim {
	if n := slices.IndexFunc(r.Claims, func(c trace.Claim) bool { return c.Name == name }); n >= 0 {
		return r.Claims[n]
	}
	return trace.Claim{}
}

func TestConnectorTest_ShowsResultKeepsNothing(t *testing.T) {
	h := open(t, "/dex")
	r, page := h.TestConnector(h.document(map[string]any{"userNameKey": "nickname"}), asAlice)
	if r.Error != "" || r.User != "user:alice@example.com" || r.Note != "new here" || r.IsLive {
		t.Errorf("got %+v", r)
	}
	if diff := cmp.Diff([]string{"admins", "engineers"}, r.Groups); diff != "" {
		t.Error(diff)
	}
	if c := claimNamed(r, "email"); c.Value != `"alice@example.com"` || c.UsedAs != "e-mail address" {
		t.Errorf("the claim email: %+v", c)
	}
	if c := claimNamed(r, "nickname"); !strings.Contains(c.UsedAs, "missing") {
		t.Errorf("the claim nickname, which is not sent: %+v", c)
	}
	if !strings.Contains(page.Text(), "succeeded") || !strings.Contains(page.Text(), "user:alice@example.com") {
		t.Errorf("the page: %s", page.Text())
	}
	if all, err := h.Issuer.Registry.Connectors(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("connectors after the test: %v, %v", all, err)
	}
	var people int64
	err := h.DB.View(t.Context(), func(tx *db.Tx) error { return tx.Row(t.Context(), []any{&people}, `SELECT COUNT(*) FROM identities`) })
	if err != nil || people != 0 {
		t.Errorf("%d identities after the test, %v", people, err)
	}
}

// An idpAdmin chooses the address, and must not read by it what they cannot reach.
func TestConnectorTest_PrivateAddressIsWithheld(t *testing.T) {
	h := open(t, "/dex")
	by := registry.Author{Name: "user:ida@example.com"}
	r, page := h.TestConnectorBy(by, h.document(nil), asAlice)
	if c := claimNamed(r, "email"); c.Value != "***" || c.UsedAs != "e-mail address" {
		t.Errorf("the claim email: %+v", c)
	}
	failed, failedPage := h.TestConnectorBy(by, h.document(map[string]any{"insecureSkipEmailVerified": true, "claimMapping": map[string]any{"email": "name"}}), asAlice)
	if failed.Error == "" || !strings.Contains(failed.Error, "ask a clusterAdmin") {
		t.Errorf("one that fails: %+v", failed)
	}
	for _, text := range []string{fmt.Sprintf("%+v", r), page.Text(), fmt.Sprintf("%+v", failed), failedPage.Text()} {
		if strings.Contains(text, "alice@") || strings.Contains(text, "Anderson") || strings.Contains(text, "engineers") {
			t.Errorf("shown: %s", text)
		}
	}
}

func TestConnectorTest_Differences(t *testing.T) {
	h := open(t, "")
	h.connect(nil)
	h.Alice()

	r, _ := h.TestConnector(registry.Connector{ID: "demo"}, asAlice)
	if r.Error != "" || !r.IsLive || len(r.Differences) != 0 || r.Note != "" {
		t.Errorf("the stored connector: %+v", r)
	}
	// A mapping that names no claim is what an administrator gets wrong first.
	r, page := h.TestConnector(registry.Connector{ID: "demo", Name: "Demo 2", Config: map[string]any{
		"clientSecret": "***", "insecureSkipEmailVerified": true, "claimMapping": map[string]any{"email": "upn"},
	}}, asAlice)
	if !strings.Contains(r.Error, `no e-mail address (claim "upn")`) || !strings.Contains(page.Text(), "failed") {
		t.Errorf("got %+v; %s", r, page.Text())
	}
	if c := claimNamed(r, "email"); c.Value == "" {
		t.Errorf("the claims are not shown: %+v", r.Claims)
	}
	want := []registry.Difference{
		{Key: "name", Was: `"Demo"`, Is: `"Demo 2"`},
		{Key: "config.claimMapping", Is: `{"email":"upn"}`},
		{Key: "config.insecureSkipEmailVerified", Is: "true"},
	}
	if diff := cmp.Diff(want, r.Differences); diff != "" {
		t.Error(diff)
	}
	// A new secret is said to be another, and neither is shown.
	r, _ = h.TestConnector(registry.Connector{ID: "demo", Config: map[string]any{"clientSecret": "a wrong one"}}, asAlice)
	if !strings.Contains(r.Error, "clientSecret") || len(r.Differences) != 1 || r.Differences[0] != (registry.Difference{Key: "config.clientSecret", Was: `"***"`, Is: `"***"`}) {
		t.Errorf("a wrong secret: %+v", r)
	}
	// The same person by another connector is somebody else.
	other := h.document(nil)
	other.ID = "other"
	if r, _ = h.TestConnector(other, asAlice); !strings.Contains(r.Error, "belongs to another account") {
		t.Errorf("somebody else's address: %+v", r)
	}
}

func TestConnectorTest_PasswordConnector(t *testing.T) {
	h := open(t, "/dex")
	document := registry.Connector{ID: "mock", Name: "Mock", Type: "mockPassword", Config: map[string]any{"username": "ann", "password": "right"}}
	r, _ := h.TestConnector(document, func(b *optest.Browser, start string) optest.Page {
		form := b.Get(start)
		again := b.Submit(form, map[string]string{"login": "ann", "password": "wrong"})
		if !strings.Contains(again.Text(), "wrong") {
			t.Errorf("a wrong password: %s", again.Text())
		}
		forged := b.Submit(again, map[string]string{"login": "ann", "password": "right", "csrf": "x"})
		if strings.Contains(forged.Text(), "succeeded") || strings.Contains(forged.Text(), "wrong") {
			t.Errorf("a form of another site: %s", forged.Text())
		}
		return b.Submit(again, map[string]string{"login": "ann", "password": "right"})
	})
	if r.Error != "" || r.User == "" {
		t.Errorf("got %+v", r)
	}
}

func TestConnectorTest_BelongsToItsOwner(t *testing.T) {
	h := open(t, "")
	id, address, _, err := h.Issuer.StartTest(t.Context(), registry.Operator(), h.document(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Issuer.WaitTest(t.Context(), "user:eve@example.com", id); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody else waits: %v", err)
	}
	mine := optest.NewBrowser(t, func(u *url.URL) bool { return strings.HasPrefix(u.String(), h.Issuer.Callback()) })
	answer := mine.SignIn(address, optest.Alice) // stopped before our callback
	for name, u := range map[string]string{"its page": address, "the provider's response": answer.URL.String()} {
		if page := optest.NewBrowser(t, func(*url.URL) bool { return false }).Get(u); !strings.Contains(page.Text(), "another browser") {
			t.Errorf("%s in another browser: %s", name, page.Text())
		}
	}
	mine.Stop = func(*url.URL) bool { return false }
	if page := mine.Get(answer.URL.String()); !strings.Contains(page.Text(), "succeeded") {
		t.Errorf("in its own: %s", page.Text())
	}
	if page := mine.Get(address); !strings.Contains(page.Text(), "is over") {
		t.Errorf("once more: %s", page.Text())
	}
	if _, _, _, err := h.Issuer.StartTest(t.Context(), registry.Operator(), registry.Connector{ID: "nosuch"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("of a connector that is not there: %v", err)
	}
	if _, _, _, err := h.Issuer.StartTest(t.Context(), registry.Operator(), registry.Connector{ID: "x", Name: "X", Type: "oidc", Config: map[string]any{"clientId": "x"}}); fault.FieldOf(err) != "config.clientId" {
		t.Errorf("of a bad document: %v", err)
	}
}

// Of long values only the beginning is shown, and all of it is compared.
func TestConnectorTest_DifferenceAtTheEnd(t *testing.T) {
	h := open(t, "")
	h.connect(map[string]any{"scopes": []any{strings.Repeat("x", 300), "a"}})
	r, _ := h.TestConnector(registry.Connector{ID: "demo", Config: map[string]any{"scopes": []any{strings.Repeat("x", 300), "b"}}}, asAlice)
	if len(r.Differences) != 1 || r.Differences[0].Key != "config.scopes" {
		t.Errorf("got %+v", r.Differences)
	}
}

func TestConnectorTest_OldestOfOneOwnerGoFirst(t *testing.T) {
	h := open(t, "")
	start := func(by registry.Author) (id string) {
		t.Helper()
		id, _, _, err := h.Issuer.StartTest(t.Context(), by, h.document(nil))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	other, first := start(registry.Author{Name: "user:other@example.com", MayGrant: true}), start(registry.Operator())
	var last string
	for range 20 {
		last = start(registry.Operator())
	}
	opens := func(id string) int {
		return optest.NewBrowser(t, func(*url.URL) bool { return true }).Get(h.Issuer.Endpoint("/connector-test/" + id)).Status
	}
	if got := opens(first); got != http.StatusBadRequest {
		t.Errorf("the first is still there: %d", got)
	}
	for _, id := range []string{last, other} {
		if got := opens(id); got != http.StatusSeeOther {
			t.Errorf("the last, or another owner's, is not there: %d", got)
		}
	}
}
