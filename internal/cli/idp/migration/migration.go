package migration

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

type options struct {
	from, values string
	apply        bool
	out          string
}

// Command is idp import.
func Command(k *kit.Kit) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use: "import --from CONTEXT | --from-values FILE", Args: kit.Exactly(0),
		Short: "Bring connectors, clients and roles from another installation",
		Long: `Read what another installation of version 2, such as upstream's, has of
connectors, OIDC clients, roles on the cluster, projects and repos, and tokens of
robots, and show what would be made here, for whom, and what cannot be brought
along. With --apply it is made. The other installation is a context of pachctl's
configuration, signed in to as its administrator; it is only read. Of one that does
not run any more the values of its Helm chart say the connectors, OIDC clients and
roles on the cluster.

What is here already stays as it is, so that a second run completes a first.
Connectors get this installation's callback, which has to be registered with the
provider. Robots keep their tokens; people sign in anew, with the same names.`,
		Example: "  pachctl idp import --from old\n  pachctl idp import --from old --apply\n  pachctl idp import --from-values values.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if (o.from == "") == (o.values == "") {
				return kit.Usagef(c, "say from where: --from CONTEXT, of those that pachctl config list context shows, or --from-values FILE")
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.from, "from", "", "context of the other installation")
	c.Flags().StringVar(&o.values, "from-values", "", "file with values of the other installation's Helm chart")
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
type sides struct {
	there source
	here  *client.Client
}

func (o options) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, true, func(ctx context.Context, here *kit.Conn) error {
		there, closed, err := o.open(ctx, k, here.Target.Context)
		if err != nil {
			return err
		}
		defer closed()
		plan, err := sides{there, here.Client}.plan(ctx)
		if err != nil {
			return err
		}
		if o.apply {
			apply(ctx, plan)
		}
		return o.print(k, plan)
	})
}

// open opens the other installation.
func (o options) open(ctx context.Context, k *kit.Kit, here string) (_ source, closed func(), err error) {
	if o.values != "" {
		v, err := readValues(o.values)
		return v, func() {}, err
	}
	target, err := k.TargetNamed(o.from)
	if err != nil {
		return nil, nil, err
	}
	if here == o.from {
		return nil, nil, fault.New(fault.Invalid, "context %q is this installation itself", o.from).
			Next("name the other one, or choose another for this command with PACH_CONTEXT")
	}
	c, err := k.Dial(ctx, target, target.Token)
	if err != nil {
		return nil, nil, err
	}
	return server{c}, func() { _ = c.Close() }, nil
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
		from := "--from " + o.from
		if o.values != "" {
			from = "--from-values " + o.values
		}
		k.Notef("Nothing was changed. To make what the plan says: pachctl idp import %s --apply\n", from)
	}
	return nil
}
