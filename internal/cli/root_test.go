package cli

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/internal/cli/kit"
)

// testKit has an empty environment.
func testKit() *kit.Kit {
	return &kit.Kit{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }, Now: time.Now}
}

func everyCommand(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		everyCommand(sub, do)
	}
}

// TestCommands_Examples holds the help to the truth: every command has an
// example of itself or of one below it, which parses.
func TestCommands_Examples(t *testing.T) {
	k := testKit()
	everyCommand(newRoot(k), func(c *cobra.Command) {
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
			root := newRoot(k) // flags keep their values
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

func TestCommands_FlagHelp(t *testing.T) {
	k := testKit()
	everyCommand(newRoot(k), func(c *cobra.Command) {
		for line := range strings.Lines(c.LocalFlags().FlagUsages()) {
			if fields := strings.Split(strings.TrimSpace(line), "   "); len(fields) < 2 {
				t.Errorf("%s: flag without help: %s", c.CommandPath(), line)
			}
		}
	})
}

// A group says what there is below it to whoever asks for something else.
func TestCommands_GroupsRefuseWhatTheyDoNotKnow(t *testing.T) {
	everyCommand(newRoot(testKit()), func(c *cobra.Command) {
		if !c.HasAvailableSubCommands() || !c.HasParent() {
			return
		}
		if c.RunE == nil {
			t.Errorf("%s is no kit.Group", c.CommandPath())
		} else if err := c.RunE(c, []string{"nosuch"}); err == nil || !strings.Contains(err.Error(), "nosuch") {
			t.Errorf("%s nosuch: %v", c.CommandPath(), err)
		}
	})
}
