package cli

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

func (a *app) completionCommands() *cobra.Command {
	home := a.Getenv("HOME")
	return group("completion", "Let the shell complete commands", "Print, or install, a script with which the shell completes commands of pachctl.",
		"  pachctl completion bash --install --path ~/.bash_completion.d/pachctl",
		a.completion("bash", "/etc/bash_completion.d/pachctl", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }),
		a.completion("zsh", "_pachctl", func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) }),
		a.completion("fish", filepath.Join(home, ".config", "fish", "completions", "pachctl.fish"), func(root *cobra.Command, w io.Writer) error {
			return root.GenFishCompletion(w, true)
		}),
	)
}

func (a *app) completion(shell, place string, write func(*cobra.Command, io.Writer) error) *cobra.Command {
	var install bool
	var path string
	c := &cobra.Command{
		Use: shell, Short: "Print or install the script for " + shell, Args: exactly(0),
		Example: fmt.Sprintf("  pachctl completion %s\n  pachctl completion %s --install", shell, shell),
		RunE: func(c *cobra.Command, _ []string) error {
			var script bytes.Buffer
			if err := write(c.Root(), &script); err != nil {
				return err
			}
			if !install {
				_, err := script.WriteTo(a.Stdout)
				return err
			}
			if path == "" {
				path = place
			}
			if err := os.WriteFile(path, script.Bytes(), 0o644); err != nil { //nolint:gosec // for every user of the machine
				return fmt.Errorf("cannot install the script: %w: name a file that you may write with --path", err)
			}
			a.notef("Installed in %s; it works in the next shell that you open.\n", path)
			return nil
		},
	}
	c.Flags().BoolVar(&install, "install", false, "install the script")
	c.Flags().StringVar(&path, "path", "", "file to install it in, in place of the shell's usual one")
	return c
}

// completing lets the shell complete the arguments from some names.
func completing(names func() []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return names(), cobra.ShellCompDirectiveNoFileComp
	}
}

func (e Env) contextNames() []string {
	c, err := e.loadConfig()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(c.V2.Contexts))
}
