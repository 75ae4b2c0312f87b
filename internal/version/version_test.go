package version

import "testing"

func TestSplit(t *testing.T) {
	for release, want := range map[string]struct {
		micro      uint32
		additional string
	}{
		"":                         {0, ""},
		"2.13.0":                   {0, ""},
		"2.13.4":                   {4, ""},
		"2.13.4-rc.1":              {4, "-rc.1"},
		"2.13.5-dev.12.g0123abc":   {5, "-dev.12.g0123abc"},
		"2.14.4":                   {0, ""},
		"2.13.x":                   {0, ""},
		"2.13.1-dev.0.gabc.dirty-": {1, "-dev.0.gabc.dirty-"},
	} {
		if micro, additional := split(release); micro != want.micro || additional != want.additional {
			t.Errorf("split(%q) = %d, %q", release, micro, additional)
		}
	}
}
