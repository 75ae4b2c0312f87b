package auth

import "testing"

func TestPlural(t *testing.T) {
	for n, want := range map[int64]string{0: "0 tokens", 1: "1 token", 999: "999 tokens", 1000: "1,000 tokens", 1234567: "1,234,567 tokens"} {
		if got := plural(n, "token"); got != want {
			t.Errorf("plural(%d) = %q, want %q", n, got, want)
		}
	}
}
