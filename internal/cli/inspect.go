package cli

import (
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// shownCluster is an installation for scripts.
type shownCluster struct {
	ID           string            `json:"id"`
	DeploymentID string            `json:"deployment_id,omitempty"`
	Address      string            `json:"pachd_address"`
	ProxyHost    string            `json:"proxy_host,omitempty"`
	ProxyTLS     bool              `json:"proxy_tls,omitempty"`
	Paused       bool              `json:"paused"`
	Warnings     []string          `json:"warnings,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
}

// maxShown is how much of a key or a value of metadata is shown, in bytes.
const maxShown = 1000

type inspectOptions struct{ out string }

func inspectCluster(k *kit.Kit) *cobra.Command {
	var o inspectOptions
	var raw bool
	c := &cobra.Command{
		Use: "cluster", Short: "Show the cluster that pachctl works with", Args: kit.Exactly(0),
		Example: "  pachctl inspect cluster\n  pachctl inspect cluster -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			if raw && o.out == "" {
				o.out = "json"
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().BoolVar(&raw, "raw", false, "as --output json")
	kit.OutputFlag(c, &o.out)
	return c
}

func (o inspectOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		info, err := k.InspectCluster(ctx, c.Client, c.Target)
		if err != nil {
			return err
		}
		shown := shownCluster{
			ID: info.GetId(), DeploymentID: info.GetDeploymentId(), Address: c.Address().String(), ProxyHost: info.GetProxyHost(),
			ProxyTLS: info.GetProxyTls(), Paused: info.GetPaused(), Warnings: info.GetWarnings(), Metadata: info.GetMetadata(),
		}
		return k.PrintResult(o.out, shown, func() {
			k.Printf("ID: %s\nAddress: %s\n", shown.ID, shown.Address)
			if shown.DeploymentID != "" {
				k.Printf("Deployment ID: %s\n", shown.DeploymentID)
			}
			if shown.ProxyHost != "" {
				k.Printf("Public host: %s\n", shown.ProxyHost)
			}
			if shown.Paused {
				k.Printf("Paused: true\n")
			}
			for _, key := range slices.Sorted(maps.Keys(shown.Metadata)) {
				k.Printf("%s: %s\n", fault.Clean(key, maxShown), fault.Clean(shown.Metadata[key], maxShown))
			}
		})
	})
}
