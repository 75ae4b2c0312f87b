package commit

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
)

type findOptions struct {
	in      ref.Flags
	request pfs.FindCommitsRequest
	timeout time.Duration
	raw     show.Output
}

func findCommit(k *kit.Kit) *cobra.Command {
	o := &findOptions{}
	c := &cobra.Command{
		Use: "commit REPO@BRANCH-OR-COMMIT:PATH", Short: "Find the commits that changed a file", Args: kit.Exactly(1),
		Long: `Print the commits that added, changed or deleted a file, from a commit back to the
first, and last the commit at which the search ended: go on from its parent.`,
		Example: "  pachctl find commit images@master:/cat.png\n  pachctl find commit images@master:/cat.png --limit 1\n" +
			"  pachctl find commit images@master:/cat.png --timeout 10s",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := o.in.Reader(c, k)
			if err != nil {
				return err
			}
			f, err := r.Path(args[0])
			if err != nil {
				return err
			}
			o.request.Start, o.request.FilePath = f.GetCommit(), f.GetPath()
			return o.run(c.Context(), k)
		},
	}
	c.Flags().Uint32Var(&o.request.Limit, "limit", 0, "end at so many that are found; 0 means all")
	c.Flags().DurationVar(&o.timeout, "timeout", 0, "end after so long, with what was found; 0 means no end")
	o.raw.JSONFlag(c)
	o.in.Add(c)
	return c
}

func (o *findOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		if o.timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, o.timeout)
			defer cancel()
		}
		all := show.Each(c.PFS.FindCommits(ctx, &o.request))
		if o.raw.ForScripts() {
			return show.List(k, o.raw, show.Table[*pfs.FindCommitsResponse]{}, all)
		}
		k.Printf("FOUND IN COMMITS\n")
		for m, err := range all {
			switch {
			case err != nil:
				return err
			case m.GetFoundCommit() != nil:
				k.Printf("%s\n", show.Commit(m.GetFoundCommit()))
			case m.GetLastSearchedCommit() != nil:
				k.Printf("LAST SEARCHED COMMIT\n%s\n", show.Commit(m.GetLastSearchedCommit()))
			}
		}
		return nil
	})
}
