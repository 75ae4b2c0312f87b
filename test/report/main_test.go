package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// figures has every figure of the page, all of them 1 but those that are given.
func figures(t *testing.T, given map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.md")
	err := run(strings.NewReader(""), path, map[string]string{})
	if err == nil {
		t.Fatal("a page was made of nothing")
	}
	var text strings.Builder
	text.WriteString("goos: linux\ncpu: A Processor\n")
	_, missing, _ := strings.Cut(err.Error(), "did not print ")
	lines := map[string]string{}
	for figure := range strings.SplitSeq(missing, ", ") {
		name, unit, _ := strings.Cut(figure, " ")
		value := given[figure]
		if value == "" {
			value = "1"
		}
		if value != "none" && !strings.Contains(lines[name], " "+unit+" ") {
			lines[name] += "\t  " + value + " " + unit + " "
		}
	}
	for name, values := range lines {
		fmt.Fprintf(&text, "Benchmark%s-2   \t   10000%s\n", name, values)
	}
	return text.String()
}

func write(t *testing.T, in string) (page string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.md")
	err = run(strings.NewReader(in), path, map[string]string{"cores": "2"})
	data, _ := os.ReadFile(path) // none where it was not written
	return string(data), err
}

func TestPage_SaysWhichGoalsAreMet(t *testing.T) {
	page, err := write(t, figures(t, map[string]string{
		"BesideDex/pachd-sqlite/RS256 of-floor-durable":     "1.4",
		"BesideDex/pachd-sqlite/ES256 of-floor-durable":     "1.76",
		"BesideDex/pachd-postgres/ES256 statements/login":   "102.1",
		"BesideDex/pachd-postgres/ES256 transactions/login": "9.97",
		"ManyAtOnce/ES256/at-once=64 http-5xx":              "0",
		"Calls/Authorize/connections=200 of-constant-cpu":   "0.74",
		"Calls/WhoAmI/connections=200 of-constant-cpu":      "0.9",
		"ManyAtOnce/RS256/at-once=32 others":                "0.3",
		"ManyAtOnce/ES256/at-once=32 others":                "0.1",
		"Size/people=100000 cpu-ms/login":                   "1.2",
		"Size/people=100000 ms-to-ready":                    "2887",
		"Machine/RSA-2048 ns/op":                            "800000",
		"Footprint/person heap-B":                           "-6.3",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"A Processor, 2 cores",
		"| Login with RS256 on SQLite, of what any durable server has to do | at most 1.40 | 1.40 | met |",
		"| Login with ES256 on SQLite, of what any durable server has to do | at most 1.75 | 1.76 | **not met** |",
		"| Statements of a login on PostgreSQL | at most 40.0 | 102.1 | **not met** |",
		"| Transactions of a login on PostgreSQL | at most 10.0 | 10.0 | met |",
		"| 64 logins at once with RS256: answers of status 500 and more | at most 0 | 1 | **not met** |",
		"| 64 logins at once with ES256: answers of status 500 and more | at most 0 | 0 | met |",
		"| Authorize over 200 connections, of a constant answer by processor time | at least 0.90 | 0.74 | **not met** |",
		"| WhoAmI over 200 connections, of a constant answer by processor time | at least 0.90 | 0.90 | met |",
		"| Login with 100,000 people, of one with 1,000 | at most 1.10 | 1.20 | **not met** |",
		"| Start with 100,000 people, ms | at most 1,000 | 2,887 | **not met** |",
		"| 32 logins at once with RS256, of what the processors allow | at least 0.90 | 1.00 | unclear: other processes had 0.30 of the processors |",
		"| 32 logins at once with ES256, of what the processors allow | at least 0.90 | 1.00 | met |",
		"| RSA-2048 signatures | 1,250 |",
		"| person with one identity | 1 | 0 |",
		"| calls of WhoAmI over gRPC | 1,000,000 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
}

// A page in which a figure is missing, as where a benchmark failed, is not written.
func TestPage_MissingFigure(t *testing.T) {
	const missing = "BesideDex/pachd-sqlite/RS256 of-dex-RS256"
	page, err := write(t, figures(t, map[string]string{missing: "none"}))
	if err == nil || !strings.Contains(err.Error(), missing) || page != "" {
		t.Errorf("%v, and a page of %d bytes", err, len(page))
	}
}

func TestPage_WrongFigure(t *testing.T) {
	if _, err := write(t, "BenchmarkStart/RS256-2 \t 1 \t many MiB-RSS\n"); err == nil || !strings.Contains(err.Error(), "Start/RS256") {
		t.Error(err)
	}
}
