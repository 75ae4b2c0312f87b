package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersion_OfTags(t *testing.T) {
	for described, want := range map[string]string{
		"v2.13.4-0-g0123abc":             "2.13.4",
		"v2.13.4-0-g0123abc-dirty":       "2.13.5-dev.0.g0123abc.dirty",
		"v2.13.4-12-g0123abc":            "2.13.5-dev.12.g0123abc",
		"v2.13.4-rc.1-0-g0123abc":        "2.13.4-rc.1",
		"v2.13.4-rc.1-3-g0123abc":        "2.13.4-rc.1.dev.3.g0123abc",
		"v2.13.4-rc.1-3-g0123abc-dirty":  "2.13.4-rc.1.dev.3.g0123abc.dirty",
		"0123abc":                        "2.13.0-dev.400.g0123abc",
		"0123abc-dirty":                  "2.13.0-dev.400.g0123abc.dirty",
		"v2.13.four-0-g0123abc":          "",
		"v2.13.4+build-0-g0123abc":       "",
		"v2.13.4-rc.1;rm -rf-0-g0123abc": "",
	} {
		got, err := versionOf(described, "400", "v2.13")
		if got != want || (err != nil) != (want == "") {
			t.Errorf("versionOf(%q) = %q, %v, want %q", described, got, err, want)
		}
	}
}

// A version sorts after the release that it comes from, and before the next, for
// Debian as well.
func TestVersion_SortsForDebian(t *testing.T) {
	order := []string{
		"2.13.0-dev.400.g0123abc", "2.13.0", "2.13.1-dev.3.g0123abc", "2.13.1-dev.12.g0123abc", "2.13.1-rc.1", "2.13.1-rc.1.dev.2.gabc",
		"2.13.1-rc.2", "2.13.1",
	}
	for i := range order[1:] {
		low, high := debianVersion(order[i]), debianVersion(order[i+1])
		if err := exec.CommandContext(t.Context(), "dpkg", "--compare-versions", low, "lt", high).Run(); err != nil {
			t.Errorf("%s is not lower than %s: %v", low, high, err)
		}
	}
}

// systemd itself reads the unit, and rates what it leaves open.
func TestUnit(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("../systemd/pachd.service")
	if err != nil {
		t.Fatal(err)
	}
	// It looks for the program and the manual page, which are not installed here.
	unit := strings.NewReplacer("/usr/bin/pachd", "/bin/true", "Documentation=man:pachd(8)\n", "").Replace(string(text))
	file := filepath.Join(dir, "pachd.service")
	if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := command(t, ".", "systemd-analyze", "verify", "--man=no", file); out != "" {
		t.Errorf("systemd does not understand the unit: %s", out)
	}
	command(t, ".", "systemd-analyze", "security", "--offline=true", "--threshold=15", file) // of 100; 15 is an exposure of 1.5
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}
