package connector_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/document"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
	"pachyderm/test/idp"
)

// minimal are the least documents that can be opened, by type.
func minimal(t *testing.T, typ string) map[string]any {
	t.Helper()
	all := map[string]map[string]any{
		"oidc": {"issuer": "https://id.example.com/", "clientID": "c", "clientSecret": "the-secret", "redirectURI": callback},
		"saml": {
			"ssoURL": "https://id.example.com/sso", "caData": string(idp.NewCA(t).PEM), "emailAttr": "email", "redirectURI": callback,
		},
		"ldap":      {"host": "ldap.example.com", "userSearch": map[string]any{"baseDN": "dc=example,dc=com", "username": "uid"}},
		"google":    {"clientID": "c", "clientSecret": "the-secret", "redirectURI": callback},
		"microsoft": {"clientID": "c", "clientSecret": "the-secret", "redirectURI": callback},
		"openshift": {"issuer": "https://api.example.com:6443", "clientID": "c", "clientSecret": "the-secret", "redirectURI": callback},
		"keystone": {
			"domain": "default", "keystoneHost": "https://id.example.com:5000", "keystoneUsername": "u", "keystonePassword": "the-secret",
		},
		"atlassian-crowd": {"baseURL": "https://crowd.example.com/crowd", "clientID": "c", "clientSecret": "the-secret"},
		"oauth": {
			"clientID": "c", "clientSecret": "the-secret", "redirectURI": callback, "authorizationURL": "https://id.example.com/a",
			"tokenURL": "https://id.example.com/t", "userInfoURL": "https://id.example.com/u",
		},
		"authproxy":    {},
		"mockCallback": {},
		"mockPassword": {"username": "u", "password": "the-secret"},
	}
	for _, typ := range []string{"github", "gitlab", "gitea", "bitbucket-cloud", "linkedin"} {
		all[typ] = all["google"]
	}
	config, ok := all[typ]
	if !ok {
		t.Fatalf("there is no document of type %s here: write one", typ)
	}
	return config
}

// allDeps have all that any type wants.
func allDeps() connector.Deps {
	d := deps()
	d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	d.FormURL = func(string) string { return "http://localhost:30658/saml/request" }
	return d
}

// set copies a document with another value at a path; nil removes the key.
func set(config map[string]any, path string, value any) map[string]any {
	out := map[string]any{}
	for k, v := range config {
		out[k] = v
	}
	name, rest, nested := strings.Cut(path, ".")
	if nested {
		inner, _ := out[name].(map[string]any)
		out[name] = set(inner, rest, value)
		return out
	}
	out[name] = value
	if value == nil {
		delete(out, name)
	}
	return out
}

// eachKey goes through all keys of all types.
func eachKey(t *testing.T, test func(t *testing.T, typ string, config map[string]any, k document.Key)) {
	t.Helper()
	for _, typ := range connector.Types() {
		config := minimal(t, typ)
		for _, k := range connector.Keys(typ) {
			t.Run(typ+"/"+k.Path, func(t *testing.T) { test(t, typ, config, k) })
		}
	}
}

// refused says that a document is, with the key and these words, and without
// what is confidential in it.
func refused(t *testing.T, typ string, config map[string]any, field string, words ...string) {
	t.Helper()
	_, err := connector.Open("demo", typ, config, allDeps())
	if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != field {
		t.Errorf("got %v at %q, want it at %q", err, fault.FieldOf(err), field)
		return
	}
	for _, w := range words {
		if !strings.Contains(fault.Message(err), w) {
			t.Errorf("%v does not say %q", err, w)
		}
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, err), "the-secret") {
		t.Errorf("the secret was told: %v", err)
	}
}

func TestOpen_MinimalDocument(t *testing.T) {
	for _, typ := range connector.Types() {
		t.Run(typ, func(t *testing.T) {
			if _, err := connector.Open("demo", typ, minimal(t, typ), allDeps()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpen_RequiredKey(t *testing.T) {
	eachKey(t, func(t *testing.T, typ string, config map[string]any, k document.Key) {
		if !slices.Contains(k.Rules, "required") {
			return
		}
		last := k.Path[strings.LastIndex(k.Path, ".")+1:]
		refused(t, typ, set(config, k.Path, nil), "config."+k.Path, last, "is missing")
		if k.Type.Kind() == reflect.String {
			refused(t, typ, set(config, k.Path, ""), "config."+k.Path, last, "is missing")
		}
	})
}

func TestOpen_WrongTypeOfValue(t *testing.T) {
	eachKey(t, func(t *testing.T, typ string, config map[string]any, k document.Key) {
		var wrong []any
		kind := k.Type.Kind()
		if kind == reflect.Pointer {
			kind = k.Type.Elem().Kind()
		}
		switch {
		case k.Type == reflect.TypeFor[strict.Texts]():
			wrong = []any{true, map[string]any{"a": "b"}}
		case kind == reflect.String:
			wrong = []any{true, 7.0, []any{"x"}, map[string]any{"a": "b"}}
		case kind == reflect.Bool:
			wrong = []any{"true", 1.0, []any{true}}
		case kind == reflect.Slice:
			wrong = []any{"x", true, map[string]any{"a": "b"}}
		case kind == reflect.Map || kind == reflect.Struct:
			wrong = []any{"x", true, []any{"x"}}
		case kind == reflect.Interface:
			return // any value is refused in words
		default:
			t.Fatalf("what is wrong for a %s? Write it here", k.Type)
		}
		for _, value := range wrong {
			refused(t, typ, set(config, k.Path, value), "config."+k.Path, k.Path)
		}
	})
}

func TestOpen_OneOf(t *testing.T) {
	eachKey(t, func(t *testing.T, typ string, config map[string]any, k document.Key) {
		if len(k.OneOf) > 0 {
			refused(t, typ, set(config, k.Path, "another"), "config."+k.Path, "another", k.OneOf[0])
		}
	})
}

func TestOpen_MisspeltKey(t *testing.T) {
	eachKey(t, func(t *testing.T, typ string, config map[string]any, k document.Key) {
		dot := strings.LastIndex(k.Path, ".") + 1
		misspelt := k.Path[:dot] + k.Path[dot:] + "s"
		if slices.ContainsFunc(connector.Keys(typ), func(other document.Key) bool { return other.Path == misspelt }) {
			return
		}
		refused(t, typ, set(config, misspelt, "x"), "config."+misspelt, "did you mean")
	})
	for _, typ := range connector.Types() {
		refused(t, typ, set(minimal(t, typ), "zzzzzzzzzzzzzzz", "x"), "config.zzzzzzzzzzzzzzz", "unknown key")
	}
}

func TestOpen_OtherCallback(t *testing.T) {
	eachKey(t, func(t *testing.T, typ string, config map[string]any, k document.Key) {
		if k.Path != "redirectURI" {
			return
		}
		for _, other := range []string{
			"http://localhost:30658/callback/", "https://localhost:30658/callback", "http://localhost:30659/callback",
			"http://localhost:30658/callback?x=y",
			"http://evil.example.com/callback",
		} {
			refused(t, typ, set(config, k.Path, other), "config."+k.Path)
		}
	})
}

func TestOpen_PlainHTTP(t *testing.T) {
	seen := 0
	eachKey(t, func(t *testing.T, typ string, config map[string]any, k document.Key) {
		if !k.Is("url") {
			return
		}
		seen++
		if k.Path == "metadataURL" {
			config = set(set(config, "ssoURL", nil), "caData", nil)
		}
		refused(t, typ, set(config, k.Path, "http://id.example.com"), "config."+k.Path, "only https")
		for _, bad := range []string{
			"id.example.com", "ftp://id.example.com", "https://", "https://u:the-secret@id.example.com", "https://id.example.com/#x",
		} {
			refused(t, typ, set(config, k.Path, bad), "config."+k.Path)
		}
		for _, here := range []string{"http://localhost:1", "http://127.0.0.1:1", "https://id.example.com"} {
			if _, err := connector.Open("demo", typ, set(config, k.Path, here), allDeps()); err != nil {
				t.Errorf("%s: %v", here, err)
			}
		}
	})
	if seen < 12 {
		t.Errorf("only %d URLs were seen", seen)
	}
}

func TestOpen_Placeholder(t *testing.T) {
	eachKey(t, func(t *testing.T, typ string, config map[string]any, k document.Key) {
		if k.Type.Kind() != reflect.String || slices.Contains(k.Rules, "lines") || len(k.OneOf) > 0 {
			return
		}
		refused(t, typ, set(config, k.Path, "<your value>"), "config."+k.Path, "still has a placeholder in it")
	})
	for typ, keys := range map[string]map[string]string{
		"ldap":     {"host": "<host>.example.com", "userSearch.baseDN": "ou=people,dc=<yours>,dc=com"},
		"gitlab":   {"baseURL": "https://<host>/", "redirectURI": "http://<ip>:30658/callback"},
		"keystone": {"keystoneHost": "https://<host>:5000", "domain": "the <domain>"},
	} {
		for key, value := range keys {
			refused(t, typ, set(minimal(t, typ), key, value), "config."+key, "still has a placeholder in it")
		}
	}
	for typ, keys := range map[string]map[string]string{
		"keystone": {"keystonePassword": "x<y>z"},
		"ldap":     {"userSearch.filter": "(&(a>=1)(b<=2))", "userSearch.baseDN": `ou=a\<b\>,dc=example,dc=com`},
	} {
		for key, value := range keys {
			if _, err := connector.Open("demo", typ, set(minimal(t, typ), key, value), allDeps()); err != nil {
				t.Errorf("%s is none, but: %v", value, err)
			}
		}
	}
}

func TestOpen_ObjectsInLists(t *testing.T) {
	for _, typ := range []string{"github", "gitea"} {
		for field, orgs := range map[string][]any{
			"config.orgs[1].name":  {map[string]any{"name": "a"}, map[string]any{"teams": []any{"b"}}},
			"config.orgs[0].name":  {map[string]any{"name": "<organisation>"}},
			"config.orgs[0].nam":   {map[string]any{"nam": "a"}},
			"config.orgs[0].teams": {map[string]any{"name": "a", "teams": "b"}},
		} {
			refused(t, typ, set(minimal(t, typ), "orgs", orgs), field)
		}
	}
}

// A block of YAML, which is how PEM is written there, ends with a line's end.
func TestOpen_TextOfSeveralLines(t *testing.T) {
	ca := string(idp.NewCA(t).PEM)
	for typ, key := range map[string]string{"ldap": "rootCAData", "gitlab": "rootCAData", "saml": "caData"} {
		if _, err := connector.Open("demo", typ, set(minimal(t, typ), key, ca), allDeps()); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
	lines := strings.Split(strings.TrimSpace(ca), "\n")
	metadata := `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://id.example.com/idp">
<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
		strings.Join(lines[1:len(lines)-1], "") + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://id.example.com/sso"/>
</IDPSSODescriptor></EntityDescriptor>
`
	config := set(set(minimal(t, "saml"), "ssoURL", nil), "metadata", metadata)
	if _, err := connector.Open("demo", "saml", config, allDeps()); err != nil {
		t.Error(err)
	}
	refused(t, "google", set(minimal(t, "google"), "clientID", "c\n"), "config.clientID", "white space")
}
