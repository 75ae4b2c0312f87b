package main

import (
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestInFile_Changes(t *testing.T) {
	for code, want := range map[string][]string{
		"if a == 1 { b = 2 }":              {"never a == 1"},
		"if !ok { b = 2 }":                 {"never !ok"},
		"if a < 1 { b = 2 }":               {"never a < 1", "<= for <"},
		"if a == 1 ||\n\t!ok { b = 2 }":    {"never a == 1 || !ok", "&& for ||", "!= for ==", "without !"},
		"for a < 1 { a++ }":                {"<= for <", "-- for ++"},
		"ok = a >= 1 && b != 2":            {"|| for &&", "> for >=", "< for >=", "== for !="},
		"a = b*2 + 3":                      {"- for +", "/ for *"},
		`s = s + "text"; s += "text"`:      {"-= for +="},
		"switch { case a == b: ok = !ok }": {"!= for ==", "without !"},
	} {
		text := "package p\n\nfunc f() {\n\t" + code + "\n}\n"
		changes, err := inFile("p.go", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range changes {
			got = append(got, c.what)
			if string(c.text) == text {
				t.Errorf("%s: %s changes nothing", code, c.what)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: changed to %q, want %q", code, got, want)
		}
	}
}

func TestMutate_ListsWhatNoTestNotices(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example\n\ngo 1.26\n",
		"p/p.go": `package p

func Small(n int) bool {
	if n < 3 {
		return true
	}
	return false
}

func NotRun(n int) bool { return n == 3 }
`,
		"p/p_test.go": `package p

import "testing"

func TestSmall(t *testing.T) {
	if !Small(1) || Small(5) {
		t.Error("1 is small, 5 is not")
	}
}
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var out strings.Builder
	if err := mutate(t.Context(), log.New(&out, "", 0), "./...", nil, 0, true); err != nil {
		t.Fatal(err)
	}
	want := `not run: example/p/p.go:10:36: != for ==
not noticed: example/p/p.go:4:7: <= for <
./...: 1 noticed, 1 not noticed; 1 not run by tests, 0 do not compile
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	if err := mutate(t.Context(), log.New(&out, "", 0), "./...", nil, 1, false); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "1 noticed") + strings.Count(out.String(), "1 not noticed"); n != 1 {
		t.Errorf("a sample of one is\n%s", out.String())
	}
}
