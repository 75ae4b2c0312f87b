package kit

import "testing"

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"get-connectr": "get-connector", "creat-connector": "create-connector", "list": "list-connector", "zzz": "", "update-conector": "update-connector",
	} {
		if got := Nearest(name, []string{"create-connector", "get-connector", "list-connector", "update-connector"}); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}
