package commit

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/data"
	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

type removeOptions struct {
	options
	recursive, yes bool
	drop, dryRun   bool
}

func squashCommit(k *kit.Kit) *cobra.Command {
	o := &removeOptions{}
	c := &cobra.Command{
		Use: "commit ID | REPO@BRANCH-OR-COMMIT", Short: "Remove a commit, and leave its files to the next one",
		Long: `Remove a commit and leave what it has changed to the commits that follow it; one
that nothing follows stays. By an id alone: all commits of that id. At a terminal
it asks first. With --dry-run it says what would go, and nothing does.`,
		Example: `  pachctl squash commit images@master^ --dry-run
  pachctl squash commit images@master^
  pachctl squash commit 0d7a9ca4d1b84c5b9f4c3e1a2b3c4d5e --yes`,
	}
	o.add(c, k)
	return c
}

func dropCommit(k *kit.Kit) *cobra.Command {
	o := &removeOptions{drop: true}
	c := &cobra.Command{
		Use: "commit ID | REPO@BRANCH-OR-COMMIT", Short: "Remove a commit with what it has changed",
		Long: `Remove a commit that no other follows, with what it has changed. By an id alone:
all commits of that id. At a terminal it asks first. With --dry-run it says what
would go, and nothing does.`,
		Example: `  pachctl delete commit images@master --dry-run
  pachctl delete commit images@master
  pachctl delete commit 0d7a9ca4d1b84c5b9f4c3e1a2b3c4d5e --yes`,
	}
	o.add(c, k)
	return c
}

func (o *removeOptions) add(c *cobra.Command, k *kit.Kit) {
	c.Args = kit.Exactly(1)
	c.Aliases = []string{"commitV2"} // upstream's, of the form with a repository
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := o.read(c, k, args[0], true); err != nil {
			return err
		}
		if o.dryRun {
			return o.preview(c.Context(), k)
		}
		return o.run(c.Context(), k, args[0])
	}
	c.Flags().BoolVarP(&o.recursive, "recursive", "r", false, "remove also the commits that were made from it in other repositories")
	c.Flags().BoolVarP(&o.force, "force", "f", false, "do not ask")
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would go and which branches would move, and change nothing")
	o.in.Add(c)
}

// preview prints what would go. What would be refused is an error here too.
func (o *removeOptions) preview(ctx context.Context, k *kit.Kit) error {
	req := &data.PreviewRemovalRequest{CommitSet: o.set, Recursive: o.recursive, Drop: o.drop}
	if o.set == nil {
		req.Commit = o.commit
	}
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		p, err := c.Data.PreviewRemoval(ctx, req)
		if err != nil {
			return err
		}
		for _, one := range p.GetCommits() {
			k.Printf("%s would go, %s\n", show.Commit(one.GetCommit()), show.Size(one.GetSizeBytesUpperBound()))
		}
		for _, b := range p.GetBranches() {
			to := "a new, empty commit"
			if b.GetTo() != nil {
				to = b.GetTo().GetId()
			}
			k.Printf("branch %s would move from %s to %s\n", show.Branch(b.GetBranch()), b.GetFrom().GetId(), to)
		}
		if p.GetRefusal() != "" {
			return fault.New(fault.Precondition, "it would be refused: %s", p.GetRefusal())
		}
		k.Printf("Nothing was changed.\n")
		return nil
	})
}

func (o *removeOptions) run(ctx context.Context, k *kit.Kit, name string) error {
	if !o.force && !o.yes && show.OnTerminal(k.Stdin) {
		question := "Remove commit " + name + "? Its files stay in the commits that follow. yN"
		if o.drop {
			question = "Remove commit " + name + " with what it has changed? yN"
		}
		if err := k.Confirm(ctx, question); err != nil {
			return err
		}
	}
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) (err error) {
		switch {
		case o.set != nil && o.drop:
			_, err = c.PFS.DropCommitSet(ctx, &pfs.DropCommitSetRequest{CommitSet: o.set})
		case o.set != nil:
			_, err = c.PFS.SquashCommitSet(ctx, &pfs.SquashCommitSetRequest{CommitSet: o.set})
		case o.drop:
			_, err = c.PFS.DropCommit(ctx, &pfs.DropCommitRequest{Commit: o.commit, Recursive: o.recursive})
		default:
			_, err = c.PFS.SquashCommit(ctx, &pfs.SquashCommitRequest{Commit: o.commit, Recursive: o.recursive})
		}
		return err
	})
}
