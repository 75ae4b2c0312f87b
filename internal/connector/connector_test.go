package connector_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/connector"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
)

const callback = "http://localhost:30658/callback"

func deps() connector.Deps {
	return connector.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Callback: callback}
}

func isSecret(typ, key string) bool {
	return connector.Redact(typ, map[string]any{key: "x"})[key] == "***"
}

func TestMerge(t *testing.T) {
	stored := func() map[string]any {
		return map[string]any{
			"issuer": "https://id.example.com", "clientSecret": "hidden", "scopes": []any{"email"},
			"claimMapping": map[string]any{"groups": "roles", "name": "nick"},
		}
	}
	for name, c := range map[string]struct {
		typ    string
		change map[string]any
		want   map[string]any // beside what is stored; nil for a key that is gone
	}{
		"nothing": {"oidc", nil, nil},
		"a key": {
			"oidc", map[string]any{"issuer": "https://other.example.com"}, map[string]any{"issuer": "https://other.example.com"},
		},
		"null removes":                {"oidc", map[string]any{"scopes": nil}, map[string]any{"scopes": nil}},
		"null of what is not there":   {"oidc", map[string]any{"acrValues": nil}, nil},
		"a list is replaced":          {"oidc", map[string]any{"scopes": []any{}}, map[string]any{"scopes": []any{}}},
		"the mask keeps a secret":     {"oidc", map[string]any{"clientSecret": "***"}, nil},
		"a new secret":                {"oidc", map[string]any{"clientSecret": "new"}, map[string]any{"clientSecret": "new"}},
		"the mask elsewhere is text":  {"oidc", map[string]any{"issuer": "***"}, map[string]any{"issuer": "***"}},
		"the mask of what is not set": {"mockPassword", map[string]any{"password": "***"}, map[string]any{"password": "***"}},
		"inside of an object": {
			"oidc",
			map[string]any{"claimMapping": map[string]any{"name": nil, "email": "upn"}},
			map[string]any{"claimMapping": map[string]any{"groups": "roles", "email": "upn"}},
		},
		"an object where there was none": {
			"oidc", map[string]any{"scopes": map[string]any{"a": 1, "b": nil}}, map[string]any{"scopes": map[string]any{"a": 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, want := stored(), stored()
			for key, value := range c.want {
				want[key] = value
				if value == nil {
					delete(want, key)
				}
			}
			if diff := cmp.Diff(want, connector.Merge(c.typ, before, c.change)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(stored(), before); diff != "" {
				t.Errorf("what is stored was changed:\n%s", diff)
			}
		})
	}
	if got := connector.Merge("oidc", nil, map[string]any{"issuer": "x", "scopes": nil}); len(got) != 1 || got["issuer"] != "x" {
		t.Errorf("on nothing: %v", got)
	}
}

func TestRedact(t *testing.T) {
	config := map[string]any{"issuer": "https://id.example.com", "clientSecret": "hidden", "password": "not this type's"}
	got := connector.Redact("oidc", config)
	want := map[string]any{"issuer": "https://id.example.com", "clientSecret": "***", "password": "not this type's"}
	if diff := cmp.Diff(want, got); diff != "" || config["clientSecret"] != "hidden" {
		t.Errorf("(-want +got):\n%s\nthe original: %v", diff, config)
	}
	if got := connector.Redact("mockPassword", map[string]any{"username": "u", "password": 7}); got["password"] != "***" ||
		got["username"] != "u" {
		t.Errorf("a password that is no text: %v", got)
	}
	if got := connector.Redact("of-a-newer-pachd", map[string]any{"bindPW": "hidden"}); got["bindPW"] != "***" {
		t.Errorf("a type that is not known here: %v", got)
	}
	// A type whose documents have a key that looks like a secret must list it.
	for _, typ := range connector.Types() {
		for _, key := range []string{"clientSecret", "password"} {
			err := connector.Verify(t.Context(), "demo", typ, map[string]any{key: []any{}}, deps())
			if strings.Contains(fault.Message(err), "known are") || strings.Contains(fault.Message(err), "did you mean") {
				continue
			}
			if fault.FieldOf(err) == "config."+key && !isSecret(typ, key) {
				t.Errorf("%s shows its %s", typ, key)
			}
		}
	}
}

func TestCheckSecrets_MaskOfNothing(t *testing.T) {
	err := connector.CheckSecrets("oidc", map[string]any{"clientSecret": "***"})
	if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "config.clientSecret" {
		t.Errorf("got %v", err)
	}
	if err := connector.CheckSecrets("oidc", map[string]any{"clientSecret": "x", "issuer": "***"}); err != nil {
		t.Errorf("got %v", err)
	}
}

// The page's example, completed, with what a reader would put in the brackets.
const page = `
type: oidc
id: auth0
name: Auth0
version: 1
config:
  issuer: ISSUER
  clientID: hegmOc5rTotLPu5ByRDXOvBAzgs3wuw5
  clientSecret: 7xk8O71Uhp5T-bJp_aP2Squwlh4zZTJs65URPma-2UT7n1iigDaMUD9ArhUR-2aL
  redirectURI: http://localhost:30658/callback
  insecureEnableGroups: true
  insecureSkipEmailVerified: true
  insecureSkipIssuerCallbackDomainCheck: false
  forwardedLoginParams:
  - login_hint
`

func configOf(t *testing.T, document string) map[string]any {
	t.Helper()
	var d struct {
		Type    string         `json:"type"`
		ID      string         `json:"id"`
		Name    string         `json:"name"`
		Version int64          `json:"version"`
		Config  map[string]any `json:"config"`
	}
	if err := strict.Decode([]byte(document), &d); err != nil {
		t.Fatal(err)
	}
	return d.Config
}

// Whoever writes the document is signed in, whatever the provider answers.
func TestVerify_ProviderAnswersBadly(t *testing.T) {
	for name, answer := range map[string]string{"no JSON": "<html>", "too much": strings.Repeat(" ", 2<<20), "another": `{"issuer": "https://other.example.com"}`} {
		bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
		defer bad.Close()
		err := connector.Verify(t.Context(), "demo", "oidc", configOf(t, strings.Replace(page, "ISSUER", bad.URL, 1)), deps())
		if kind := fault.KindOf(err); err == nil || kind != fault.Precondition && kind != fault.Invalid && kind != fault.Unavailable {
			t.Errorf("%s: %s: %v", name, kind, err)
		}
	}
}

func TestVerify_DocumentOfThePage(t *testing.T) {
	p := optest.Start(t, callback)
	if err := connector.Verify(t.Context(), "demo", "oidc", configOf(t, strings.Replace(page, "ISSUER", p.Issuer, 1)), deps()); err != nil {
		t.Error(err)
	}
}

func TestOpen_NamesTheKeyAtFault(t *testing.T) {
	for name, c := range map[string]struct {
		old, new    string
		field, want string
	}{
		"the page's stray comma": {
			"Check: false", "Check: false,", "config.insecureSkipIssuerCallbackDomainCheck",
			"expected true or false, got the text \"false,\": remove the comma",
		},
		"a misspelt key":        {"clientID", "clientId", "config.clientId", "did you mean clientID?"},
		"an unknown key":        {"clientID:", "whatever: 1\n  clientID:", "config.whatever", "unknown key"},
		"another case of a key": {"clientSecret", "ClientSecret", "config.ClientSecret", "did you mean"},
		"text for a list":       {"\n  - login_hint", " login_hint", "config.forwardedLoginParams", "expected a list"},
		"a number for text":     {"hegmOc5rTotLPu5ByRDXOvBAzgs3wuw5", "7", "config.clientID", "put it in quotes"},
		"an item of a list":     {"- login_hint", "- state", "config.forwardedLoginParams[0]", "belongs to the protocol"},
		"nothing for a value":   {"http://localhost:30658/callback", "", "config.redirectURI", "got nothing"},
		"a callback elsewhere":  {"http://localhost:30658/callback", "http://192.168.49.2:30658/callback", "config.redirectURI", callback},
		"a placeholder":         {"localhost:30658", "<ip>:30658", "config.redirectURI", "placeholder"},
	} {
		t.Run(name, func(t *testing.T) {
			document := strings.Replace(strings.Replace(page, "ISSUER", "https://id.example.com/", 1), c.old, c.new, 1)
			_, err := connector.Open("demo", "oidc", configOf(t, document), deps())
			if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != c.field || !strings.Contains(fault.Message(err), c.want) {
				t.Errorf("got %v at %q, want %q at %q", err, fault.FieldOf(err), c.want, c.field)
			}
			if err != nil && strings.Contains(err.Error(), "7xk8O71Uhp5T") {
				t.Errorf("the secret was told: %v", err)
			}
		})
	}
}

func TestOpen_UnknownType(t *testing.T) {
	for _, typ := range []string{"", "OIDC", "placeholder", "saml2"} {
		_, err := connector.Open("demo", typ, map[string]any{}, deps())
		if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "type" || !strings.Contains(fault.Message(err), "unknown connector type") {
			t.Errorf("%q: %v", typ, err)
		}
	}
	if !slices.IsSorted(connector.Types()) || !slices.Contains(connector.Types(), "oidc") {
		t.Errorf("types: %v", connector.Types())
	}
	for typ, config := range map[string]map[string]any{"mockPassword": {"username": "u"}, "mockCallback": {"x": 1}} {
		if _, err := connector.Open("demo", typ, config, deps()); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s with %v: %v", typ, config, err)
		}
	}
}
