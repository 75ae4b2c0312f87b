package cli

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var (
	update = flag.Bool("update", false, "rewrite docs/reference")
	man    = flag.String("man", "", "directory to write manual pages to")
)

var referenceDir = filepath.Join("..", "..", "docs", "reference")

// documented is the real tree of commands, as the generators want it: what is
// indented by two becomes a block only when it is indented by four.
func documented() *cobra.Command {
	root := newRoot(testKit())
	root.DisableAutoGenTag = true
	everyCommand(root, func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		c.DisableAutoGenTag = true
		c.Long = strings.ReplaceAll("\n"+c.Long, "\n  ", "\n      ")[1:]
		if c.HasSubCommands() {
			c.DisableFlagsInUseLine = true
			c.Use += " COMMAND"
		}
	})
	return root
}

// pages are the reference: one for each noun, with all that is below it.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root := documented()
	all := map[string]string{"pachctl.md": pageOf(t, root, false)}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			all["pachctl_"+c.Name()+".md"] = pageOf(t, c, true)
		}
	}
	return all
}

func pageOf(t *testing.T, c *cobra.Command, below bool) string {
	t.Helper()
	var text bytes.Buffer
	if err := doc.GenMarkdownCustom(c, &text, link); err != nil {
		t.Fatal(err)
	}
	for _, sub := range c.Commands() {
		if below && sub.IsAvailableCommand() {
			fmt.Fprintf(&text, "\n%s", pageOf(t, sub, true))
		}
	}
	return text.String()
}

// link makes of pachctl_auth_set_repo.md a place on the page of auth.
func link(file string) string {
	words := strings.Split(strings.TrimSuffix(file, ".md"), "_")
	if len(words) < 3 {
		return file
	}
	return fmt.Sprintf("%s_%s.md#%s", words[0], words[1], strings.Join(words, "-"))
}

func TestReference_Current(t *testing.T) {
	all := pages(t)
	if *update {
		if err := os.RemoveAll(referenceDir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(referenceDir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range all {
			if err := os.WriteFile(filepath.Join(referenceDir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(referenceDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(referenceDir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all[f.Name()], string(data)); diff != "" {
			t.Errorf("docs/reference/%s is not current: run make generate (-want +got):\n%s", f.Name(), diff)
		}
		delete(all, f.Name())
	}
	for name := range all {
		t.Errorf("docs/reference/%s is missing: run make generate", name)
	}
}

// Every link leads to a heading that exists.
func TestReference_Links(t *testing.T) {
	all := pages(t)
	for name, text := range all {
		for line := range strings.Lines(text) {
			_, rest, ok := strings.Cut(line, "](")
			if !ok || !strings.HasPrefix(line, "* [") {
				continue
			}
			target, _, _ := strings.Cut(rest, ")")
			file, anchor, _ := strings.Cut(target, "#")
			if all[file] == "" || anchor != "" && !hasHeading(all[file], anchor) {
				t.Errorf("%s: nothing is at %s", name, target)
			}
		}
	}
}

func hasHeading(page, anchor string) bool {
	return slices.ContainsFunc(strings.Split(page, "\n"), func(line string) bool {
		heading, ok := strings.CutPrefix(line, "## ")
		return ok && strings.ReplaceAll(heading, " ", "-") == anchor
	})
}

func TestManualPages(t *testing.T) {
	dir := *man
	if dir == "" {
		dir = t.TempDir()
		t.Setenv("SOURCE_DATE_EPOCH", "0")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := doc.GenManTree(documented(), &doc.GenManHeader{Title: "PACHCTL", Section: "1", Source: "Pachyderm", Manual: "Pachyderm"}, dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "pachctl-auth-explain.1"))
	if err != nil || !bytes.Contains(data, []byte(".SH SYNOPSIS")) {
		t.Errorf("the page of auth explain: %v\n%s", err, data)
	}
}
