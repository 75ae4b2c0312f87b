package enterprise

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/enterprise"
	"pachyderm/api/license"
	"pachyderm/internal/cli/kit"
)

// Commands are enterprise and license.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{enterpriseCommand(k), licenseCommand(k)}
}

func enterpriseCommand(k *kit.Kit) *cobra.Command {
	return kit.Group("enterprise", "Work with several pachds that sign people in at one",
		"Every feature is part of pachd, and no key is needed: these commands are for older\n"+
			"scripts, and for pachds that use another one as their identity service.",
		"  pachctl enterprise get-state\n  pachctl enterprise sync-contexts",
		getState(k), register(k), deactivate(k), heartbeat(k), pause(k), unpause(k), pauseStatus(k), syncContexts(k),
	)
}

// onEnterprise is where pachds are registered.
const onEnterprise = true

const noKey = "No key is needed: every feature is part of pachd."

type shownState struct {
	State   string     `json:"state"`
	Expires *time.Time `json:"expires,omitempty"`
}

type stateOptions struct {
	enterprise bool
	out        string
}

// command completes a command that shows the state.
func (o *stateOptions) command(k *kit.Kit, c *cobra.Command) *cobra.Command {
	c.Args = kit.Exactly(0)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) }
	kit.OutputFlag(c, &o.out)
	return c
}

func getState(k *kit.Kit) *cobra.Command {
	o := &stateOptions{}
	c := o.command(k, &cobra.Command{Use: "get-state", Short: "Show that every feature is active", Example: "  pachctl enterprise get-state"})
	kit.EnterpriseFlag(c, &o.enterprise)
	return c
}

// run prints what upstream prints, which scripts look for.
func (o *stateOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		k.Notef("%s\n", noKey)
		r, err := c.Enterprise.GetState(ctx, &enterprise.GetStateRequest{})
		if err != nil {
			return err
		}
		state := shownState{State: r.GetState().String()}
		// The end of what needs no licence is as far away as a date can be.
		if e := r.GetInfo().GetExpires(); e != nil && e.AsTime().Year() < 9999 {
			state.Expires = kit.TimeOrNil(e)
		}
		return k.PrintResult(o.out, state, func() {
			k.Printf("Pachyderm Enterprise token state: %s\n", state.State)
			if state.Expires != nil {
				k.Printf("Expiration: %s\n", state.Expires)
			}
		})
	})
}

type registerOptions struct {
	id, pachd, user, server, deployment string
}

func register(k *kit.Kit) *cobra.Command {
	var o registerOptions
	c := &cobra.Command{
		Use: "register", Short: "Let the enterprise server know this pachd", Args: kit.Exactly(0),
		Long: `Let the pachd of the enterprise context know that of the active one, so that
"pachctl enterprise sync-contexts" finds it.`,
		Example: "  pachctl enterprise register --id genomics",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.id == "" {
				return kit.Usagef(c, "--id is not given: choose a name for this pachd")
			}
			return o.run(c.Context(), k)
		},
	}
	f := c.Flags()
	f.StringVar(&o.id, "id", "", "name of this pachd")
	f.StringVar(&o.pachd, "pachd-address", "", "address of this pachd for the enterprise server; default: the context's")
	f.StringVar(&o.user, "pachd-user-address", "", "address of this pachd for users; default: the context's")
	f.StringVar(&o.server, "enterprise-server-address", "", "address of the enterprise server for this pachd; default: the context's")
	f.StringVar(&o.deployment, "cluster-deployment-id", "", "deployment id of this pachd; default: the one that it reports")
	return c
}

func (o registerOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, false, func(ctx context.Context, member *kit.Conn) error {
		return k.WithConn(ctx, onEnterprise, func(ctx context.Context, server *kit.Conn) error {
			return o.register(ctx, k, member, server)
		})
	})
}

// register does it in two halves, and takes the first back if the second fails.
func (o registerOptions) register(ctx context.Context, k *kit.Kit, member, server *kit.Conn) error {
	own, theirs := member.Address().String(), server.Address().String()
	if o.deployment == "" {
		info, err := k.InspectCluster(ctx, member.Client, member.Target)
		if err != nil {
			return err
		}
		o.deployment = info.GetDeploymentId()
	}
	r, err := server.License.AddCluster(ctx, &license.AddClusterRequest{
		Id: o.id, Address: cmp.Or(o.pachd, own), UserAddress: cmp.Or(o.user, own), ClusterDeploymentId: o.deployment,
	})
	if err != nil {
		return kit.Prefixed("could not register pachd with the license service", err)
	}
	_, err = member.Enterprise.Activate(ctx, &enterprise.ActivateRequest{
		LicenseServer: cmp.Or(o.server, theirs), Id: o.id, Secret: r.GetSecret(),
	})
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

func deactivate(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "deactivate", Short: "Do nothing: there is no licence to give up", Args: kit.Exactly(0), Example: "  pachctl enterprise deactivate",
		Long: "Do nothing: no licence is needed, so there is none to give up. It is here so that\nolder scripts go on.",
		RunE: func(*cobra.Command, []string) error {
			k.Notef("Nothing is deactivated. %s\n", noKey)
			return nil
		},
	}
}

type heartbeatOptions struct{ enterprise bool }

func heartbeat(k *kit.Kit) *cobra.Command {
	var o heartbeatOptions
	c := &cobra.Command{
		Use: "heartbeat", Short: "Let this pachd report to its enterprise server", Args: kit.Exactly(0),
		Example: "  pachctl enterprise heartbeat",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	return c
}

func (o heartbeatOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Enterprise.Heartbeat(ctx, &enterprise.HeartbeatRequest{})
		return err
	})
}
