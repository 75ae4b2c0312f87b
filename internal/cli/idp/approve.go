package idp

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

type approveConnectorOptions struct{ id, revision string }

func approveConnector(k *kit.Kit) *cobra.Command {
	var o approveConnectorOptions
	c := &cobra.Command{
		Use: "approve-connector ID", Short: "Let what a connector says of people count", Args: kit.Exactly(1),
		Long: `Let what a connector says of people count. What a clusterAdmin writes is approved
by that. What somebody else writes who may manage connectors waits: a connector
that was approved before goes on as it was, and one that never was signs people
in to what everybody has, and nothing more.

The connector is shown, and approved if you say yes. With --revision, as
list-connector shows it, nothing is asked.`,
		Example: "  pachctl idp approve-connector auth0",
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.revision, "revision", "", "revision of the connector that was looked at")
	return c
}

func (o approveConnectorOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		if o.revision == "" {
			if err := o.look(ctx, k, c); err != nil {
				return err
			}
		}
		_, err := c.Pach.ApproveConnector(ctx, &pach.ApproveConnectorRequest{Id: o.id, Revision: o.revision})
		return err
	})
}

// look shows what is to be approved. The revision is read before the connector:
// what changes in between is refused, and not approved unseen.
func (o *approveConnectorOptions) look(ctx context.Context, k *kit.Kit, c *kit.Conn) error {
	states, err := connectorStates(ctx, c)
	if err != nil {
		return err
	}
	s := states[o.id]
	if s == nil {
		return fault.New(fault.NotFound, "connector %q: ID does not exist", o.id).Next("pachctl idp list-connector shows those that do")
	}
	r, err := c.Identity.GetIDPConnector(ctx, &identity.GetIDPConnectorRequest{Id: o.id})
	if err != nil {
		return err
	}
	o.revision = s.GetRevision()
	if s.GetApproval() == pach.ConnectorState_APPROVED {
		return nil
	}
	d := docOf(r.GetConnector())
	if err := k.PrintYAML("", d, shownConnector{Config: d.Config, ID: d.ID, Name: d.Name, Type: d.Type, Version: d.Version}); err != nil {
		return err
	}
	return k.Confirm(ctx, "Whoever this says people are, they will be here. Approve it? yN")
}
