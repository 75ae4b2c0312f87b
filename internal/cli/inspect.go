package cli

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/internal/cli/kit"
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

func inspectCluster(k *kit.Kit) *cobra.Command {
	var out kit.Format
	var raw bool
	c := &cobra.Command{
		Use: "cluster", Short: "Show the cluster that pachctl works with", Example: "  pachctl inspect cluster\n  pachctl inspect cluster -o json", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if raw && out == "" {
				out = "json"
			}
			return k.WithConn(c.Context(), false, func(ctx context.Context, c *kit.Conn) error {
				info, err := kit.InspectCluster(ctx, c.Client, c.Target.Project)
				if err != nil {
					return err
				}
				answer := cluster{
					ID: info.GetId(), DeploymentID: info.GetDeploymentId(), Address: c.Address().String(), ProxyHost: info.GetProxyHost(),
					ProxyTLS: info.GetProxyTls(), Paused: info.GetPaused(), Warnings: info.GetWarnings(), Metadata: info.GetMetadata(),
				}
				if out != "" {
					return k.Show(out, answer)
				}
				k.Printf("ID: %s\nAddress: %s\n", answer.ID, answer.Address)
				if answer.DeploymentID != "" {
					k.Printf("Deployment ID: %s\n", answer.DeploymentID)
				}
				if answer.ProxyHost != "" {
					k.Printf("Public host: %s\n", answer.ProxyHost)
				}
				if answer.Paused {
					k.Printf("Paused: true\n")
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&raw, "raw", false, "as --output json")
	kit.OutputFlag(c, &out)
	return c
}
