package enterprise

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/license"
	"pachyderm/internal/cli/configfile"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

func syncContexts(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "sync-contexts", Short: "Make contexts for the pachds that the enterprise server knows", Args: kit.Exactly(0),
		Long: `Make a context for each pachd that is registered with the enterprise server. One
that exists gets the address that is registered; if that is another one than
before, you sign in there again.`,
		Example: "  pachctl enterprise sync-contexts",
		RunE:    func(c *cobra.Command, _ []string) error { return runSync(c.Context(), k) },
	}
}

func runSync(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, onEnterprise, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.License.ListUserClusters(ctx, &license.ListUserClustersRequest{})
		if status.Code(err) == codes.Unimplemented {
			return fault.New(fault.Unimplemented, "the enterprise server does not list pachds: none is registered, or it is too old")
		}
		if err != nil {
			return err
		}
		return configfile.Change(k.Getenv, func(file *configfile.File) error {
			for _, cluster := range r.GetClusters() {
				file.V2.Contexts[cluster.GetId()] = synced(file.V2.Contexts[cluster.GetId()], cluster)
			}
			return nil
		})
	})
}

// synced makes or changes a context. Its session goes to no other address or
// installation than the one that it was made at.
func synced(c *configfile.Context, cluster *license.UserClusterInfo) *configfile.Context {
	if c == nil {
		c = &configfile.Context{Source: configfile.SourceImported}
	}
	fresh := configfile.Context{Address: cluster.GetAddress()}
	if fresh.Normalise() != nil {
		fresh.Address = "" // it is of no use, and of no harm so
	}
	if c.Address != fresh.Address || c.DeploymentID != cluster.GetClusterDeploymentId() {
		c.Token = ""
	}
	c.Address, c.DeploymentID, c.Enterprise = fresh.Address, cluster.GetClusterDeploymentId(), cluster.GetEnterpriseServer()
	if c.ServerCAs != "" && c.Normalise() != nil {
		c.ServerCAs = ""
	}
	return c
}
