package cli

import (
	"strings"
	"testing"
)

func TestLineOfAField(t *testing.T) {
	d := document{data: []byte(`ID: demo
config:
  issuer: x
  rootCAs:
    - one
    - two
  claimMapping:
    email: mail
  a.b: dotted
  a:
    b: nested
`)}
	for field, want := range map[string]int{
		"id": 1, "config": 2, "config.issuer": 3, "config.rootCAs": 4, "config.rootCAs[1]": 6, "config.claimMapping.email": 8, "config.a.b": 9,
		"config.a": 10, "": 0, "config.clientID": 0, "config.rootCAs[2]": 0, "config.Issuer": 0, "config.issuer.x": 0, "version": 0,
	} {
		if got := d.line(field); got != want {
			t.Errorf("line(%q) = %d, want %d", field, got, want)
		}
	}
	json := document{data: []byte("{\n \"config\": {\n  \"issuer\": \"x\"}}")}
	if got := json.line("config.issuer"); got != 3 {
		t.Errorf("in JSON: %d", got)
	}
	if got := (document{data: []byte("{")}).line("x"); got != 0 {
		t.Errorf("in nothing: %d", got)
	}
}

func TestConnectorDocument(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":           {"", "the document is empty"},
		"no mapping":      {"- a", "expected keys with values"},
		"not a mapping":   {"config: x", "line 1: config: expected keys with values"},
		"large number":    {"config: {a: [{b: 9007199254740993}]}", "too large: put it in quotes"},
		"alias":           {"config: {a: &x 1, b: *x}", "anchors and aliases"},
		"second document": {"id: a\n---\nid: b", "second document"},
	} {
		_, err := document{"f.yaml", []byte(test.text)}.connector()
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "f.yaml") {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	c, err := document{"f.yaml", []byte("Id: a\nVERSION: 3\nconfig: {n: 7, f: 1.5, t: true, z: null, l: [a]}")}.connector()
	if err != nil {
		t.Fatal(err)
	}
	if c.GetId() != "a" || c.GetConfigVersion() != 3 || len(c.GetConfig().GetFields()) != 5 {
		t.Errorf("got %v", c)
	}
	if z, ok := c.GetConfig().AsMap()["z"]; !ok || z != nil {
		t.Error("a null, which removes a key, got lost")
	}
}
