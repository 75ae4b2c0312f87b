package auth

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// What is meant to be pasted into a shell is one word there, whatever others
// have called themselves.
func TestQuote(t *testing.T) {
	for _, text := range []string{"user:alice@example.com", "", "a b", "$(reboot)", "it's", "a\nb", "`x`", "*", "group:demo/a;b", "~root", "!1"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+quote(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("%q is quoted as %s, which is %q: %v", text, quote(text), out, err)
		}
	}
	if got := quote("user:alice@example.com"); strings.Contains(got, "'") {
		t.Errorf("quoted without need: %s", got)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "less than a minute", time.Second: "less than a minute", time.Minute: "1 minute", 119 * time.Minute: "1 hour", 47 * time.Hour: "47 hours", 49 * time.Hour: "2 days",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%s) = %s, want %s", d, got, want)
		}
	}
}

func TestParseResource(t *testing.T) {
	for text, want := range map[string]string{
		"cluster": "cluster", "CLUSTER:": "cluster", "project:a": "project:a", "Repo:b": "repo:p/b", "repo:a/b": "repo:a/b", "spec_repo:b": "spec_repo:p/b",
		"images": "", "project:": "", "project": "", "repo:": "", "job:x": "", "cluster:x": "", "": "",
	} {
		r, err := parseResource(nil, text)
		if (err == nil) != (want != "") || err == nil && resourceText(inProject(r, "p")) != want {
			t.Errorf("%q: %v, %v, want %q", text, r, err, want)
		}
	}
}
