package theme

import (
	"html/template"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestLayout uses the layout as pachctl does, without the rest of web.
func TestLayout(t *testing.T) {
	page := template.Must(template.New("").Parse(Layout() + `{{template "top" "Signed in"}}<h1>Signed in</h1>{{template "bottom"}}`))
	var b strings.Builder
	if err := page.Execute(&b, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<title>Signed in – Pachyderm</title>", "<style>" + css() + "</style>"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}

var colour = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)

// TestContrast holds both sets of colours to WCAG 2.2 AA.
func TestContrast(t *testing.T) {
	source, err := os.ReadFile("colours.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(source), "prefers-color-scheme: dark")
	if !ok {
		t.Fatal("no dark colours")
	}
	for name, sheet := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]float64{}
		for _, m := range colour.FindAllStringSubmatch(sheet, -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for pair, least := range map[string]float64{
			"text page": 4.5, "text card": 4.5, "text soft": 4.5, "quiet card": 4.5, "accent card": 4.5, "hover card": 4.5,
			"on-accent accent": 4.5, "on-accent hover": 4.5, "accent soft": 4.5, "bad bad-soft": 4.5,
			"done done-soft": 4.5, "edge card": 3, "bad card": 3, "accent page": 3,
		} {
			a, b, _ := strings.Cut(pair, " ")
			if colours[a] == 0 && colours[b] == 0 {
				t.Fatalf("%s: no colours %s", name, pair)
			}
			if got := contrast(colours[a], colours[b]); got < least {
				t.Errorf("%s: %s has a contrast of %.2f, less than %g", name, pair, got, least)
			}
		}
	}
}

func contrast(a, b float64) float64 {
	return (max(a, b) + .05) / (min(a, b) + .05)
}

// luminance is WCAG's relative luminance of a colour rrggbb.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= .04045 {
			return c / 12.92
		}
		return math.Pow((c+.055)/1.055, 2.4)
	}
	return .2126*linear(16) + .7152*linear(8) + .0722*linear(0)
}
