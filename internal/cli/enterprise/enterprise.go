package enterprise

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/enterprise"
	"pachyderm/api/license"
	"pachyderm/internal/cli/configfile"
	"pachyderm/internal/cli/kit"
)

// Commands are enterprise and license.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{enterpriseCommand(k), licenseCommand(k)}
}

func enterpriseCommand(k *kit.Kit) *cobra.Command {
	return kit.Group("enterprise", "Work with several pachds that sign people in at one",
		"Every feature is part of pachd, and no key is needed: these commands are for older\nscripts, and for pachds that use another one as their identity service.",
		"  pachctl enterprise get-state\n  pachctl enterprise sync-contexts",
		enterpriseState(k), register(k), enterpriseDeactivate(k), heartbeat(k), pause(k), unpause(k), pauseStatus(k), syncContexts(k),
	)
}

// onEnterprise is where pachds are registered.
const onEnterprise = true

const noKey = "No key is needed: every feature is part of pachd.\n"

type licenceState struct {
	State   string     `json:"state"`
	Expires *time.Time `json:"expires,omitempty"`
}

// sayState prints what upstream prints, which scripts look for.
func sayState(ctx context.Context, k *kit.Kit, c *kit.Conn, out kit.Format) error {
	r, err := c.Enterprise.GetState(ctx, &enterprise.GetStateRequest{})
	if err != nil {
		return err
	}
	state := licenceState{State: r.GetState().String()}
	// The end of what needs no licence is as far away as a date can be.
	if e := r.GetInfo().GetExpires(); e != nil && e.AsTime().Year() < 9999 {
		state.Expires = kit.TimeOrNil(e)
	}
	return k.PrintResult(out, state, func() {
		k.Printf("Pachyderm Enterprise token state: %s\n", state.State)
		if state.Expires != nil {
			k.Printf("Expiration: %s\n", state.Expires)
		}
	})
}

// state completes a command that shows the state, on the enterprise context
// or if it is asked for.
func state(k *kit.Kit, c *cobra.Command, always bool) *cobra.Command {
	on := always
	var out kit.Format
	c.Args = kit.Exactly(0)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return k.WithConn(c.Context(), on, func(ctx context.Context, c *kit.Conn) error {
			k.Notef("%s", noKey)
			return sayState(ctx, k, c, out)
		})
	}
	if !always {
		kit.EnterpriseFlag(c, &on)
	}
	kit.OutputFlag(c, &out)
	return c
}

func enterpriseState(k *kit.Kit) *cobra.Command {
	return state(k, &cobra.Command{Use: "get-state", Short: "Show that every feature is active", Example: "  pachctl enterprise get-state"}, false)
}

type registration struct {
	id, pachd, user, server, deployment string
}

func register(k *kit.Kit) *cobra.Command {
	var o registration
	c := &cobra.Command{
		Use: "register", Short: "Let the enterprise server know this pachd", Args: kit.Exactly(0),
		Long: `Let the pachd of the enterprise context know that of the active one, so that
"pachctl enterprise sync-contexts" finds it.`,
		Example: "  pachctl enterprise register --id genomics",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.id == "" {
				return kit.Usagef(c, "--id is not given: choose a name for this pachd")
			}
			return k.WithConn(c.Context(), false, func(ctx context.Context, member *kit.Conn) error {
				return k.WithConn(ctx, onEnterprise, func(ctx context.Context, server *kit.Conn) error {
					return o.run(ctx, member, server)
				})
			})
		},
	}
	f := c.Flags()
	f.StringVar(&o.id, "id", "", "name of this pachd")
	f.StringVar(&o.pachd, "pachd-address", "", "address of this pachd for the enterprise server; the context's unless given")
	f.StringVar(&o.user, "pachd-user-address", "", "address of this pachd for users; the context's unless given")
	f.StringVar(&o.server, "enterprise-server-address", "", "address of the enterprise server for this pachd; the context's unless given")
	f.StringVar(&o.deployment, "cluster-deployment-id", "", "deployment id of this pachd; what it says itself unless given")
	return c
}

// run registers in two halves, and takes the first back if the second fails.
func (o registration) run(ctx context.Context, member, server *kit.Conn) error {
	for _, field := range []struct {
		value *string
		or    string
	}{{&o.pachd, member.Address().String()}, {&o.user, member.Address().String()}, {&o.server, server.Address().String()}} {
		if *field.value == "" {
			*field.value = field.or
		}
	}
	if o.deployment == "" {
		info, err := kit.InspectCluster(ctx, member.Client, member.Target.Project)
		if err != nil {
			return err
		}
		o.deployment = info.GetDeploymentId()
	}
	r, err := server.License.AddCluster(ctx, &license.AddClusterRequest{Id: o.id, Address: o.pachd, UserAddress: o.user, ClusterDeploymentId: o.deployment})
	if err != nil {
		return kit.Prefixed("could not register pachd with the license service", err)
	}
	_, err = member.Enterprise.Activate(ctx, &enterprise.ActivateRequest{LicenseServer: o.server, Id: o.id, Secret: r.GetSecret()})
	if err == nil {
		return nil
	}
	ctx, cancel := kit.CleanupContext(ctx)
	defer cancel()
	if _, undo := server.License.DeleteCluster(ctx, &license.DeleteClusterRequest{Id: o.id}); undo != nil {
		return kit.Prefixed("could not register pachd, and the enterprise server still lists it", errors.Join(err, undo))
	}
	return kit.Prefixed("could not register pachd", err)
}

func enterpriseDeactivate(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "deactivate", Short: "Do nothing: there is no licence to give up", Args: kit.Exactly(0), Example: "  pachctl enterprise deactivate",
		Long: "Do nothing: no licence is needed, so there is none to give up. It is here so that\nolder scripts go on.",
		RunE: func(*cobra.Command, []string) error {
			k.Notef("Nothing is deactivated. %s", noKey)
			return nil
		},
	}
}

func heartbeat(k *kit.Kit) *cobra.Command {
	var on bool
	c := &cobra.Command{
		Use: "heartbeat", Short: "Let this pachd report to its enterprise server", Example: "  pachctl enterprise heartbeat", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return k.WithConn(c.Context(), on, func(ctx context.Context, c *kit.Conn) error {
				_, err := c.Enterprise.Heartbeat(ctx, &enterprise.HeartbeatRequest{})
				return err
			})
		},
	}
	kit.EnterpriseFlag(c, &on)
	return c
}

func pause(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "pause", Short: "Pause the services for data and pipelines", Example: "  pachctl enterprise pause", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return k.WithConn(c.Context(), false, func(ctx context.Context, c *kit.Conn) error {
				_, err := c.Enterprise.Pause(ctx, &enterprise.PauseRequest{})
				return err
			})
		},
	}
}

func unpause(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "unpause", Short: "Let paused services go on", Example: "  pachctl enterprise unpause", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return k.WithConn(c.Context(), false, func(ctx context.Context, c *kit.Conn) error {
				_, err := c.Enterprise.Unpause(ctx, &enterprise.UnpauseRequest{})
				return err
			})
		},
	}
}

func pauseStatus(k *kit.Kit) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: "pause-status", Short: "Show whether services are paused", Example: "  pachctl enterprise pause-status", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return k.WithConn(c.Context(), false, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Enterprise.PauseStatus(ctx, &enterprise.PauseStatusRequest{})
				if err != nil {
					return err
				}
				text := r.GetStatus().String()
				return k.PrintResult(out, map[string]string{"status": text}, func() { k.Printf("%s\n", text) })
			})
		},
	}
	kit.OutputFlag(c, &out)
	return c
}

func syncContexts(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "sync-contexts", Short: "Make contexts for the pachds that the enterprise server knows", Args: kit.Exactly(0),
		Long: `Make a context for each pachd that is registered with the enterprise server. One
that exists gets the address that is registered; if that is another one than
before, you sign in there again.`,
		Example: "  pachctl enterprise sync-contexts",
		RunE: func(c *cobra.Command, _ []string) error {
			return k.WithConn(c.Context(), onEnterprise, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.License.ListUserClusters(ctx, &license.ListUserClustersRequest{})
				if status.Code(err) == codes.Unimplemented {
					return kit.Failf(err, "the enterprise server does not list pachds: it has none registered, or is too old")
				}
				if err != nil {
					return err
				}
				return configfile.Change(k.Getenv, func(c *configfile.File) error {
					for _, cluster := range r.GetClusters() {
						c.V2.Contexts[cluster.GetId()] = synced(c.V2.Contexts[cluster.GetId()], cluster)
					}
					return nil
				})
			})
		},
	}
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
