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
		"group:a\u2028b":                   "invisible",
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

// What is beyond ASCII is written in escapes, where a look would not tell.
func TestParse_OneFormForAllSpellings(t *testing.T) {
	for s, want := range map[string]string{
		"user:Alice@Example.COM":                "user:alice@example.com",
		"user:\uff21lice@example.com":           "user:alice@example.com", // wide A
		"user:jo\u0308rg@m\u00fcller.test":      "user:j\u00f6rg@xn--mller-kva.test",
		"user:J\u00d6RG@XN--MLLER-KVA.test":     "user:j\u00f6rg@xn--mller-kva.test",
		"user:Octocat":                          "user:Octocat",
		"group:Cafe\u0301":                      "group:Caf\u00e9",
		"group:VPN-\u0414\u043e\u0441\u0442":    "group:VPN-\u0414\u043e\u0441\u0442", // each word in one script
		"group:\u6771\u4eac\u30bf\u30ef\u30fcA": "group:\u6771\u4eac\u30bf\u30ef\u30fcA",
		"robot:\u212aI":                         "robot:KI", // the sign of kelvin
	} {
		if got, err := principal.Parse(s); err != nil || got.String() != want {
			t.Errorf("Parse(%+q) = %+q, %v; want %+q", s, got, err, want)
		}
	}
}

func TestParse_LookAlikeRefused(t *testing.T) {
	for s, want := range map[string]string{
		"user:\u0430lice@example.com":   "Cyrillic and Latin",
		"user:alice@ex\u0430mple.com":   "Cyrillic and Latin",
		"user:alice@xn--exmple-4nf.com": "not exactly one e-mail address", // the same, as DNS has it
		"user:\ufb01ona@example.com":    "not exactly one e-mail address", // the ligature fi
		"user:a@\uff45xample.com":       "not exactly one e-mail address", // wide e
		"user:a@example\u3002com":       "not exactly one e-mail address", // ideographic full stop
		"user:a@b@example.com":          "not exactly one e-mail address",
		"group:\u0430dmins":             "Cyrillic and Latin",
		"robot:c\u03bf":                 "Greek and Latin",
		"group:\u0391\u0421":            "Cyrillic and Greek",
	} {
		if got, err := principal.Parse(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%+q) = %+q, %v; want an error with %q", s, got, err, want)
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
	f.Add("user:J\u00d6RG@M\u00dcLLER.test")
	f.Add("group:e\u0301\u0915\u093c")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := principal.Parse(s)
		if err != nil {
			return
		}
		if again, err := principal.Parse(n.String()); again != n || err != nil || !utf8.ValidString(n.String()) {
			t.Fatalf("Parse(%q) = %q, and of that %q, %v", s, n, again, err)
		}
		if n != principal.Everyone && (n.Kind() == "" || n.Local() == "") {
			t.Fatalf("Parse(%q) has an empty part", s)
		}
	})
}
