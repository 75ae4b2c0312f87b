package config

import (
	"cmp"

	"github.com/spf13/cobra"

	"pachyderm/internal/cli/configfile"
	"pachyderm/internal/cli/kit"
)

// Commands are config and connect.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{configCommand(k), connect(k)}
}

func configCommand(k *kit.Kit) *cobra.Command {
	return kit.Group("config", "Read and change pachctl's own configuration",
		"A context is an installation that pachctl knows: its address and your session\nthere. All of this stays on this machine.",
		"  pachctl config list context\n  pachctl config set active-context prod",
		kit.Group("get", "Show a part of the configuration", "", "  pachctl config get active-context",
			getActive(k, "active-context", "active context", (*configfile.File).ActiveName),
			getActive(k, "active-enterprise-context", "active enterprise context", (*configfile.File).ActiveEnterpriseName),
			getContext(k), getMetrics(k)),
		kit.Group("set", "Set a part of the configuration", "", "  pachctl config set active-context prod",
			setActive(k, "active-context", "active context", func(c *configfile.File) *string { return &c.V2.Active }),
			setActive(k, "active-enterprise-context", "active enterprise context",
				func(c *configfile.File) *string { return &c.V2.ActiveEnterprise }),
			setContext(k), setMetrics(k)),
		kit.Group("list", "List parts of the configuration", "", "  pachctl config list context", listContext(k)),
		kit.Group("update", "Change a part of the configuration", "", "  pachctl config update context --project genomics", updateContext(k)),
		importKube(k),
		kit.Group("delete", "Delete a part of the configuration", "", "  pachctl config delete context old", deleteContext(k)),
	)
}

// activeOptions are about one of the two contexts that are active.
type activeOptions struct {
	name func(*configfile.File, func(string) string) (string, error)
	out  string
}

func getActive(k *kit.Kit, use, title string, name func(*configfile.File, func(string) string) (string, error)) *cobra.Command {
	o := activeOptions{name: name}
	c := &cobra.Command{
		Use: use, Short: "Show the " + title, Example: "  pachctl config get " + use, Args: kit.Exactly(0),
		RunE: func(*cobra.Command, []string) error { return o.run(k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o activeOptions) run(k *kit.Kit) error {
	file, err := configfile.Load(k.Getenv)
	if err != nil {
		return err
	}
	active, err := o.name(file, k.Getenv)
	if err != nil {
		return err
	}
	active = cmp.Or(active, "NONE")
	return k.PrintResult(o.out, active, func() { k.Printf("%s\n", active) })
}

type setActiveOptions struct {
	context string
	setting func(*configfile.File) *string
}

func setActive(k *kit.Kit, use, title string, setting func(*configfile.File) *string) *cobra.Command {
	return &cobra.Command{
		Use: use + " CONTEXT", Short: "Set the " + title, Example: "  pachctl config set " + use + " prod", Args: kit.Exactly(1),
		ValidArgsFunction: completingContexts(k),
		RunE:              func(_ *cobra.Command, args []string) error { return setActiveOptions{args[0], setting}.run(k) },
	}
}

func (o setActiveOptions) run(k *kit.Kit) error {
	return configfile.Change(k.Getenv, func(file *configfile.File) error {
		if _, err := file.Find(o.context); err != nil {
			return err
		}
		*o.setting(file) = o.context
		return nil
	})
}

type getMetricsOptions struct{ out string }

func getMetrics(k *kit.Kit) *cobra.Command {
	var o getMetricsOptions
	c := &cobra.Command{
		Use: "metrics", Short: "Show whether metrics may be collected", Example: "  pachctl config get metrics", Args: kit.Exactly(0),
		Long: "Show whether metrics may be collected. Upstream's clients read this setting;\nthis pachctl sends none in either case.",
		RunE: func(*cobra.Command, []string) error { return o.run(k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o getMetricsOptions) run(k *kit.Kit) error {
	file, err := configfile.Load(k.Getenv)
	if err != nil {
		return err
	}
	return k.PrintResult(o.out, file.V2.Metrics, func() { k.Printf("%t\n", file.V2.Metrics) })
}

type setMetricsOptions struct{ allowed bool }

func setMetrics(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "metrics true|false", Short: "Set whether metrics may be collected", Args: kit.Exactly(1),
		Example: "  pachctl config set metrics false",
		Long:    "Set whether metrics may be collected. Upstream's clients read this setting;\nthis pachctl sends none in either case.",
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != "true" && args[0] != "false" {
				return kit.Usagef(c, "invalid argument; use either `true` or `false`")
			}
			return setMetricsOptions{allowed: args[0] == "true"}.run(k)
		},
	}
}

func (o setMetricsOptions) run(k *kit.Kit) error {
	return configfile.Change(k.Getenv, func(file *configfile.File) error {
		file.V2.Metrics = o.allowed
		return nil
	})
}
