package document_test

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/fault"
	"pachyderm/test/idp"
)

type sample struct {
	Server   string `json:"server" rule:"required,url" doc:"where it is"`
	Issuer   string `json:"issuer" rule:"url,noquery"`
	Back     string `json:"redirectURI" rule:"callback"`
	Page     string `json:"page" rule:"web"`
	Secret   string `json:"secret" rule:"secret"`
	Format   string `json:"format" oneof:"id name"`
	Filter   string `json:"filter"`
	PEM      string `json:"pem" rule:"lines"`
	hidden   string
	Search   search `json:"search"`
	Orgs     []org  `json:"orgs"`
	Flag     bool   `json:"flag"`
	Internal string `json:"-"`
}

type search struct {
	Base string `json:"base" rule:"required"`
}

type org struct {
	Name string `json:"name" rule:"required"`
}

const callback = "https://pach.example.com/callback"

func good() sample {
	return sample{Server: "https://id.example.com/x?y=z", Search: search{"dc=example"}, hidden: "x"}
}

func TestKeys(t *testing.T) {
	var paths []string
	for _, k := range document.Keys(reflect.TypeFor[sample]()) {
		paths = append(paths, k.Path)
		if k.Path == "server" && (!k.Is("required") || !k.Is("url") || k.Is("dest") || k.Doc != "where it is") {
			t.Errorf("got %+v", k)
		}
		if k.Path == "search.base" && k.In(reflect.ValueOf(good())).String() != "dc=example" {
			t.Errorf("%+v has %v", k, k.In(reflect.ValueOf(good())))
		}
	}
	want := []string{
		"server", "issuer", "redirectURI", "page", "secret", "format", "filter", "pem", "search", "search.base", "orgs", "flag",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	for name, change := range map[string]func(*sample){
		"the least":                func(*sample) {},
		"an address here":          func(s *sample) { s.Server = "http://localhost:5556/dex" },
		"our callback":             func(s *sample) { s.Back = callback },
		"a page by http":           func(s *sample) { s.Page = "http://10.0.0.7:30658/callback" },
		"a secret that looks odd":  func(s *sample) { s.Secret = "x<y>{z}" },
		"one of the words":         func(s *sample) { s.Format = "name" },
		"a filter":                 func(s *sample) { s.Filter = "(&(a>=1)(b<=2))" },
		"text of several lines":    func(s *sample) { s.PEM = "-----BEGIN\nx\n" },
		"an item with what it has": func(s *sample) { s.Orgs = []org{{"a"}, {"b"}} },
	} {
		s := good()
		change(&s)
		if err := (document.Rules{Callback: callback}).Check("sample", &s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := good()
	s.Server = "http://id.example.com"
	if err := (document.Rules{Callback: callback, AllowHTTP: true}).Check("sample", &s); err != nil {
		t.Errorf("http where it is allowed: %v", err)
	}
}

func TestCheck_Refuses(t *testing.T) {
	for name, c := range map[string]struct {
		change      func(*sample)
		field, want string
	}{
		"nothing":                  {func(s *sample) { s.Server = "" }, "server", "a connector of type sample needs server, search.base"},
		"nothing in an object":     {func(s *sample) { s.Search.Base = "" }, "search.base", "search.base is missing"},
		"nothing in an item":       {func(s *sample) { s.Orgs = []org{{"a"}, {}} }, "orgs[1].name", "orgs[1].name is missing"},
		"a placeholder in an item": {func(s *sample) { s.Orgs = []org{{"<organisation>"}} }, "orgs[0].name", "placeholder"},
		"white space":              {func(s *sample) { s.Filter = " x" }, "filter", "white space"},
		"a line's end":             {func(s *sample) { s.Secret = "hunter2\n" }, "secret", "white space"},
		"a control character":      {func(s *sample) { s.Secret = "hun\x00ter2" }, "secret", "control character"},
		"a reference to no secret": {func(s *sample) { s.Filter = "${env:X}" }, "filter", "is for secrets only"},
		"a word that is none":      {func(s *sample) { s.Format = "email" }, "format", "use one of id, name"},
		"another callback":         {func(s *sample) { s.Back = callback + "/" }, "redirectURI", "redirectURI is " + callback + "/, but sign-ins come back to " + callback},
		"no scheme":                {func(s *sample) { s.Server = "id.example.com" }, "server", "must begin with https://"},
		"a file":                   {func(s *sample) { s.Server = "file:///etc/passwd" }, "server", "must begin with https://"},
		"a script":                 {func(s *sample) { s.Page = "javascript:alert(1)" }, "page", "must begin with https://"},
		"a backslash":              {func(s *sample) { s.Server = `https://x.test\@evil.test` }, "server", "is not a URL"},
		"a quotation mark":         {func(s *sample) { s.Server = `https://x.test/"` }, "server", "is not a URL"},
		"a password":               {func(s *sample) { s.Server = "https://u:hunter2@x.test" }, "server", "user name or password"},
		"a fragment":               {func(s *sample) { s.Server = "https://x.test#a" }, "server", "no fragment"},
		"an empty fragment":        {func(s *sample) { s.Page = "https://x.test#" }, "page", "no fragment"},
		"a query":                  {func(s *sample) { s.Issuer = "https://x.test?a=b" }, "issuer", "no query"},
		"an empty query":           {func(s *sample) { s.Issuer = "https://x.test?" }, "issuer", "no query"},
		"plain http":               {func(s *sample) { s.Issuer = "http://x.test" }, "issuer", "only https is accepted"},
		"a look-alike of here":     {func(s *sample) { s.Server = "http://localhost.evil.test" }, "server", "only https is accepted"},
		"a placeholder in angles":  {func(s *sample) { s.Page = "http://<ip>:30658/callback" }, "page", "placeholder"},
		"a placeholder in braces":  {func(s *sample) { s.Server = "https://x.test/{tenant}/v2.0" }, "server", "placeholder"},
		"all of a placeholder":     {func(s *sample) { s.Secret = "<your secret>" }, "secret", "placeholder"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			c.change(&s)
			err := document.Rules{Callback: callback}.Check("sample", &s)
			if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "config."+c.field || !strings.Contains(fault.Message(err), c.want) {
				t.Errorf("%v at %q\nwant %q at %q", err, fault.FieldOf(err), c.want, c.field)
			}
			if strings.Contains(fault.Message(err), "hunter2") {
				t.Errorf("it shows a secret: %v", err)
			}
		})
	}
}

func TestPEM(t *testing.T) {
	ca := string(idp.NewCA(t).PEM)
	encoded := base64.StdEncoding.EncodeToString([]byte(ca))
	for name, text := range map[string]string{"text": ca, "base64": encoded, "base64 in lines": encoded[:40] + "\n  " + encoded[40:] + "\n"} {
		if got, err := document.PEM("ca", text); string(got) != ca || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := document.PEM("ca", ""); len(got) != 0 || err != nil {
		t.Errorf("nothing: %q, %v", got, err)
	}
	// What is no PEM would be taken for the name of a file.
	for name, text := range map[string]string{"a file": "/etc/passwd", "base64 of something else": "AAAA", "no base64": "%"} {
		if got, err := document.PEM("ca", text); fault.FieldOf(err) != "config.ca" || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestReference(t *testing.T) {
	for text, want := range map[string][2]string{"${env:NAME}": {"env", "NAME"}, "${file:/run/secrets/x}": {"file", "/run/secrets/x"}} {
		if kind, name, ok := document.Reference(text); kind != want[0] || name != want[1] || !ok {
			t.Errorf("%s: %q, %q, %v", text, kind, name, ok)
		}
	}
	for _, text := range []string{"", "NAME", "${env:}", "${secret:X}", "${env:X} ", "x${env:X}", "${env:${env:X}}", "$env:X"} {
		if kind, name, ok := document.Reference(text); ok {
			t.Errorf("%q: %q, %q", text, kind, name)
		}
	}
}
