package enterprise

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/enterprise"
	"pachyderm/internal/cli/kit"
)

func pause(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "pause", Short: "Pause the services for data and pipelines", Example: "  pachctl enterprise pause", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error { return runPause(c.Context(), k) },
	}
}

func runPause(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Enterprise.Pause(ctx, &enterprise.PauseRequest{})
		return err
	})
}

func unpause(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "unpause", Short: "Let paused services go on", Example: "  pachctl enterprise unpause", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error { return runUnpause(c.Context(), k) },
	}
}

func runUnpause(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Enterprise.Unpause(ctx, &enterprise.UnpauseRequest{})
		return err
	})
}

type pauseStatusOptions struct{ out string }

func pauseStatus(k *kit.Kit) *cobra.Command {
	var o pauseStatusOptions
	c := &cobra.Command{
		Use: "pause-status", Short: "Show whether services are paused", Example: "  pachctl enterprise pause-status", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o pauseStatusOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Enterprise.PauseStatus(ctx, &enterprise.PauseStatusRequest{})
		if err != nil {
			return err
		}
		text := r.GetStatus().String()
		return k.PrintResult(o.out, map[string]string{"status": text}, func() { k.Printf("%s\n", text) })
	})
}
