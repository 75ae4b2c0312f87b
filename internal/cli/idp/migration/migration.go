package migration

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

type options struct {
	from  string
	apply bool
	out   string
}

// Command is idp import.
func Command(k *kit.Kit) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use: "import --from CONTEXT", Short: "Bring connectors, clients and roles from another installation", Args: kit.Exactly(0),
		Long: `Read what another installation of version 2, such as upstream's, has of
connectors, OIDC clients, roles on the cluster and tokens of robots, and show what
would be made here, for whom, and what cannot be brought along. With --apply it is
made. The other installation is a context of pachctl's configuration, signed in to
as its administrator; it is only read.

What is here already stays as it is, so that a second run completes a first.
Connectors get this installation's callback, which has to be registered with the
provider. Robots keep their tokens; people sign in anew, with the same names.`,
		Example: "  pachctl idp import --from old\n  pachctl idp import --from old --apply",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.from == "" {
				return kit.Usagef(c, "say from where: --from CONTEXT; pachctl config list context shows them")
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.from, "from", "", "context of the other installation")
	c.Flags().BoolVar(&o.apply, "apply", false, "make what the plan says")
	kit.OutputFlag(c, &o.out)
	return c
}

// What becomes of a step of the plan.
const (
	create = "create" // it is made with --apply
	exists = "exists" // it is here already, and stays
	cannot = "cannot" // it stays behind
	failed = "failed"
	done   = "done"
)

// step is one thing that the other installation has.
type step struct {
	What   string `json:"what"` // such as connector
	Name   string `json:"name"`
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"`

	make func(context.Context) error
}

// sides are the two installations.
type sides struct{ there, here *client.Client }

func (o options) run(ctx context.Context, k *kit.Kit) error {
	there, err := k.TargetNamed(o.from)
	if err != nil {
		return err
	}
	return k.WithConn(ctx, true, func(ctx context.Context, here *kit.Conn) error {
		if here.Target.Context == o.from {
			return fault.New(fault.Invalid, "context %q is this installation itself", o.from).
				Next("name the other one, or choose another for this command with PACH_CONTEXT")
		}
		c, err := k.Dial(ctx, there, there.Token)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		plan, err := sides{c, here.Client}.plan(ctx)
		if err != nil {
			return err
		}
		if o.apply {
			apply(ctx, plan)
		}
		return o.print(k, plan)
	})
}

func apply(ctx context.Context, plan []step) {
	for n, s := range plan {
		if s.State != create {
			continue
		}
		plan[n].State = done
		if err := s.make(ctx); err != nil {
			plan[n].State, plan[n].Detail = failed, client.MessageOf(err)
		}
	}
}

func (o options) print(k *kit.Kit, plan []step) error {
	rows, failures, toDo := [][]string{}, 0, 0
	for _, s := range plan {
		rows = append(rows, []string{s.State, s.What, s.Name, kit.OrDash(s.Detail)})
		switch s.State {
		case failed:
			failures++
		case create:
			toDo++
		}
	}
	err := k.PrintResult(o.out, plan, func() { k.Table([]string{"STATE", "WHAT", "NAME", "DETAIL"}, rows) })
	switch {
	case err != nil:
		return err
	case failures > 0:
		return fault.New(fault.Precondition, "%d of %d could not be made: what they need is beside them", failures, len(plan)).
			Next("correct it, and run the command again")
	case toDo > 0:
		k.Notef("%s", fmt.Sprintf("Nothing was changed. To make what the plan says: pachctl idp import --from %s --apply\n", o.from))
	}
	return nil
}
