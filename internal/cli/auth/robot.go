package auth

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

type allowRobotOptions struct {
	robot, by  string
	remove     bool
	enterprise bool
}

func allowRobot(k *kit.Kit) *cobra.Command {
	var o allowRobotOptions
	c := &cobra.Command{
		Use: "allow-robot ROBOT --by PRINCIPAL", Short: "Let somebody make tokens of a robot", Args: kit.Exactly(1),
		Long: `Let a user, a group or a robot make tokens of a robot whatever roles it has. Without
that, only those make tokens of a robot who could grant all its roles, since
whoever has a token of a robot can do what the robot can. They need the role
robotUser as well. --remove takes it back, and ends the tokens that only this
allowed.`,
		Example: "  pachctl auth allow-robot ci --by group:build-engineers\n  pachctl auth allow-robot ci --by user:bob@example.com --remove",
		RunE: func(c *cobra.Command, args []string) error {
			if o.by == "" {
				return kit.Usagef(c, "say who may make the tokens, with --by, for example --by group:build-engineers")
			}
			o.robot = args[0]
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.by, "by", "", "who may make tokens of the robot: user:NAME, group:NAME or robot:NAME")
	c.Flags().BoolVar(&o.remove, "remove", false, "take it back")
	kit.EnterpriseFlag(c, &o.enterprise)
	return c
}

func (o allowRobotOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.AllowRobot(ctx, &pach.AllowRobotRequest{Robot: o.robot, Principal: o.by, Remove: o.remove})
		return err
	})
}
