package preset_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pachyderm/internal/cli/idp/preset"
)

// A preset is one file, and has one.
func TestPreset_Files(t *testing.T) {
	found, err := filepath.Glob("*.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, p := range preset.All() {
		want[p.Key+".tmpl"] = true
		if _, err := os.Stat(p.Key + ".tmpl"); err != nil {
			t.Error(err)
		}
	}
	for _, f := range found {
		if !want[f] {
			t.Errorf("%s belongs to no preset of %v", f, slices.Sorted(maps.Keys(want)))
		}
	}
}
