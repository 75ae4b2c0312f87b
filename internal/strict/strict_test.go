package strict_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
)

type settings struct {
	Issuer       string            `json:"issuer"`
	ClientID     string            `json:"clientID"`
	ClientSecret string            `json:"clientSecret,omitempty"`
	SkipCheck    bool              `json:"insecureSkipIssuerCallbackDomainCheck"`
	Params       []string          `json:"forwardedLoginParams"`
	Retries      int               `json:"retries"`
	Small        int8              `json:"small"`
	Port         uint16            `json:"port"`
	Ratio        float64           `json:"ratio"`
	Labels       map[string]string `json:"labels"`
	Prompt       *string           `json:"promptType"`
	Address      netip.Addr        `json:"address"`
	Mapping      mapping           `json:"claimMapping"`
	Hidden       string            `json:"-"`
	Plain        string
}

type mapping struct {
	Email string `json:"email"`
}

type document struct {
	Type    string         `json:"type"`
	Version int64          `json:"version"`
	Config  settings       `json:"config"`
	Extra   any            `json:"extra"`
	Free    map[string]any `json:"free"`
}

func TestDecode(t *testing.T) {
	consent, odd := "consent", "smile \U0001F600 \\ud83d"
	want := document{
		Type: "oidc", Version: 3,
		Config: settings{
			Issuer: "https://dev.example.com/", ClientID: "1234", ClientSecret: odd,
			SkipCheck: true, Params: []string{"login_hint"}, Retries: 31, Small: -3, Port: 30658, Ratio: 0.5,
			Labels: map[string]string{"a": "b"}, Prompt: &consent, Address: netip.MustParseAddr("10.0.0.7"),
			Mapping: mapping{Email: "upn"}, Plain: "p",
		},
		Extra: []any{int64(1), "yes", true, nil, 1.5, "2001-12-14"},
		Free:  map[string]any{"a": map[string]any{"b": int64(2)}},
	}
	for name, text := range map[string]string{
		"yaml": `
type: oidc
version: 3
config:
    issuer: https://dev.example.com/
    clientID: "1234"
    clientSecret: "smile \U0001F600 \\ud83d" # a comment
    insecureSkipIssuerCallbackDomainCheck: true
    forwardedLoginParams:
    - login_hint
    retries: 0x1F
    small: -3
    port: 30658
    ratio: 0.5
    labels: {a: b}
    promptType: consent
    address: 10.0.0.7
    claimMapping: {email: upn}
    Plain: p
extra: [1, "yes", true, null, 1.5, 2001-12-14]
free: {a: {b: 2}}
`,
		"json": `{
	"type": "oidc", "version": 3,
	"config": {
		"issuer": "https:\/\/dev.example.com/", "clientID": "1234", "clientSecret": "smile \ud83d\uDE00 \\ud83d",
		"insecureSkipIssuerCallbackDomainCheck": true, "forwardedLoginParams": ["login_hint"],
		"retries": 31, "small": -3, "port": 30658, "ratio": 5e-1, "labels": {"a": "b"}, "promptType": "consent",
		"address": "10.0.0.7", "claimMapping": {"email": "upn"}, "Plain": "p"
	},
	"extra": [1, "yes", true, null, 1.5, "2001-12-14"],
	"free": {"a": {"b": 2}}
}`,
	} {
		t.Run(name, func(t *testing.T) {
			var got document
			if err := strict.Decode([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
			if diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecode_Refused(t *testing.T) {
	for _, c := range []struct{ name, text, field, want string }{
		{
			"the stray comma of the page", "config:\n  insecureSkipIssuerCallbackDomainCheck: false,\n", "config.insecureSkipIssuerCallbackDomainCheck",
			`line 2: config.insecureSkipIssuerCallbackDomainCheck: expected true or false, got the text "false,": remove the comma`,
		},
		{"a key in the wrong case", "type: oidc\nconfig:\n  clientId: x", "config.clientId", "line 3: config.clientId: did you mean clientID?"},
		{"a key in another style", "config: {client_id: x}", "config.client_id", "line 1: config.client_id: did you mean clientID?"},
		{"a misspelt key", "config: {isuer: x}", "config.isuer", "line 1: config.isuer: did you mean issuer?"},
		{"a strange key", "colour: red", "colour", "line 1: colour: unknown key; known are type, version, config, extra, free"},
		{"a hidden field", "config: {Hidden: x}", "config.Hidden", "known are"},
		{"an unprintable key", "\"a\\x00\\nb\": 1", "a??b", "line 1: a??b: unknown key;"},
		{"a key given twice", "type: a\nversion: 1\ntype: b", "type", "line 3: type: given twice, first on line 1"},
		{"a key given twice within any", "free:\n  x: {y: 1,\n    y: 2}", "free.x.y", "line 3: free.x.y: given twice, first on line 2"},
		{"a number for text", "config: {clientID: 1234}", "config.clientID", "line 1: config.clientID: expected text: put it in quotes"},
		{"a date for text", "config: {clientID: 2001-12-14}", "config.clientID", "expected text: put it in quotes"},
		{"a list for text", "config: {clientID: [a]}", "config.clientID", "expected text, got a list"},
		{"nothing for text", "config:\n  clientID:\n", "config.clientID", "line 2: config.clientID: expected text, got nothing: give a value or remove the key"},
		{"nothing for a list", "config:\n  forwardedLoginParams:\n", "config.forwardedLoginParams", "expected a list, got nothing"},
		{"text for a list", "config: {forwardedLoginParams: login_hint}", "config.forwardedLoginParams", `expected a list, got a text of 10 characters`},
		{"a wrong item", "config: {forwardedLoginParams: [a, 1]}", "config.forwardedLoginParams[1]", "line 1: config.forwardedLoginParams[1]: expected text"},
		{"quoted true", `config: {insecureSkipIssuerCallbackDomainCheck: "true"}`, "config.insecureSkipIssuerCallbackDomainCheck", `got the text "true": remove the quotes`},
		{"the yes of YAML 1.1", "config: {insecureSkipIssuerCallbackDomainCheck: yes}", "config.insecureSkipIssuerCallbackDomainCheck", `got the text "yes"`},
		{"text for a number", "version: one", "version", `expected a whole number, got the text "one"`},
		{"half a number", "version: 1.5", "version", "expected a whole number, got the number 1.5"},
		{"a number too large", "config: {small: 128}", "config.small", "the number 128 is out of range"},
		{"a negative port", "config: {port: -1}", "config.port", "the number -1 is out of range"},
		{"beyond 64 bits", "version: 99999999999999999999999", "version", "expected a whole number, got the number 9999"},
		{"infinity", "config: {ratio: .inf}", "config.ratio", "out of range"},
		{"not a number", "extra: .nan", "extra", "out of range"},
		{"text that its type refuses", "config: {address: here}", "config.address", "line 1: config.address: ParseAddr"},
		{"a scalar for a struct", "config: x", "config", `line 1: config: expected keys with values, got the text "x"`},
		{"a list at the top", "- a", "", "line 1: expected keys with values, got a list"},
		{"an alias", "type: &a x\nextra: *a", "type", "line 1: type: anchors and aliases"},
		{"an anchor on a key", "&a type: x", "", "a key must be plain text"},
		{"a merge key", "config:\n  <<: {a: b}", "config", "a key must be plain text"},
		{"a number as key", "free: {1: a}", "free", "a key must be plain text: put it in quotes"},
		{"a tag", "type: !!binary aGk=", "type", "the tag !!binary is not accepted"},
		{"a tag of one's own", "type: !x y", "type", "the tag !x is not accepted"},
		{"two documents", "type: a\n---\ntype: b", "", "line 2: a second document begins here"},
		{"a broken second document", "type: a\n---\n{", "", "neither valid YAML nor JSON"},
		{"nothing", " \n# only a comment\n", "", "the document is empty"},
		{"broken YAML", "type: [a\n", "", "this is neither valid YAML nor JSON"},
		{"a tab", "config:\n\tissuer: x\n", "", "line 2: this is neither valid YAML nor JSON"},
		{"not UTF-8", "type: \xff", "", "neither valid YAML nor JSON"},
		{"too deep", "extra: " + strings.Repeat("[", 40) + strings.Repeat("]", 40), "", "nested deeper than 32 levels"},
		{"much too deep", strings.Repeat("[", 100_000), "", "depth"},
		{"too long", strings.Repeat("#", 1<<20+1), "", "1048577 bytes long; at most 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := document{Type: "before"}
			err := strict.Decode([]byte(c.text), &got)
			if err == nil || !says(err.Error(), c.want) {
				t.Fatalf("got error %v, want %q", err, c.want)
			}
			if fault.KindOf(err) != fault.Invalid || fault.FieldOf(err) != c.field {
				t.Errorf("got kind %q, field %q, want field %q", fault.KindOf(err), fault.FieldOf(err), c.field)
			}
			if got.Type != "before" {
				t.Error("a refused document changed the target")
			}
		})
	}
}

// says takes "line 3: x" for a message that has x and names line 3 at its end.
func says(message, want string) bool {
	if line, rest, ok := strings.Cut(want, ": "); ok && strings.HasPrefix(line, "line ") {
		return strings.Contains(message, rest) && strings.HasSuffix(message, " ("+line+")")
	}
	return strings.Contains(message, want)
}

func TestDecode_RefusalHasNoSecret(t *testing.T) {
	var got document
	err := strict.Decode([]byte("config: {clientSecret: 20011214}"), &got)
	if err == nil || strings.Contains(err.Error(), "20011214") {
		t.Errorf("got %v", err)
	}
}

func TestDecodeValue(t *testing.T) {
	type own string
	var got settings
	err := strict.DecodeValue(map[string]any{
		"issuer": "https://x", "retries": float64(3), "small": json.Number("4"), "port": uint16(5), "ratio": json.Number("0.5"), "labels": map[own]any{"a": "b"},
		"forwardedLoginParams": []string{"login_hint"}, "promptType": nil, "claimMapping": map[string]string{"email": "upn"},
	}, &got)
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		Issuer: "https://x", Retries: 3, Small: 4, Port: 5, Ratio: 0.5, Params: []string{"login_hint"},
		Labels: map[string]string{"a": "b"}, Mapping: mapping{Email: "upn"},
	}
	diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
	if diff != "" {
		t.Error(diff)
	}
}

func TestDecodeValue_Refused(t *testing.T) {
	deep := any("x")
	for range 40 {
		deep = []any{deep}
	}
	for _, c := range []struct {
		name        string
		value       any
		field, want string
	}{
		{"an unknown key", map[string]any{"clientId": "x"}, "config.clientId", "config.clientId: did you mean clientID?"},
		{"a wrong type", map[string]any{"clientID": 3}, "config.clientID", "config.clientID: expected text: put it in quotes"},
		{"a number that JSON rounded", map[string]any{"retries": float64(1 << 60)}, "config.retries", "config.retries: expected a whole number, got the number 1.15"},
		{"a type of its own", map[string]any{"issuer": struct{}{}}, "config.issuer", "config.issuer: a value of type struct {} is not accepted"},
		{"keys that are no text", map[int]any{1: 2}, "config", "config: a key must be plain text"},
		{"too deep", map[string]any{"issuer": deep}, "", "nested deeper than 32 levels"},
		{"nothing", nil, "config", "config: expected keys with values, got nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got settings
			err := strict.DecodeValue(c.value, &got, "config")
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || fault.FieldOf(err) != c.field {
				t.Errorf("got error %v at %q, want %q at %q", err, fault.FieldOf(err), c.want, c.field)
			}
		})
	}
}

func TestDecode_BadTarget(t *testing.T) {
	var into struct {
		C chan int `json:"c"`
	}
	for name, err := range map[string]error{
		"no pointer":       strict.Decode([]byte("a: b"), into),
		"nil":              strict.Decode([]byte("a: b"), (*document)(nil)),
		"unsupported kind": strict.Decode([]byte("c: 1"), &into),
	} {
		var f *fault.Error
		if err == nil || errors.As(err, &f) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDecode_JSON(t *testing.T) {
	for _, text := range []string{
		`{"a": "line\u2028break\u0085 kept\u007f", "b": "\/ \\/ \b\f\n\r\t \u00e9\u0041 \ud83d\ude00 \\ud83d"}`,
		"{\"a\": \"raw\u2028break\u2029and\u0085next\u007f, é, \U0001F600\"}",
		"[\n\t1,\t-0, 1.25e2, 1E-3,\r\n true, false, null, [ ], { }, \"\", \"# no comment\", \"*a\", \"a: b\", \"<<\"]",
		`{"<<":{"x":1},"~":2,"1":3,"":4,"y":5,"null":null}`,
	} {
		var got, want any
		if err := strict.Decode([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, plain(got)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

// plain has the numbers that encoding/json would give.
func plain(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"type: oidc\nconfig: {clientID: x}\n", `{"a": "\ud83d\ude00", "free": {"x": [1, 2.5, null]}}`, "a: &x [*x]", "<<: a", "? [a]\n: b",
		"--- a\n...\n--- b", "extra: !!int x", "version: 0b1", "extra: 1_0", "extra: ~", "config:\n\tx", "\xef\xbb\xbftype: x", "%YAML 1.1\n---\na: 1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours, theirs any
		if json.Unmarshal(data, &theirs) == nil && strict.Decode(data, &ours) == nil {
			if diff := cmp.Diff(theirs, plain(ours)); diff != "" {
				t.Fatalf("not what encoding/json reads: %s", diff)
			}
		}
		var got document
		if err := strict.Decode(data, &got); err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("got kind %q: %v", fault.KindOf(err), err)
			}
			return
		}
		// What was accepted can be carried on as JSON, and is accepted again.
		text, err := json.Marshal(map[string]any{"type": got.Type, "version": got.Version, "extra": got.Extra, "free": got.Free})
		if err != nil {
			t.Fatal(err)
		}
		if got.Free == nil {
			text = []byte(strings.Replace(string(text), `"free":null,`, "", 1))
		}
		var again document
		if err := strict.Decode(text, &again); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !cmp.Equal(plain(got.Extra), plain(again.Extra)) || !cmp.Equal(plain(any(got.Free)), plain(any(again.Free))) || got.Type != again.Type {
			t.Fatalf("got %v, again %v", got, again)
		}
	})
}
