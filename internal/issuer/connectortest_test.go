package issuer_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/principal"
)

// try runs a connector test to its end; sign drives the browser from its page.
func (h *env) try(c registry.Connector, sign func(b *optest.Browser, start string) optest.Page) (connectortest.Result, optest.Page) {
	h.t.Helper()
	id, address, _, err := h.StartTest(h.t.Context(), principal.Root, c)
	if err != nil {
		h.t.Fatal(err)
	}
	page := sign(optest.NewBrowser(h.t, func(*url.URL) bool { return false }), address)
	r, done, err := h.WaitTest(h.t.Context(), principal.Root, id)
	if err != nil || !done {
		h.t.Fatalf("done %v, %v; the page: %s", done, err, page.Text())
	}
	return r, page
}

func asAlice(b *optest.Browser, start string) optest.Page { return b.SignIn(start, optest.Alice) }

func claimNamed(r connectortest.Result, name string) connectortest.Claim {
	if n := slices.IndexFunc(r.Claims, func(c connectortest.Claim) bool { return c.Name == name }); n >= 0 {
		return r.Claims[n]
	}
	return connectortest.Claim{}
}

func TestConnectorTest_ShowsResultKeepsNothing(t *testing.T) {
	h := open(t, "/dex")
	h.op = optest.Start(t, h.Callback())
	r, page := h.try(h.document(map[string]any{"userNameKey": "nickname"}), asAlice)
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
	if all, err := h.Registry.Connectors(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("connectors after the test: %v, %v", all, err)
	}
	var people int64
	err := h.server.DB.View(t.Context(), func(tx *db.Tx) error { return tx.Row(t.Context(), []any{&people}, `SELECT COUNT(*) FROM identities`) })
	if err != nil || people != 0 {
		t.Errorf("%d identities after the test, %v", people, err)
	}
}

func TestConnectorTest_Differences(t *testing.T) {
	h := open(t, "")
	h.connect(nil)
	h.redeem(h.browser().SignIn(h.authURL(nil), optest.Alice))

	r, _ := h.try(registry.Connector{ID: "demo"}, asAlice)
	if r.Error != "" || !r.IsLive || len(r.Differences) != 0 || r.Note != "" {
		t.Errorf("the stored connector: %+v", r)
	}
	// A mapping that names no claim is what an administrator gets wrong first.
	r, page := h.try(registry.Connector{ID: "demo", Name: "Demo 2", Config: map[string]any{
		"clientSecret": "***", "insecureSkipEmailVerified": true, "claimMapping": map[string]any{"email": "upn"},
	}}, asAlice)
	if !strings.Contains(r.Error, `no e-mail address (claim "upn")`) || !strings.Contains(page.Text(), "failed") {
		t.Errorf("got %+v; %s", r, page.Text())
	}
	if c := claimNamed(r, "email"); c.Value == "" {
		t.Errorf("the claims are not shown: %+v", r.Claims)
	}
	want := []connectortest.Difference{
		{Key: "name", Live: `"Demo"`, Tested: `"Demo 2"`},
		{Key: "config.claimMapping", Tested: `{"email":"upn"}`},
		{Key: "config.insecureSkipEmailVerified", Tested: "true"},
	}
	if diff := cmp.Diff(want, r.Differences); diff != "" {
		t.Error(diff)
	}
	// A new secret is said to be another, and neither is shown.
	r, _ = h.try(registry.Connector{ID: "demo", Config: map[string]any{"clientSecret": "a wrong one"}}, asAlice)
	if !strings.Contains(r.Error, "clientSecret") || len(r.Differences) != 1 || r.Differences[0] != (connectortest.Difference{Key: "config.clientSecret", Live: `"***"`, Tested: `"***"`}) {
		t.Errorf("a wrong secret: %+v", r)
	}
	// The same person by another connector is somebody else.
	other := h.document(nil)
	other.ID = "other"
	if r, _ = h.try(other, asAlice); !strings.Contains(r.Error, "belongs to another account") {
		t.Errorf("somebody else's address: %+v", r)
	}
}

func TestConnectorTest_PasswordConnector(t *testing.T) {
	h := open(t, "/dex")
	document := registry.Connector{ID: "mock", Name: "Mock", Type: "mockPassword", Config: map[string]any{"username": "ann", "password": "right"}}
	r, _ := h.try(document, func(b *optest.Browser, start string) optest.Page {
		form := b.Get(start)
		again := b.Submit(form, map[string]string{"login": "ann", "password": "wrong"})
		if !strings.Contains(again.Text(), "wrong") {
			t.Errorf("a wrong password: %s", again.Text())
		}
		return b.Submit(again, map[string]string{"login": "ann", "password": "right"})
	})
	if r.Error != "" || r.User == "" {
		t.Errorf("got %+v", r)
	}
}

func TestConnectorTest_BelongsToItsOwner(t *testing.T) {
	h := open(t, "")
	h.op = optest.Start(t, h.Callback())
	id, address, _, err := h.StartTest(t.Context(), principal.Root, h.document(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.WaitTest(t.Context(), "user:eve@example.com", id); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody else waits: %v", err)
	}
	mine := optest.NewBrowser(t, func(u *url.URL) bool { return strings.HasPrefix(u.String(), h.Callback()) })
	answer := mine.SignIn(address, optest.Alice) // stopped before our callback
	for name, u := range map[string]string{"its page": address, "the provider's response": answer.URL.String()} {
		if page := h.browser().Get(u); !strings.Contains(page.Text(), "another browser") {
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
	if _, _, _, err := h.StartTest(t.Context(), principal.Root, registry.Connector{ID: "nosuch"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("of a connector that is not there: %v", err)
	}
	if _, _, _, err := h.StartTest(t.Context(), principal.Root, registry.Connector{ID: "x", Name: "X", Type: "oidc", Config: map[string]any{"clientId": "x"}}); fault.FieldOf(err) != "config.clientId" {
		t.Errorf("of a bad document: %v", err)
	}
}

func TestCheckConnector_FindsWhatIsWrong(t *testing.T) {
	h := open(t, "")
	h.op = optest.Start(t, h.Callback())
	for name, test := range map[string]struct {
		change map[string]any
		fails  string // the step; "" for none
		says   string
	}{
		"nothing":         {nil, "", ""},
		"a wrong secret":  {map[string]any{"clientSecret": "wrong"}, "credentials", "client ID or secret"},
		"another issuer":  {map[string]any{"issuer": strings.Replace(h.op.Issuer, "127.0.0.1", "localhost", 1)}, "issuer", "issuer mismatch"},
		"nobody there":    {map[string]any{"issuer": "http://127.0.0.1:1"}, "tcp", "nothing answers"},
		"no such host":    {map[string]any{"issuer": "https://nosuch.invalid"}, "dns", "there is no host"},
		"a misspelt key":  {map[string]any{"clientId": "x"}, "document", "config.clientId"},
		"not a provider":  {map[string]any{"issuer": h.server.HTTP + "/nothing"}, "discovery", "discovery document"},
		"a metadata host": {map[string]any{"issuer": "https://169.254.169.254"}, "tcp", "nothing answers"},
	} {
		t.Run(name, func(t *testing.T) {
			steps, err := h.CheckConnector(t.Context(), principal.Root, h.document(test.change))
			if err != nil {
				t.Fatal(err)
			}
			failed, said := "", ""
			for _, s := range steps {
				if s.Status == "failed" {
					failed, said = s.Name, s.Result
					if s.Remedy == "" && s.Name != "document" {
						t.Errorf("%s has no remedy", s.Name)
					}
					break
				}
			}
			if failed != test.fails || !strings.Contains(said, test.says) {
				t.Errorf("failed at %q: %s; want %q: %s\n%+v", failed, said, test.fails, test.says, steps)
			}
		})
	}
}

func TestReplicas_LoginsAndConnectorTests(t *testing.T) {
	h := openReplicas(t, "/dex", 3)
	h.connect(nil)
	h.mock("other", nil)
	for range 3 { // a login takes a number of requests that three does not divide
		h.redeem(h.browser().SignIn(h.authURL(map[string]string{"connector_id": "demo"}), optest.Alice))
		if r, _ := h.try(registry.Connector{ID: "demo"}, asAlice); r.Error != "" || r.User != "user:alice@example.com" {
			t.Errorf("a connector test: %+v", r)
		}
		r, _ := h.try(registry.Connector{ID: "other"}, func(b *optest.Browser, start string) optest.Page {
			return b.Submit(b.Get(start), map[string]string{"login": "other", "password": "other-password"})
		})
		if r.Error != "" {
			t.Errorf("a connector test with a password: %+v", r)
		}
	}
}

// Of long values only the beginning is shown, and all of it is compared.
func TestConnectorTest_DifferenceAtTheEnd(t *testing.T) {
	h := open(t, "")
	h.connect(map[string]any{"scopes": []any{strings.Repeat("x", 300), "a"}})
	r, _ := h.try(registry.Connector{ID: "demo", Config: map[string]any{"scopes": []any{strings.Repeat("x", 300), "b"}}}, asAlice)
	if len(r.Differences) != 1 || r.Differences[0].Key != "config.scopes" {
		t.Errorf("got %+v", r.Differences)
	}
}

func TestConnectorTest_StartsAtThePublicAddress(t *testing.T) {
	h := open(t, "/dex")
	h.op = optest.Start(t, h.Callback())
	h.ReachedAt(func(context.Context) *url.URL { return &url.URL{Host: "outside.example.com:8443", Scheme: "https"} })
	_, address, _, err := h.StartTest(t.Context(), principal.Root, h.document(nil))
	if err != nil || !strings.HasPrefix(address, "https://outside.example.com:8443/dex/connector-test/") {
		t.Errorf("%s, %v", address, err)
	}
}

func TestConnectorTest_StoredSecretStays(t *testing.T) {
	h := open(t, "")
	h.connect(nil)
	elsewhere := registry.Connector{ID: "demo", Config: map[string]any{"issuer": "https://evil.example.com"}}
	if _, err := h.CheckConnector(t.Context(), principal.Root, elsewhere); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), "write the secret itself") {
		t.Errorf("a check: %v", err)
	}
	if _, _, _, err := h.StartTest(t.Context(), principal.Root, elsewhere); !fault.Is(err, fault.Invalid) {
		t.Errorf("a connector test: %v", err)
	}
	elsewhere.Config["clientSecret"] = "its own"
	if _, err := h.CheckConnector(t.Context(), principal.Root, elsewhere); err != nil {
		t.Errorf("with a secret of its own: %v", err)
	}
}
