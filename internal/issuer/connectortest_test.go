package issuer_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/principal"
)

func asAlice(b *optest.Browser, start string) optest.Page { return b.SignIn(start, optest.Alice) }

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
		if r, _ := h.server.TestConnector(registry.Connector{ID: "demo"}, asAlice); r.Error != "" || r.User != "user:alice@example.com" {
			t.Errorf("a connector test: %+v", r)
		}
		r, _ := h.server.TestConnector(registry.Connector{ID: "other"}, func(b *optest.Browser, start string) optest.Page {
			return b.Submit(b.Get(start), map[string]string{"login": "other", "password": "other-password"})
		})
		if r.Error != "" {
			t.Errorf("a connector test with a password: %+v", r)
		}
	}
}

func TestConnectorTest_StartsAtThePublicAddress(t *testing.T) {
	h := open(t, "/dex")
	h.op = optest.Start(t, h.Callback())
	h.ReachedAt(func(context.Context) *url.URL { return &url.URL{Host: "outside.example.com:8443", Scheme: "https"} })
	_, address, _, err := h.StartTest(t.Context(), registry.Operator(), h.document(nil))
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
	if _, _, _, err := h.StartTest(t.Context(), registry.Operator(), elsewhere); !fault.Is(err, fault.Invalid) {
		t.Errorf("a connector test: %v", err)
	}
	elsewhere.Config["clientSecret"] = "its own"
	if _, err := h.CheckConnector(t.Context(), principal.Root, elsewhere); err != nil {
		t.Errorf("with a secret of its own: %v", err)
	}
}
