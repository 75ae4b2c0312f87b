package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// shell is one that can complete commands.
type shell struct {
	name, path string // path is where it looks for the script
	write      func(*cobra.Command, io.Writer) error
}

func completion(k *kit.Kit) *cobra.Command {
	bash := func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }
	fish := func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }
	fishPath := filepath.Join(k.Getenv("HOME"), ".config", "fish", "completions", "pachctl.fish")
	return kit.Group("completion", "Let the shell complete commands",
		"Print, or install, a script with which the shell completes commands of pachctl.",
		"  pachctl completion bash --install --path ~/.bash_completion.d/pachctl",
		completionFor(k, shell{"bash", "/etc/bash_completion.d/pachctl", bash}),
		completionFor(k, shell{"zsh", "_pachctl", (*cobra.Command).GenZshCompletion}),
		completionFor(k, shell{"fish", fishPath, fish}),
		completionFor(k, shell{"powershell", "pachctl.ps1", (*cobra.Command).GenPowerShellCompletionWithDesc}),
	)
}

type completionOptions struct {
	shell   shell
	install bool
	path    string
}

func completionFor(k *kit.Kit, sh shell) *cobra.Command {
	o := completionOptions{shell: sh}
	c := &cobra.Command{
		Use: sh.name, Short: "Print or install the script for " + sh.name, Args: kit.Exactly(0),
		Example: fmt.Sprintf("  pachctl completion %s\n  pachctl completion %s --install", sh.name, sh.name),
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(k, c.Root()) },
	}
	c.Flags().BoolVar(&o.install, "install", false, "install the script")
	c.Flags().StringVar(&o.path, "path", "", "file to install it in, in place of the shell's usual one")
	return c
}

func (o completionOptions) run(k *kit.Kit, root *cobra.Command) error {
	var script bytes.Buffer
	if err := o.shell.write(root, &script); err != nil {
		return err
	}
	if !o.install {
		_, err := script.WriteTo(k.Stdout)
		return err
	}
	path := cmp.Or(o.path, o.shell.path)
	if err := os.WriteFile(path, script.Bytes(), 0o644); err != nil { //nolint:gosec // for every user of the machine
		return fault.New(fault.Invalid, "cannot install the script: %v", err).Next("name a file that you may write with --path")
	}
	k.Notef("Installed in %s; it works in the next shell that you open.\n", path)
	return nil
}
