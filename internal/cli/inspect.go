package cli

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/client"
)

// cluster is an installation for scripts.
type cluster struct {
	ID           string            `json:"id"`
	DeploymentID string            `json:"deployment_id,omitempty"`
	Address      string            `json:"pachd_address"`
	ProxyHost    string            `json:"proxy_host,omitempty"`
	ProxyTLS     bool              `json:"proxy_tls,omitempty"`
	Paused       bool              `json:"paused"`
	Warnings     []string          `json:"warnings,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
}

func (a *app) inspectCluster() *cobra.Command {
	var out format
	var raw bool
	c := &cobra.Command{
		Use: "cluster", Short: "Show the cluster that pachctl works with", Example: "  pachctl inspect cluster\n  pachctl inspect cluster -o json", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if raw && out == "" {
				out = "json"
			}
			return a.withClient(c.Context(), false, func(ctx context.Context, c *client.Client, p *place) error {
				info, err := inspect(ctx, c, p.project())
				if err != nil {
					return err
				}
				answer := cluster{
					ID: info.GetId(), DeploymentID: info.GetDeploymentId(), Address: c.Address().String(), ProxyHost: info.GetProxyHost(),
					ProxyTLS: info.GetProxyTls(), Paused: info.GetPaused(), Warnings: info.GetWarnings(), Metadata: info.GetMetadata(),
				}
				if out != "" {
					return a.show(out, answer)
				}
				a.printf("ID: %s\nAddress: %s\n", answer.ID, answer.Address)
				if answer.DeploymentID != "" {
					a.printf("Deployment ID: %s\n", answer.DeploymentID)
				}
				if answer.ProxyHost != "" {
					a.printf("Public host: %s\n", answer.ProxyHost)
				}
				if answer.Paused {
					a.printf("Paused: true\n")
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&raw, "raw", false, "as --output json")
	outputFlag(c, &out)
	return c
}
