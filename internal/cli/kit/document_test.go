package kit

import "testing"

func TestDocumentLine(t *testing.T) {
	d := Document{Data: []byte(`ID: demo
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
	json := Document{Data: []byte("{\n \"config\": {\n  \"issuer\": \"x\"}}")}
	if got := json.line("config.issuer"); got != 3 {
		t.Errorf("in JSON: %d", got)
	}
	if got := (Document{Data: []byte("{")}).line("x"); got != 0 {
		t.Errorf("in nothing: %d", got)
	}
}

// A field that pachd finds fault with is looked for in documents of any form.
func FuzzDocumentLine(f *testing.F) {
	f.Add([]byte("ID: demo\nconfig:\n  rootCAs: [a, b]\n  a.b: {c: 1}"), "config.rootCAs[1]")
	f.Add([]byte("config: [[1, [2]]]"), "config[0][1][0]")
	f.Fuzz(func(t *testing.T, data []byte, field string) {
		if line := (Document{"f.yaml", data}).line(field); line < 0 || line > len(data)+1 {
			t.Errorf("line %d of %q", line, data)
		}
	})
}
