package data

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pachyderm/api/data"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
)

// Storage has the commands about what files are stored in.
func Storage(k *kit.Kit) *cobra.Command {
	return kit.Group("storage", "Commands about what files are stored in", "", "  pachctl storage usage", usage(k))
}

func usage(k *kit.Kit) *cobra.Command {
	var out show.Output
	c := &cobra.Command{
		Use: "usage", Short: "Show how much the object store holds, and for what", Args: kit.Exactly(0),
		Long: `Show how many bytes the object store holds, how many of them files of commits still
need, and how many nothing needs any more. It reads the index of every commit, and
needs the role debugger on the cluster, or one that includes it.

What uploads have left that broke off is swept within hours. What was part of commits
that are deleted stays in the store for now.`,
		Example: "  pachctl storage usage\n  pachctl storage usage -o json",
		RunE:    func(c *cobra.Command, _ []string) error { return runUsage(c.Context(), k, out) },
	}
	out.Flags(c)
	return c
}

func runUsage(ctx context.Context, k *kit.Kit, out show.Output) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		u, err := c.Data.GetStorageUsage(ctx, &data.GetStorageUsageRequest{})
		if err != nil {
			return err
		}
		return out.One(k, u, func() {
			size := func(bytes int64) string { return fmt.Sprintf("%s (%d bytes)", show.Size(bytes), bytes) }
			show.Fields(
				k,
				[2]string{"Stored for good", size(u.GetKeptBytes())},
				[2]string{"  needed", size(u.GetLiveBytes())},
				[2]string{"  not needed any more", size(u.GetUnreferencedBytes())},
				[2]string{"  lists of what objects hold", size(u.GetKeptBytes() - u.GetLiveBytes() - u.GetUnreferencedBytes())},
				[2]string{"Uploads under way or broken off", size(u.GetPendingBytes())},
				[2]string{"Objects", fmt.Sprint(u.GetPacks())},
				[2]string{"Pieces in them", fmt.Sprint(u.GetBlobs())},
			)
		})
	})
}
