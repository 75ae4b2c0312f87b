package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pachyderm/internal/cli/kit"
)

func completionCommands(k *kit.Kit) *cobra.Command {
	home := k.Getenv("HOME")
	return kit.Group("completion", "Let the shell complete commands", "Print, or install, a script with which the shell completes commands of pachctl.",
		"  pachctl completion bash --install --path ~/.bash_completion.d/pachctl",
		completion(k, "bash", "/etc/bash_completion.d/pachctl", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }),
		completion(k, "zsh", "_pachctl", func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) }),
		completion(k, "fish", filepath.Join(home, ".config", "fish", "completions", "pachctl.fish"), func(root *cobra.Command, w io.Writer) error {
			return root.GenFishCompletion(w, true)
		}),
	)
}

func completion(k *kit.Kit, shell, place string, write func(*cobra.Command, io.Writer) error) *cobra.Command {
	var install bool
	var path string
	c := &cobra.Command{
		Use: shell, Short: "Print or install the script for " + shell, Args: kit.Exactly(0),
		Example: fmt.Sprintf("  pachctl completion %s\n  pachctl completion %s --install", shell, shell),
		RunE: func(c *cobra.Command, _ []string) error {
			var script bytes.Buffer
			if err := write(c.Root(), &script); err != nil {
				return err
			}
			if !install {
				_, err := script.WriteTo(k.Stdout)
				return err
			}
			if path == "" {
				path = place
			}
			if err := os.WriteFile(path, script.Bytes(), 0o644); err != nil { //nolint:gosec // for every user of the machine
				return fmt.Errorf("cannot install the script: %w: name a file that you may write with --path", err)
			}
			k.Notef("Installed in %s; it works in the next shell that you open.\n", path)
			return nil
		},
	}
	c.Flags().BoolVar(&install, "install", false, "install the script")
	c.Flags().StringVar(&path, "path", "", "file to install it in, in place of the shell's usual one")
	return c
}
