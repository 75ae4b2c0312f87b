package data

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Fsck is the command that checks all that pachd keeps of files.
func Fsck(k *kit.Kit) *cobra.Command {
	var fix bool
	c := &cobra.Command{
		Use: "fsck", Short: "Check that all files are as they were stored", Args: kit.Exactly(0),
		Long: `Read everything that pachd keeps of files, and print what is damaged and which
commits need it. It changes nothing, takes as long as reading all of it, and needs
the role debugger on the cluster, or one that includes it.

The exit code is 1 if something is damaged.`,
		Example: "  pachctl fsck",
		RunE:    func(c *cobra.Command, _ []string) error { return fsck(c.Context(), k, fix) },
	}
	c.Flags().BoolVarP(&fix, "fix", "f", false, "for scripts of upstream's; there is nothing that this mends")
	return c
}

func fsck(ctx context.Context, k *kit.Kit, fix bool) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		found := 0
		for m, err := range show.Each(c.PFS.Fsck(ctx, &pfs.FsckRequest{Fix: fix})) {
			if err != nil {
				return err
			}
			if m.GetError() != "" {
				found++
				k.Printf("%s\n", m.GetError())
			}
		}
		if found > 0 {
			return fault.New(fault.Damaged, "%d things are not as they were", found).
				Next("restore the objects that are named from a copy of the store, see docs/guides/backup.md")
		}
		k.Printf("No errors found.\n")
		return nil
	})
}
