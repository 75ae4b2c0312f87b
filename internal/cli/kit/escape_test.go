package kit

import (
	"encoding/json"
	"strings"
	"testing"
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
