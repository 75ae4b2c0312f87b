package people

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

type renameOptions struct {
	from, to   string
	enterprise bool
}

func renameUser(k *kit.Kit) *cobra.Command {
	var o renameOptions
	c := &cobra.Command{
		Use: "rename-user USER NEW", Short: "Give a user another name, as their address has changed at the provider", Args: kit.Exactly(2),
		Long: `Give a user another name, as their address has changed at the provider: with their
roles, groups and identities, sessions and tokens, which go on, and what they have
made. The audit keeps the name of the time, and shows both for the new one. The old
name is free afterwards: whoever signs in with that address next is somebody new.

A name that is known already is refused: if it is the same person with a new account,
"pachctl idp link" lets that account act as the user.`,
		Example: "  pachctl auth rename-user user:alice@example.com user:alice@example.org",
		RunE: func(c *cobra.Command, args []string) error {
			o.from, o.to = args[0], args[1]
			return o.run(c.Context(), k)
		},
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	return c
}

func (o renameOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.RenameUser(ctx, &pach.RenameUserRequest{User: o.from, NewName: o.to})
		return err
	})
}
