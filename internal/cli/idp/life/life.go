package life

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Commands are those of this package.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{enable(k), disable(k), listRevisions(k), rollBack(k), confirm(k)}
}

type enableOptions struct {
	id      string
	enabled bool
	force   bool
}

func enable(k *kit.Kit) *cobra.Command {
	o := enableOptions{enabled: true}
	c := &cobra.Command{
		Use: "enable ID", Short: "Let people sign in with a connector", Args: kit.Exactly(1),
		Long: `Let people sign in with a connector that is a draft or was disabled. A draft is
enabled once somebody has signed in with it, as it is stored, by test-connector.`,
		Example: "  pachctl idp enable okta",
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			return o.run(c.Context(), k)
		},
	}
	c.Flags().BoolVar(&o.force, "force", false, "enable a draft that nobody has signed in with")
	return c
}

func disable(k *kit.Kit) *cobra.Command {
	var o enableOptions
	c := &cobra.Command{
		Use: "disable ID", Short: "Keep people from signing in with a connector, for a while", Args: kit.Exactly(1),
		Long: `Keep people from signing in with a connector, until it is enabled again. Nothing of it
is forgotten, and who has signed in stays so: "pachctl auth revoke" ends that.`,
		Example: "  pachctl idp disable okta",
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			return o.run(c.Context(), k)
		},
	}
	c.Flags().BoolVar(&o.force, "force", false, "even if nobody who administers the cluster could sign in any more")
	return c
}

func (o enableOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.SetConnectorEnabled(ctx, &pach.SetConnectorEnabledRequest{Id: o.id, Enabled: o.enabled, Force: o.force})
		return err
	})
}

type confirmOptions struct{ id string }

func confirm(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "confirm ID", Short: "Keep a change that would undo itself", Args: kit.Exactly(1),
		Long:    "Keep what \"pachctl idp update-connector --confirm-within\" has stored.",
		Example: "  pachctl idp confirm okta",
		RunE: func(c *cobra.Command, args []string) error {
			return confirmOptions{args[0]}.run(c.Context(), k)
		},
	}
}

func (o confirmOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.ConfirmConnector(ctx, &pach.ConfirmConnectorRequest{Id: o.id})
		return err
	})
}

type rollBackOptions struct{ id, revision string }

func rollBack(k *kit.Kit) *cobra.Command {
	var o rollBackOptions
	c := &cobra.Command{
		Use: "rollback ID", Short: "Store what a connector was before", Args: kit.Exactly(1),
		Long: `Store what a connector was before the last change or, with --to, at a revision of
list-revisions, secrets and all. Its provider is not asked.`,
		Example: "  pachctl idp rollback okta\n  pachctl idp rollback okta --to MJ5KDLWQ7TVPZ4UOYQ2XBHKZ3E",
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.revision, "to", "", "revision")
	return c
}

func (o rollBackOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		if o.revision == "" {
			r, err := c.Pach.ListConnectorRevisions(ctx, &pach.ListConnectorRevisionsRequest{Id: o.id})
			if err != nil {
				return err
			}
			if len(r.GetRevisions()) < 2 {
				return fault.New(fault.Precondition, "connector %s has never been changed", o.id).Next("there is nothing to go back to")
			}
			o.revision = r.GetRevisions()[1].GetRevision()
		}
		_, err := c.Pach.RollBackConnector(ctx, &pach.RollBackConnectorRequest{Id: o.id, Revision: o.revision})
		return err
	})
}
