package xmltree_test

import (
	"fmt"
	"strings"
	"testing"

	"pachyderm/internal/connector/saml/xmltree"
	"pachyderm/internal/fault"
)

// good is a message as far as this package knows one.
const good = `<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1"><p:Status><a>jane</a></p:Status></p:Response>`

func replace(from, to string) string {
	if !strings.Contains(good, from) {
		panic("nothing to replace: " + from)
	}
	return strings.Replace(good, from, to, 1)
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d="b"`, i)
	}
	return b.String()
}

func TestParse(t *testing.T) {
	for name, text := range map[string]string{
		"plain":             good,
		"a declaration":     `<?xml version="1.0" encoding="UTF-8"?>` + good,
		"lines at the end":  good + " \n\r\n",
		"CDATA":             replace("jane", "<![CDATA[jane]]>"),
		"a character":       replace("jane", "j&#97;ne"),
		"many beside":       replace("<p:Status>", strings.Repeat("<b></b>", 100)+"<p:Status>"),
		"as deep as may be": replace("<p:Status>", strings.Repeat("<b>", 31)+strings.Repeat("</b>", 31)+"<p:Status>"),
		"as many as may be": replace("<p:Status>", strings.Repeat("<b/>", 9_997)+"<p:Status>"),
		"all attributes":    replace("<p:Status>", "<p:Status"+attributes(64)+">"),
	} {
		root, err := xmltree.Parse([]byte(text), xmltree.OfMessages())
		if err != nil || !xmltree.Is(root, xmltree.Protocol, "Response") || xmltree.Attr(root, "ID") != "_1" {
			t.Errorf("%s: %v, %v", name, root, err)
		}
	}
	for name, text := range map[string]string{
		"a comment":                replace("jane", "ja<!-- -->ne"),
		"a processing instruction": replace("jane", "ja<?x y?>ne"),
	} {
		if _, err := xmltree.Parse([]byte(text), xmltree.OfMetadata()); err != nil {
			t.Errorf("%s in metadata: %v", name, err)
		}
	}
}

// What a message is refused for here is where XML readers differ.
func TestParse_HostileXML(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"comment in a value":     {replace("jane", "ja<!-- -->ne"), "comment"},
		"comment after a value":  {replace("jane<", "jane<!-- -->.evil.test<"), "comment"},
		"processing instruction": {replace("jane", "ja<?x y?>ne"), "processing instruction"},
		"second declaration":     {replace("<p:Status>", `<?xml version="1.0"?><p:Status>`), "processing instruction"},
		"DTD":                    {`<!DOCTYPE x [<!ENTITY e "admin">]>` + good, "DTD"},
		"entity":                 {replace("jane", "&e;"), "not well-formed"},
		"entities that grow":     {`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + replace("jane", "&b;"), "DTD"},
		"external entity":        {`<!DOCTYPE x SYSTEM "file:///etc/passwd">` + good, "DTD"},
		"not UTF-8":              {replace("jane", "j\xff"), "UTF-8"},
		"other encoding":         {`<?xml version="1.0" encoding="UTF-7"?>` + good, "not well-formed"},
		"two roots":              {good + "<a></a>", "not well-formed"},
		"text after the root":    {good + "x", "not well-formed"},
		"attribute twice":        {replace(`ID="_1"`, `ID="_1" ID="_x"`), "same attribute twice"},
		"prefix without a name":  {replace("<p:Status>", `<p:Status x:="y">`), "colon at its end"},
		"name without a prefix":  {replace("<p:Status>", "<:a></:a><p:Status>"), "colon at its end"},
		"name of one reader":     {replace("<p:Status>", "<p:1></p:1><p:Status>"), "means different things to different readers"},
		"three names":            {replace("<p:Status>", `<p:Status a:b:c="x">`), "not well-formed"},
		"a little too deep":      {replace("<p:Status>", strings.Repeat("<b>", 32)+strings.Repeat("</b>", 32)+"<p:Status>"), "nests deeper"},
		"one element too many":   {replace("<p:Status>", strings.Repeat("<b/>", 9_998)+"<p:Status>"), "more than 10000 elements"},
		"depth":                  {replace("<p:Status>", strings.Repeat("<a>", 40)+strings.Repeat("</a>", 40)+"<p:Status>"), "nests deeper"},
		"elements":               {replace("<p:Status>", strings.Repeat("<a/>", 10_001)+"<p:Status>"), "more than 10000 elements"},
		"attributes":             {replace("<p:Status>", "<p:Status"+strings.Repeat(` a="b"`, 65)+">"), "more than 64 attributes"},
		"nothing":                {" ", "not well-formed"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := xmltree.Parse([]byte(c.text), xmltree.OfMessages()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for name, text := range map[string]string{"DTD": "<!DOCTYPE x>" + good, "attribute twice": replace(`ID="_1"`, `ID="_1" ID="_x"`)} {
		if _, err := xmltree.Parse([]byte(text), xmltree.OfMetadata()); err == nil {
			t.Errorf("%s in metadata is accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{good, "<a>", `<?xml version="1.0"?><a b="c"/>`, "<!DOCTYPE x><a/>", "<a><![CDATA[x]]></a>"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root, err := xmltree.Parse([]byte(text), xmltree.OfMessages())
		if (root == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", text, root, err)
		}
	})
}

func TestChild(t *testing.T) {
	root, err := xmltree.Parse([]byte(`<a xmlns="urn:x" xmlns:y="urn:y"><b/><c/><c/><y:d/></a>`), xmltree.OfMessages())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := xmltree.Child(root, "urn:x", "b"); b == nil || err != nil {
		t.Errorf("the only one: %v, %v", b, err)
	}
	if _, err := xmltree.Child(root, "urn:x", "c"); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("one of two: %v", err)
	}
	for _, tag := range []string{"d", "e"} { // the first is of another namespace
		if none, err := xmltree.Child(root, "urn:x", tag); none != nil || err != nil {
			t.Errorf("%s: %v, %v", tag, none, err)
		}
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]struct {
		text string
		ok   bool
	}{
		"<a>jane</a>":                 {"jane", true},
		"<a><![CDATA[ja]]>ne</a>":     {"jane", true},
		"<a></a>":                     {"", true},
		"<a>ja<b/>ne</a>":             {"", false},
		"<a><b>jane</b></a>":          {"", false},
		"<a>jane<!-- --></a>":         {"", false},
		"<a>\n  https://x.test\n</a>": {"\n  https://x.test\n", true},
	} {
		root, err := xmltree.Parse([]byte(text), xmltree.OfMetadata())
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := xmltree.Text(root); got != want.text || ok != want.ok {
			t.Errorf("Text of %s is %q, %v", text, got, ok)
		}
		if got := xmltree.URI(root); got != strings.TrimSpace(want.text) {
			t.Errorf("URI of %s is %q", text, got)
		}
	}
	if xmltree.URI(nil) != "" {
		t.Error("the URI of nothing is something")
	}
}

// A part of a document keeps the namespaces that its names rest on.
func TestDetach(t *testing.T) {
	root, err := xmltree.Parse([]byte(`<a xmlns:x="urn:x" xmlns="urn:d"><b xmlns:x="urn:y" c="x:d"><x:e/></b></a>`), xmltree.OfMessages())
	if err != nil {
		t.Fatal(err)
	}
	b := xmltree.Detach(xmltree.Children(root, "urn:d", "b")[0])
	if b.Parent() != nil || !xmltree.Is(b, "urn:d", "b") || len(xmltree.Children(b, "urn:y", "e")) != 1 {
		t.Errorf("got %v", b)
	}
}
