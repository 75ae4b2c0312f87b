package kit

import (
	"strings"
	"testing"
)

func TestBrowser(t *testing.T) {
	for name, test := range map[string]struct {
		vars   map[string]string
		system string
		want   string
	}{
		"chosen":       {map[string]string{"BROWSER": "firefox --new-window"}, "linux", "firefox --new-window"},
		"chosen twice": {map[string]string{"BROWSER": "w3m %s:firefox"}, "linux", "w3m %s"},
		"desktop":      {map[string]string{"DISPLAY": ":0"}, "linux", "xdg-open"},
		"wayland":      {map[string]string{"WAYLAND_DISPLAY": "w"}, "freebsd", "xdg-open"},
		"none":         {nil, "linux", ""},
		"mac":          {nil, "darwin", "open"},
	} {
		if got := strings.Join(browser(func(k string) string { return test.vars[k] }, test.system), " "); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
