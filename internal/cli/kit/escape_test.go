package kit

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// What is printed as JSON is text on any terminal, and means the same.
func TestEscapeJSON_MovesNoCursor(t *testing.T) {
	for _, text := range []string{
		"\x1b[2J", "a\u009b2Jb", "\u202etxt.exe", "\u2066x\u2069", "\x7f", "\U000e0041", "plain, \"quoted\" \\ 画像 é", "a\nb\tc",
	} {
		data, err := json.Marshal(map[string]string{"a": text})
		if err != nil {
			t.Fatal(err)
		}
		got := EscapeJSON(data)
		if i := strings.IndexAny(string(got), "\x1b\u009b\u202e\u2066\u2069\x7f\U000e0041"); i >= 0 {
			t.Errorf("%q is printed as %q", text, got)
		}
		var back map[string]string
		if err := json.Unmarshal(got, &back); err != nil || back["a"] != text {
			t.Errorf("%q came back as %q, %v", text, back["a"], err)
		}
	}
}

// spoken has texts that YAML's writer would print as they are, and some that it escapes.
type spoken struct {
	Name string            `json:"name" yaml:"Name"`
	List []string          `json:"list" yaml:"List"`
	Map  map[string]string `json:"map" yaml:"Map"`
}

func hidden() spoken {
	return spoken{
		"a\u202etxt.exe", []string{
			"\u2066x\u2069", "\u200b", "a\u2028b\u2029", "soft\u00adhyphen", "\ufeff", "\x1b[2J", "\u009b2J", "a\r\nb\tc\n\u202e", "\U000e0041", `\` + "\u202e", "'\u200b\"",
			"a\n\u200bb: c", "\ue000", "true\u200b", "\u0085", "\x7f",
		}, map[string]string{"key\u202e": "value", "? \u200b": "#\u200d", "\u061c: x\n": "y"},
	}
}

func checkYAML(t *testing.T, text string, want any) {
	t.Helper()
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }); i >= 0 {
		t.Errorf("%q has a rune that is not to be seen, at %d", text, i)
	}
	var back spoken
	if err := yaml.Unmarshal([]byte(text), &back); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if !reflect.DeepEqual(back, want) {
		t.Errorf("%s is read as %q, want %q", text, back, want)
	}
}

// What is printed as YAML is text on any terminal, and means the same.
func TestPrintYAML_ShowsWhatItHas(t *testing.T) {
	printed, _ := said(func(k *Kit) {
		if err := k.PrintYAML("", nil, hidden()); err != nil {
			t.Error(err)
		}
	})
	checkYAML(t, printed, hidden())
}

func TestShow_YAMLShowsWhatItHas(t *testing.T) {
	type upstream spoken // whose names are JSON's in a document for scripts
	printed, _ := said(func(k *Kit) {
		if err := k.PrintResult("yaml", upstream(hidden()), nil); err != nil {
			t.Error(err)
		}
	})
	for json, ours := range map[string]string{"name:": "Name:", "list:": "List:", "map:": "Map:"} {
		printed = strings.Replace(printed, json, ours, 1)
	}
	checkYAML(t, printed, hidden())
}

// What people write in their own language stays legible.
func TestPrintYAML_LeavesLettersAsTheyAre(t *testing.T) {
	doc := map[string]any{"ä": "Zoë 画像 a\u00a0b\u3000c", "b": []string{"a\nb", "true", "7", ": #", ""}, "c": 7, "d": nil, "e": map[string]any{}}
	want, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	printed, _ := said(func(k *Kit) { _ = k.PrintYAML("", nil, doc) })
	if want := string(want) + "\n"; printed != want || !strings.Contains(want, "ä: Zoë 画像 a\u00a0b\u3000c") {
		t.Errorf("%q, want %q", printed, want)
	}
}
