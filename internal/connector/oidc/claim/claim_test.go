package claim_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/connector/oidc/claim"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// said is a set of claims as it comes, numbers as they are written.
func said(t *testing.T, text string) claim.Set {
	t.Helper()
	var s claim.Set
	if err := fetch.Decode([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSet_Text(t *testing.T) {
	s := said(t, `{"name": "Jane", "empty": "", "null": null, "number": 7, "flag": true, "list": ["a"], "object": {}}`)
	for key, want := range map[string]string{"name": "Jane", "empty": "", "null": "", "absent": ""} {
		if got, err := s.Text(key); got != want || err != nil {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
	for key, kind := range map[string]string{"number": "a number", "flag": "true or false", "list": "a list", "object": "an object"} {
		if got, err := s.Text(key); got != "" || !fault.Is(err, fault.Unauthenticated) || !strings.Contains(fault.Message(err), "is "+kind) {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
	for key, want := range map[string]bool{"name": true, "number": true, "flag": true, "empty": false, "null": false, "absent": false} {
		if got := s.Has(key); got != want {
			t.Errorf("Has(%s) = %v", key, got)
		}
	}
}

func TestSet_ID(t *testing.T) {
	longest := strings.Repeat("x", 255)
	s := claim.Set{"sub": "248289761001", "longest": longest, "too long": longest + "x", "empty": "", "line": "a\nb", "number": json.Number("7")}
	for key, want := range map[string]string{"sub": "248289761001", "longest": longest} {
		if got, err := s.ID(key); got != want || err != nil {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
	for key, want := range map[string]string{
		"too long": "longer than 255 bytes", "line": "control characters", "empty": "missing or empty", "absent": "missing or empty", "number": "is a number",
	} {
		if got, err := s.ID(key); got != "" || !fault.Is(err, fault.Unauthenticated) || !strings.Contains(fault.Message(err), want) {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
}

func TestSet_Time(t *testing.T) {
	s := said(t, `{"exp": 1700000000, "fraction": 1700000000.9, "zero": 0, "text": "1700000000", "before": -1, "never": 1e300, "null": null}`)
	for key, want := range map[string]int64{"exp": 1700000000, "fraction": 1700000000, "zero": 0} {
		if got, err := s.Time(key); !got.Equal(time.Unix(want, 0)) || err != nil {
			t.Errorf("%s: %v, %v", key, got, err)
		}
	}
	for _, key := range []string{"text", "before", "never", "null", "absent"} {
		if got, err := s.Time(key); !got.IsZero() || !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v, %v", key, got, err)
		}
	}
}

func TestSet_Audience(t *testing.T) {
	for aud, want := range map[string][]string{`"a"`: {"a"}, `["a", "b"]`: {"a", "b"}, `[]`: nil, `null`: nil, `7`: nil, `{"a": "b"}`: nil} {
		if got, err := said(t, `{"aud": `+aud+`}`).Audience(); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: %v, %v", aud, got, err)
		}
	}
	if got, err := said(t, `{"aud": ["a", 7]}`).Audience(); got != nil || !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a number among them: %v, %v", got, err)
	}
}

// Names are for a message that may be seen by the person: no values, nothing
// about the token itself, and nothing that a screen could be fooled with.
func TestSet_Names(t *testing.T) {
	s := said(t, `{"sub": "1", "nonce": "n", "email": "jane@example.com", "name\u202e": "Jane"}`)
	if got, want := s.Names(), "email, name"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := said(t, `{"iss": "x", "aud": "y"}`).Names(); got != "nothing else" {
		t.Errorf("got %q", got)
	}
	many := claim.Set{}
	for _, a := range "abcdefghij" {
		for _, b := range "abcd" {
			many[string(a)+string(b)] = "x"
		}
	}
	if got := strings.Count(many.Names(), ","); got != 29 {
		t.Errorf("%d names of %d", got+1, len(many))
	}
}

func TestSameText(t *testing.T) {
	for _, c := range []struct {
		a, b any
		want bool
	}{{"x", "x", true}, {"x", "y", false}, {"", "", true}, {nil, nil, false}, {json.Number("7"), json.Number("7"), false}, {"7", json.Number("7"), false}} {
		if got := claim.SameText(c.a, c.b); got != c.want {
			t.Errorf("SameText(%v, %v) = %v", c.a, c.b, got)
		}
	}
}
