package idp

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

// linkOptions say which identity, and whose.
type linkOptions struct{ user, identity string }

func linkIdentity(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "link USER IDENTITY", Short: "Let a waiting identity sign in as a user", Args: kit.Exactly(2),
		Long: `Let an identity that was refused, because another owns its e-mail address, sign
in as that user. First make sure that both are the same person. The identity is
named in the refusal and in "pachctl auth list-users".`,
		Example: "  pachctl idp link user:alice@example.com 3f2a9c",
		RunE: func(c *cobra.Command, args []string) error {
			return linkOptions{args[0], args[1]}.runLink(c.Context(), k)
		},
	}
}

func (o linkOptions) runLink(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.LinkIdentity(ctx, &pach.LinkIdentityRequest{User: o.user, IdentityId: o.identity})
		return err
	})
}

func unlinkIdentity(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "unlink USER IDENTITY", Short: "Take an identity away from a user", Args: kit.Exactly(2),
		Long: `Take an identity away from a user. Its sessions end, and it can no longer sign
in as that user.`,
		Example: "  pachctl idp unlink user:alice@example.com 3f2a9c",
		RunE: func(c *cobra.Command, args []string) error {
			return linkOptions{args[0], args[1]}.runUnlink(c.Context(), k)
		},
	}
}

func (o linkOptions) runUnlink(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.UnlinkIdentity(ctx, &pach.UnlinkIdentityRequest{User: o.user, IdentityId: o.identity})
		return err
	})
}
