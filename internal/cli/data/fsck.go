package data

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Fsck is the command that checks all that pachd keeps of files.
func Fsck(k *kit.Kit) *cobra.Command {
	o := &fsckOptions{}
	c := &cobra.Command{
		Use: "fsck", Short: "Check that all files are as they were stored", Args: kit.Exactly(0),
		Long: `Read everything that pachd keeps of files, and print what is damaged and which
commits need it. It changes nothing, takes as long as reading all of it, and needs
the role debugger on the cluster, or one that includes it.

The exit code is 1 if something is damaged.`,
		Example: "  pachctl fsck",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.read(c, k); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.zombie, "zombie", "", "check only for files of datums that are gone, in the output of a pipeline, as REPO@BRANCH")
	c.Flags().BoolVar(&o.zombieAll, "zombie-all", false, "the same for the outputs of all pipelines")
	o.in.Add(c)
	c.Flags().BoolVarP(&o.request.Fix, "fix", "f", false, "for scripts of upstream's; there is nothing that this mends")
	return c
}

type fsckOptions struct {
	in        ref.Flags
	zombie    string
	zombieAll bool
	request   pfs.FsckRequest
}

func (o *fsckOptions) read(c *cobra.Command, k *kit.Kit) error {
	switch {
	case o.zombie != "" && o.zombieAll:
		return kit.Usagef(c, "--zombie and --zombie-all both say what to check: choose one")
	case o.zombieAll:
		o.request.ZombieCheck = &pfs.FsckRequest_ZombieAll{ZombieAll: true}
	case o.zombie != "":
		r, err := o.in.Reader(c, k)
		if err != nil {
			return err
		}
		target, err := r.Commit(o.zombie)
		if err != nil {
			return err
		}
		o.request.ZombieCheck = &pfs.FsckRequest_ZombieTarget{ZombieTarget: target}
	}
	return nil
}

// maxProblem is how many characters of a problem are shown.
const maxProblem = 4096

func (o *fsckOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		found := 0
		for m, err := range show.Each(c.PFS.Fsck(ctx, &o.request)) {
			if err != nil {
				return err
			}
			if m.GetError() != "" {
				found++
				k.Printf("%s\n", fault.Clean(m.GetError(), maxProblem))
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
