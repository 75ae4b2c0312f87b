package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func everyCommand(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		everyCommand(sub, do)
	}
}

// TestExamplesAreCommands holds the help to the truth: every command has an
// example of itself or of one below it, which parses.
func TestExamplesAreCommands(t *testing.T) {
	env, _, _ := testEnv(t, nil)
	everyCommand(newRoot(env), func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short is %q", c.CommandPath(), c.Short)
		}
		if c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.SplitSeq(c.Example, "\n") {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: example %q is not indented", c.CommandPath(), line)
			}
			_, line, _ = strings.Cut(line, "pachctl ")
			line, _, _ = strings.Cut(line, " <")
			args := strings.Fields(line)
			root := newRoot(env) // flags keep their values
			target, rest, err := root.Find(args)
			if err != nil || !strings.HasPrefix(target.CommandPath(), c.CommandPath()) && c.Name() != "help" {
				t.Errorf("%s: example %q is of %s, %v", c.CommandPath(), line, target.CommandPath(), err)
				continue
			}
			if err := target.ParseFlags(rest); err != nil {
				t.Errorf("%s: example %q: %v", c.CommandPath(), line, err)
			}
			if err := target.ValidateArgs(target.Flags().Args()); err != nil {
				t.Errorf("%s: example %q: %v", c.CommandPath(), line, err)
			}
		}
	})
}

func TestFlagsHaveHelp(t *testing.T) {
	env, _, _ := testEnv(t, nil)
	everyCommand(newRoot(env), func(c *cobra.Command) {
		for line := range strings.Lines(c.LocalFlags().FlagUsages()) {
			if fields := strings.Split(strings.TrimSpace(line), "   "); len(fields) < 2 {
				t.Errorf("%s: flag without help: %s", c.CommandPath(), line)
			}
		}
	})
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"get-connectr": "get-connector", "creat-connector": "create-connector", "list": "list-connector", "zzz": "", "update-conector": "update-connector",
	} {
		if got := nearest(name, []string{"create-connector", "get-connector", "list-connector", "update-connector"}); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	for n, want := range map[int64]string{0: "0 tokens", 1: "1 token", 999: "999 tokens", 1000: "1,000 tokens", 1234567: "1,234,567 tokens"} {
		if got := plural(n, "token"); got != want {
			t.Errorf("plural(%d) = %q, want %q", n, got, want)
		}
	}
}
