package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/enterprise"
	"pachyderm/api/license"
	"pachyderm/client"
)

func (a *app) enterpriseCommands() *cobra.Command {
	return group("enterprise", "Work with several pachds that sign people in at one",
		"Every feature is part of pachd, and no key is needed: these commands are for older\nscripts, and for pachds that use another one as their identity service.",
		"  pachctl enterprise get-state\n  pachctl enterprise sync-contexts",
		a.enterpriseState(), a.register(), a.enterpriseDeactivate(), a.heartbeat(), a.pause(), a.unpause(), a.pauseStatus(), a.syncContexts(),
	)
}

const noKey = "No key is needed: every feature is part of pachd.\n"

type licenceState struct {
	State   string     `json:"state"`
	Expires *time.Time `json:"expires,omitempty"`
}

// sayState prints what upstream prints, which scripts look for.
func (a *app) sayState(ctx context.Context, c *client.Client, out format) error {
	r, err := c.Enterprise.GetState(ctx, &enterprise.GetStateRequest{})
	if err != nil {
		return err
	}
	state := licenceState{State: r.GetState().String()}
	// The end of what needs no licence is as far away as a date can be.
	if e := r.GetInfo().GetExpires(); e != nil && e.AsTime().Year() < 9999 {
		state.Expires = instant(e)
	}
	return a.answer(out, state, func() {
		a.printf("Pachyderm Enterprise token state: %s\n", state.State)
		if state.Expires != nil {
			a.printf("Expiration: %s\n", state.Expires)
		}
	})
}

// state completes a command that shows the state, on the enterprise context
// or if it is asked for.
func (a *app) state(c *cobra.Command, always bool) *cobra.Command {
	on := always
	var out format
	c.Args = exactly(0)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.withClient(c.Context(), on, func(ctx context.Context, c *client.Client, _ *place) error {
			a.notef("%s", noKey)
			return a.sayState(ctx, c, out)
		})
	}
	if !always {
		enterpriseFlag(c, &on)
	}
	outputFlag(c, &out)
	return c
}

func (a *app) enterpriseState() *cobra.Command {
	return a.state(&cobra.Command{Use: "get-state", Short: "Show that every feature is active", Example: "  pachctl enterprise get-state"}, false)
}

type registration struct {
	id, pachd, user, server, deployment string
}

func (a *app) register() *cobra.Command {
	var o registration
	c := &cobra.Command{
		Use: "register", Short: "Let the enterprise server know this pachd", Args: exactly(0),
		Long: `Let the pachd of the enterprise context know that of the active one, so that
"pachctl enterprise sync-contexts" finds it.`,
		Example: "  pachctl enterprise register --id genomics",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.id == "" {
				return usagef(c, "--id is not given: choose a name for this pachd")
			}
			return a.withClient(c.Context(), false, func(ctx context.Context, member *client.Client, p *place) error {
				return a.withClient(ctx, true, func(ctx context.Context, server *client.Client, _ *place) error {
					return o.run(ctx, member, server, p)
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
func (o registration) run(ctx context.Context, member, server *client.Client, p *place) error {
	for _, field := range []struct {
		value *string
		or    string
	}{{&o.pachd, member.Address().String()}, {&o.user, member.Address().String()}, {&o.server, server.Address().String()}} {
		if *field.value == "" {
			*field.value = field.or
		}
	}
	if o.deployment == "" {
		info, err := inspect(ctx, member, p.project())
		if err != nil {
			return err
		}
		o.deployment = info.GetDeploymentId()
	}
	r, err := server.License.AddCluster(ctx, &license.AddClusterRequest{Id: o.id, Address: o.pachd, UserAddress: o.user, ClusterDeploymentId: o.deployment})
	if err != nil {
		return prefixed("could not register pachd with the license service", err)
	}
	_, err = member.Enterprise.Activate(ctx, &enterprise.ActivateRequest{LicenseServer: o.server, Id: o.id, Secret: r.GetSecret()})
	if err == nil {
		return nil
	}
	ctx, cancel := undoing(ctx)
	defer cancel()
	if _, undo := server.License.DeleteCluster(ctx, &license.DeleteClusterRequest{Id: o.id}); undo != nil {
		return prefixed("could not register pachd, and the enterprise server still lists it", errors.Join(err, undo))
	}
	return prefixed("could not register pachd", err)
}

// undoing is for taking a step back, also if that is because of Ctrl-C.
func undoing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

func (a *app) enterpriseDeactivate() *cobra.Command {
	return &cobra.Command{
		Use: "deactivate", Short: "Do nothing: there is no licence to give up", Args: exactly(0), Example: "  pachctl enterprise deactivate",
		Long: "Do nothing: no licence is needed, so there is none to give up. It is here so that\nolder scripts go on.",
		RunE: func(*cobra.Command, []string) error {
			a.notef("Nothing is deactivated. %s", noKey)
			return nil
		},
	}
}

func (a *app) heartbeat() *cobra.Command {
	var on bool
	c := &cobra.Command{
		Use: "heartbeat", Short: "Let this pachd report to its enterprise server", Example: "  pachctl enterprise heartbeat", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), on, func(ctx context.Context, c *client.Client, _ *place) error {
				_, err := c.Enterprise.Heartbeat(ctx, &enterprise.HeartbeatRequest{})
				return err
			})
		},
	}
	enterpriseFlag(c, &on)
	return c
}

func (a *app) pause() *cobra.Command {
	return &cobra.Command{
		Use: "pause", Short: "Pause the services for data and pipelines", Example: "  pachctl enterprise pause", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), false, func(ctx context.Context, c *client.Client, _ *place) error {
				_, err := c.Enterprise.Pause(ctx, &enterprise.PauseRequest{})
				return err
			})
		},
	}
}

func (a *app) unpause() *cobra.Command {
	return &cobra.Command{
		Use: "unpause", Short: "Let paused services go on", Example: "  pachctl enterprise unpause", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), false, func(ctx context.Context, c *client.Client, _ *place) error {
				_, err := c.Enterprise.Unpause(ctx, &enterprise.UnpauseRequest{})
				return err
			})
		},
	}
}

func (a *app) pauseStatus() *cobra.Command {
	var out format
	c := &cobra.Command{
		Use: "pause-status", Short: "Show whether services are paused", Example: "  pachctl enterprise pause-status", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), false, func(ctx context.Context, c *client.Client, _ *place) error {
				r, err := c.Enterprise.PauseStatus(ctx, &enterprise.PauseStatusRequest{})
				if err != nil {
					return err
				}
				text := r.GetStatus().String()
				return a.answer(out, map[string]string{"status": text}, func() { a.printf("%s\n", text) })
			})
		},
	}
	outputFlag(c, &out)
	return c
}

func (a *app) syncContexts() *cobra.Command {
	return &cobra.Command{
		Use: "sync-contexts", Short: "Make contexts for the pachds that the enterprise server knows", Args: exactly(0),
		Long: `Make a context for each pachd that is registered with the enterprise server. One
that exists gets the address that is registered; if that is another one than
before, you sign in there again.`,
		Example: "  pachctl enterprise sync-contexts",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), true, func(ctx context.Context, c *client.Client, _ *place) error {
				r, err := c.License.ListUserClusters(ctx, &license.ListUserClustersRequest{})
				if status.Code(err) == codes.Unimplemented {
					return failf(err, "the enterprise server does not list pachds: it has none registered, or is too old")
				}
				if err != nil {
					return err
				}
				return a.changeConfig(func(c *configFile) error {
					for _, cluster := range r.GetClusters() {
						c.sync(cluster)
					}
					return nil
				})
			})
		},
	}
}

// sync makes or changes a context. Its session goes to no other address or
// installation than the one that it was made at.
func (c *configFile) sync(cluster *license.UserClusterInfo) {
	doc, ok := c.V2.Contexts[cluster.GetId()]
	if !ok {
		doc = &contextDoc{Source: sourceImported}
		c.V2.Contexts[cluster.GetId()] = doc
	}
	fresh := contextDoc{Address: cluster.GetAddress()}
	if fresh.normalise() != nil {
		fresh.Address = "" // it is of no use, and of no harm so
	}
	if doc.Address != fresh.Address || doc.DeploymentID != cluster.GetClusterDeploymentId() {
		doc.Token = ""
	}
	doc.Address, doc.DeploymentID, doc.Enterprise = fresh.Address, cluster.GetClusterDeploymentId(), cluster.GetEnterpriseServer()
	if doc.ServerCAs != "" && doc.normalise() != nil {
		doc.ServerCAs = ""
	}
}
