// Command report makes docs/performance.md of what "go test -bench" prints, which it
// reads from its standard input: "make bench" runs it.
package main

import (
	"bufio"
	"cmp"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

func main() {
	out := flag.String("o", "docs/performance.md", "the page to write")
	flag.Parse()
	err := run(os.Stdin, *out, machine(time.Now()))
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

//go:embed page.md.tmpl
var page string

// run writes the page, or leaves the old one where a figure is missing.
func run(in io.Reader, path string, facts map[string]string) error {
	r, err := parse(in)
	if err != nil {
		return err
	}
	facts["cpu"] = cmp.Or(r.cpu, "an unknown processor")
	var text strings.Builder
	t, err := template.New("page").Funcs(template.FuncMap{
		"fact":     func(name string) string { return facts[name] },
		"figure":   func(digits int, name, unit string) string { return format(r.value(name, unit), digits) },
		"each":     func(name, unit string) string { return format(max(r.value(name, unit), 0), 0) }, // below 0 is the collector's noise
		"quotient": func(digits int, of float64, name, unit string) string { return format(of/r.value(name, unit), digits) },
		"goals":    func() []verdict { return judge(r) },
		"list":     func(names ...string) []string { return names },
	}).Parse(page)
	if err != nil {
		return err
	}
	if err := t.Execute(&text, nil); err != nil {
		return err
	}
	if len(r.missing) > 0 {
		return fmt.Errorf("the benchmarks did not print %s", strings.Join(r.missing, ", "))
	}
	return os.WriteFile(path, []byte(text.String()), 0o644) //nolint:gosec // a page that everybody may read
}

// results are what benchmarks have measured, by their names without Benchmark and by
// the units.
type results struct {
	figures map[string]map[string]float64
	cpu     string
	missing []string
}

var line = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.+)$`)

func parse(in io.Reader) (*results, error) {
	r := &results{figures: map[string]map[string]float64{}}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if cpu, ok := strings.CutPrefix(lines.Text(), "cpu: "); ok {
			r.cpu = cpu
		}
		match := line.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		figures := map[string]float64{}
		fields := strings.Fields(match[2])
		for n := 0; n+1 < len(fields); n += 2 {
			value, err := strconv.ParseFloat(fields[n], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", match[1], err)
			}
			figures[fields[n+1]] = value
		}
		r.figures[match[1]] = figures
	}
	return r, lines.Err()
}

// value is a figure; that there is none is an error of the whole page.
func (r *results) value(name, unit string) float64 {
	v, ok := r.figures[name][unit]
	if what := name + " " + unit; !ok && !slices.Contains(r.missing, what) {
		r.missing = append(r.missing, what)
	}
	return v
}

func format(v float64, digits int) string {
	s := strconv.FormatFloat(v, 'f', digits, 64)
	whole, rest, _ := strings.Cut(s, ".")
	for n := len(whole) - 3; n > 0; n -= 3 {
		whole = whole[:n] + "," + whole[n:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return whole
}

// machine is what is known of the machine that this runs on.
func machine(now time.Time) map[string]string {
	facts := map[string]string{"date": now.Format(time.DateOnly), "go": runtime.Version(), "cores": strconv.Itoa(runtime.NumCPU()), "load": "unknown"}
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		if fields := strings.Fields(string(data)); len(fields) > 2 {
			facts["load"] = fields[2]
		}
	}
	return facts
}
