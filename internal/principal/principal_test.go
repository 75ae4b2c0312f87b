package principal_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pachyderm/internal/principal"
)

func TestParse(t *testing.T) {
	for _, s := range []string{"user:alice@example.com", "robot:ci", "group:a:b", "pipeline:p/n", "pach:root", "internal:auth-server", "allClusterUsers", "group:Größe"} {
		if got, err := principal.Parse(s); err != nil || got.String() != s {
			t.Errorf("Parse(%q) = %q, %v", s, got, err)
		}
	}
	refused := map[string]string{
		"":                                 "no prefix",
		"alice":                            "no prefix",
		"person:alice":                     "unrecognized prefix",
		"user:":                            "empty",
		"robot: ci":                        "white space",
		"user:al\u200bice":                 "invisible",
		"user:a\nb":                        "invisible",
		"user:\xff":                        "UTF-8",
		"user:" + strings.Repeat("a", 600): "at most 512",
	}
	for s, want := range refused {
		if got, err := principal.Parse(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %q, %v; want an error with %q", s, got, err, want)
		}
	}
}

func TestOfRobot_NoColon(t *testing.T) {
	if n, err := principal.OfRobot("robot:ci"); err != nil || n != "robot:ci" {
		t.Errorf("got %q, %v", n, err)
	}
	if _, err := principal.OfRobot("a:b"); err == nil {
		t.Error("a:b was accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("user:alice@example.com")
	f.Add("allClusterUsers")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := principal.Parse(s)
		if err != nil {
			return
		}
		if n.String() != s || !utf8.ValidString(s) {
			t.Fatalf("Parse(%q) = %q", s, n)
		}
		if n != principal.Everyone && (n.Kind() == "" || n.Local() == "") {
			t.Fatalf("Parse(%q) has an empty part", s)
		}
	})
}
