package kittest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/internal/cli/kit"
)

// Terminal is where somebody types commands.
type Terminal struct {
	T        testing.TB
	Commands func(*kit.Kit) []*cobra.Command
	Vars     map[string]string // the environment
}

// Run runs a command, and returns the exit code and all that was printed.
func (x Terminal) Run(stdin string, args ...string) (code int, said string) {
	x.T.Helper()
	var out bytes.Buffer
	k := &kit.Kit{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &out, Getenv: func(name string) string { return x.Vars[name] },
		Now: time.Now, //nolint:forbidigo // the real clock, as at a terminal
	}
	root := &cobra.Command{Use: "pachctl", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(x.Commands(k)...)
	root.SetArgs(args)
	if err := root.ExecuteContext(x.T.Context()); err != nil {
		code = k.Report(err)
	}
	return code, out.String()
}

// Want runs a line that must end with code, having said texts.
func (x Terminal) Want(code int, stdin, line string, texts ...string) string {
	x.T.Helper()
	got, said := x.Run(stdin, strings.Fields(line)...)
	if got != code {
		x.T.Errorf("%s: exit code %d: %s", line, got, said)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			x.T.Errorf("%s: %q does not say %q", line, said, text)
		}
	}
	return said
}
