package idp

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

func TestConnectorOf(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":           {"", "the document is empty"},
		"no mapping":      {"- a", "expected keys with values"},
		"not a mapping":   {"config: x", "config: expected keys with values, got the text \"x\" (line 1)"},
		"large number":    {"config: {a: [{b: 9007199254740993}]}", "too large: put it in quotes"},
		"alias":           {"config: {a: &x 1, b: *x}", "anchors and aliases"},
		"second document": {"id: a\n---\nid: b", "second document"},
	} {
		_, err := connectorOf(kit.Document{Name: "f.yaml", Data: []byte(test.text)})
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "f.yaml") {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	c, err := connectorOf(kit.Document{Name: "f.yaml", Data: []byte("Id: a\nVERSION: 3\nconfig: {n: 7, f: 1.5, t: true, z: null, l: [a]}")})
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

// Who may write connectors, and no more, cannot have one pass for approved, nor for two.
func TestConnectorPrint_ForgesNoConnector(t *testing.T) {
	const name = "Okta (oidc)\x1b]52;c;cm0gLXJmIH4K\x07\x1b[2J\x1b[H\nokta - Okta (oidc)\n  ready since 2026-01-01 00:00 UTC\x1b[8m"
	var out strings.Builder
	k := &kit.Kit{Stdout: &out, Now: func() time.Time { return time.Unix(1700000000, 0) }}
	connectorDoc{ID: "okta", Name: name, Type: "oidc"}.print(k, &pach.ConnectorState{
		Id: "okta", Approval: pach.ConnectorState_UNAPPROVED, State: pach.ConnectorState_FAILING, Error: "no\n    ready since\x1b[8m",
		Since: timestamppb.New(time.Unix(1600000000, 0)), Life: pach.ConnectorState_DISABLED,
		Expiries: []*pach.Expiry{{What: "the\ncertificate", Ends: timestamppb.New(time.Unix(1600000000, 0))}},
	})
	want := `okta - Okta (oidc)]52;c;cm0gLXJmIH4K[2J[H okta - Okta (oidc)   ready since 2026-01-01 00:00 UTC[8m (oidc)
    disabled: nobody signs in with it
    failing since 2020-09-13 12:26 UTC: no     ready since[8m
    warning: the certificate ended on 2020-09-13
    not approved: people get what everybody has; a clusterAdmin can run: pachctl idp approve-connector okta
`
	if out.String() != want {
		t.Errorf("%s\nwant %s", out.String(), want)
	}
}

// Whatever stands in a document, it is taken or refused: it is refused in one
// line that names it, and what is taken can be written and read again without
// a change.
func FuzzConnectorOf(f *testing.F) {
	for _, seed := range []string{
		"", "- a", "config: x", "id: a\nconfig: {clientSecret: s3cret}", `"type": "oidc",`, "config: {a: [{b: 9007199254740993}]}", "config: {a: &x 1, b: *x}",
		"Id: a\nVERSION: 3\nconfig: {n: 7, f: 1.5, t: true, z: null, l: [a]}", "id: a\n---\nid: b", "config: {f: .nan, i: -.inf}", "config: {d: 2001-01-01}",
		"version: 99999999999999999999", "config: {a.b: {c[0]: 1}}", "config: {\"\\ud800\": 1}", "config: {1: 2, true: 3}", "config: !!binary aGk=",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := connectorOf(kit.Document{Name: "f.yaml", Data: data})
		if err != nil {
			message, _ := kit.Explain(err)
			if !strings.Contains(message, "f.yaml") || !utf8.ValidString(message) {
				t.Errorf("%q is refused with %q", data, message)
			}
			return
		}
		if _, err := proto.Marshal(c); err != nil {
			t.Fatalf("%q cannot be sent: %v", data, err)
		}
		text, err := json.Marshal(docOf(c))
		if err != nil {
			t.Fatalf("%q cannot be written: %v", data, err)
		}
		again, err := connectorOf(kit.Document{Name: "again.json", Data: text})
		if err != nil {
			t.Fatalf("%q becomes %s, which is refused: %v", data, text, err)
		}
		if c.Config == nil {
			c.Config = again.Config // written as an empty one
		}
		if !proto.Equal(c, again) {
			t.Errorf("%q becomes %v, and then %v", data, c, again)
		}
	})
}
