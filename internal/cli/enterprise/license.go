package enterprise

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/license"
	"pachyderm/internal/cli/kit"
)

func licenseCommand(k *kit.Kit) *cobra.Command {
	return kit.Group("license", "See that no license is needed, and manage which pachds are registered",
		"Every feature is part of pachd, and no key is needed. These commands work on the\nenterprise context.",
		"  pachctl license get-state\n  pachctl license list-clusters",
		licenseActivate(k), licenseState(k), listClusters(k), addCluster(k), updateCluster(k), deleteCluster(k), deleteAllClusters(k),
	)
}

func licenseActivate(k *kit.Kit) *cobra.Command {
	c := (&stateOptions{enterprise: onEnterprise}).command(k, &cobra.Command{
		Use: "activate", Short: "Show that every feature is active already",
		Long:    "Show that every feature is active already. No code is needed; one on standard\ninput is not read.",
		Example: "  pachctl license activate",
	})
	// Upstream's, for scripts that give them; there is nothing to change.
	c.Flags().Bool("no-register", false, "")
	c.Flags().Bool("only-activate", false, "")
	c.Flags().String("expires", "", "")
	for _, name := range []string{"no-register", "only-activate", "expires"} {
		_ = c.Flags().MarkHidden(name)
	}
	return c
}

func licenseState(k *kit.Kit) *cobra.Command {
	return (&stateOptions{enterprise: onEnterprise}).command(k, &cobra.Command{
		Use: "get-state", Short: "Show that every feature is active", Example: "  pachctl license get-state",
	})
}

type shownCluster struct {
	ID            string     `json:"id"`
	Address       string     `json:"address"`
	Version       string     `json:"version,omitempty"`
	AuthEnabled   bool       `json:"auth_enabled"`
	ClientID      string     `json:"client_id,omitempty"`
	LastHeartbeat *time.Time `json:"last_heartbeat,omitempty"`
	CreatedAt     *time.Time `json:"created_at,omitempty"`
}

type listClustersOptions struct{ out string }

func listClusters(k *kit.Kit) *cobra.Command {
	var o listClustersOptions
	c := &cobra.Command{
		Use: "list-clusters", Short: "List the pachds that are registered", Args: kit.Exactly(0),
		Example: "  pachctl license list-clusters\n  pachctl license list-clusters -o json",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o listClustersOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, onEnterprise, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.License.ListClusters(ctx, &license.ListClustersRequest{})
		if err != nil {
			return err
		}
		clusters, rows := []shownCluster{}, [][]string{}
		for _, one := range r.GetClusters() {
			clusters = append(clusters, shownCluster{
				ID: one.GetId(), Address: one.GetAddress(), Version: one.GetVersion(), AuthEnabled: one.GetAuthEnabled(), ClientID: one.GetClientId(),
				LastHeartbeat: kit.TimeOrNil(one.GetLastHeartbeat()), CreatedAt: kit.TimeOrNil(one.GetCreatedAt()),
			})
			rows = append(rows, []string{
				one.GetId(), one.GetAddress(), kit.OrDash(one.GetVersion()), fmt.Sprint(one.GetAuthEnabled()), kit.FormatTime(one.GetLastHeartbeat()),
			})
		}
		return k.PrintResult(o.out, clusters, func() { k.Table([]string{"ID", "ADDRESS", "VERSION", "AUTH", "LAST HEARTBEAT"}, rows) })
	})
}

// clusterOptions are what is said about a pachd.
type clusterOptions struct {
	id, address, user, deployment, secret string
	enterprise                            bool
	out                                   string
}

// flags declares them; without an id there is nothing to do.
func (o *clusterOptions) flags(c *cobra.Command, id, address string) {
	f := c.Flags()
	f.StringVar(&o.id, "id", "", id)
	f.StringVar(&o.address, "address", "", address)
	f.StringVar(&o.user, "user-address", "", "its address for users")
	f.StringVar(&o.deployment, "cluster-deployment-id", "", "its deployment id")
	f.StringVar(&o.secret, "secret", "", "the secret that it shares with the enterprise server; - reads it from standard input")
}

func (o *clusterOptions) check(c *cobra.Command) error {
	if o.id == "" {
		return kit.Usagef(c, "--id is not given: see those that are registered with: pachctl license list-clusters")
	}
	return nil
}

// readSecret takes a secret from where no other process sees it.
func (o *clusterOptions) readSecret(ctx context.Context, k *kit.Kit) (err error) {
	if o.secret == "-" {
		o.secret, err = k.ReadSecret(ctx, "Secret:")
	}
	return err
}

func addCluster(k *kit.Kit) *cobra.Command {
	var o clusterOptions
	c := &cobra.Command{
		Use: "add-cluster", Short: "Register a pachd", Args: kit.Exactly(0),
		Long:    "Register a pachd. The secret that it shares with the enterprise server is shown\nthis once, unless --secret sets it.",
		Example: "  pachctl license add-cluster --id genomics --address grpc://genomics:1650",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(c); err != nil {
				return err
			}
			return o.runAdd(c.Context(), k)
		},
	}
	o.flags(c, "name of the pachd", "its address for the enterprise server")
	c.Flags().BoolVar(&o.enterprise, "enterprise-server", false, "it is the enterprise server itself")
	kit.OutputFlag(c, &o.out)
	return c
}

func (o *clusterOptions) runAdd(ctx context.Context, k *kit.Kit) error {
	if err := o.readSecret(ctx, k); err != nil {
		return err
	}
	return k.WithConn(ctx, onEnterprise, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.License.AddCluster(ctx, &license.AddClusterRequest{
			Id: o.id, Address: o.address, UserAddress: o.user, ClusterDeploymentId: o.deployment, Secret: o.secret, EnterpriseServer: o.enterprise,
		})
		if err != nil || o.secret != "" {
			return err
		}
		return k.PrintResult(o.out, map[string]string{"secret": r.GetSecret()}, func() { k.Printf("Shared secret: %s\n", r.GetSecret()) })
	})
}

func updateCluster(k *kit.Kit) *cobra.Command {
	var o clusterOptions
	c := &cobra.Command{
		Use: "update-cluster", Short: "Change a registered pachd", Args: kit.Exactly(0),
		Example: "  pachctl license update-cluster --id genomics --user-address grpcs://genomics.example.com:443",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(c); err != nil {
				return err
			}
			return o.runUpdate(c.Context(), k)
		},
	}
	o.flags(c, "name of the pachd", "its new address for the enterprise server")
	return c
}

func (o *clusterOptions) runUpdate(ctx context.Context, k *kit.Kit) error {
	if err := o.readSecret(ctx, k); err != nil {
		return err
	}
	return k.WithConn(ctx, onEnterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.License.UpdateCluster(ctx, &license.UpdateClusterRequest{
			Id: o.id, Address: o.address, UserAddress: o.user, ClusterDeploymentId: o.deployment, Secret: o.secret,
		})
		return err
	})
}

func deleteCluster(k *kit.Kit) *cobra.Command {
	var o clusterOptions
	c := &cobra.Command{
		Use: "delete-cluster", Short: "Remove a pachd from those registered", Args: kit.Exactly(0),
		Example: "  pachctl license delete-cluster --id genomics",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(c); err != nil {
				return err
			}
			return o.runDelete(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.id, "id", "", "name of the pachd")
	return c
}

func (o *clusterOptions) runDelete(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, onEnterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.License.DeleteCluster(ctx, &license.DeleteClusterRequest{Id: o.id})
		return err
	})
}

func deleteAllClusters(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "delete-all", Short: "Remove all registered pachds", Args: kit.Exactly(0), Example: "  pachctl license delete-all",
		Long: "Remove all registered pachds. It asks first.",
		RunE: func(c *cobra.Command, _ []string) error { return runDeleteAll(c.Context(), k) },
	}
}

func runDeleteAll(ctx context.Context, k *kit.Kit) error {
	if err := k.Confirm(ctx, "Are you sure you want to delete all registered clusters? yN"); err != nil {
		return err
	}
	return k.WithConn(ctx, onEnterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.License.DeleteAll(ctx, &license.DeleteAllRequest{})
		return err
	})
}
