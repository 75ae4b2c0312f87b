package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"pachyderm/client"
	"pachyderm/internal/cli/configfile"
	"pachyderm/internal/cli/kit"
)

// Commands are config and connect.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{configCommand(k), connectCommand(k)}
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
			setActive(k, "active-enterprise-context", "active enterprise context", func(c *configfile.File) *string { return &c.V2.ActiveEnterprise }),
			setContext(k), setMetrics(k)),
		kit.Group("list", "List parts of the configuration", "", "  pachctl config list context", listContext(k)),
		kit.Group("update", "Change a part of the configuration", "", "  pachctl config update context --project genomics", updateContext(k)),
		importKube(k),
		kit.Group("delete", "Delete a part of the configuration", "", "  pachctl config delete context old", deleteContext(k)),
	)
}

func getActive(k *kit.Kit, name, what string, which func(*configfile.File, func(string) string) (string, error)) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: name, Short: "Show the " + what, Example: "  pachctl config get " + name, Args: kit.Exactly(0),
		RunE: func(*cobra.Command, []string) error {
			c, err := configfile.Load(k.Getenv)
			if err != nil {
				return err
			}
			active, err := which(c, k.Getenv)
			if err != nil {
				return err
			}
			if active == "" {
				active = "NONE"
			}
			return k.PrintResult(out, active, func() { k.Printf("%s\n", active) })
		},
	}
	kit.OutputFlag(c, &out)
	return c
}

func setActive(k *kit.Kit, name, what string, which func(*configfile.File) *string) *cobra.Command {
	return &cobra.Command{
		Use: name + " CONTEXT", Short: "Set the " + what, Example: "  pachctl config set " + name + " prod", Args: kit.Exactly(1),
		ValidArgsFunction: kit.Completing(func() []string { return contextNames(k) }),
		RunE: func(_ *cobra.Command, args []string) error {
			return configfile.Change(k.Getenv, func(c *configfile.File) error {
				if _, err := c.Find(args[0]); err != nil {
					return err
				}
				*which(c) = args[0]
				return nil
			})
		},
	}
}

func getMetrics(k *kit.Kit) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: "metrics", Short: "Show whether metrics may be collected", Example: "  pachctl config get metrics", Args: kit.Exactly(0),
		Long: "Show whether metrics may be collected. Upstream's clients read this setting;\nthis pachctl sends none in either case.",
		RunE: func(*cobra.Command, []string) error {
			c, err := configfile.Load(k.Getenv)
			if err != nil {
				return err
			}
			return k.PrintResult(out, c.V2.Metrics, func() { k.Printf("%t\n", c.V2.Metrics) })
		},
	}
	kit.OutputFlag(c, &out)
	return c
}

func setMetrics(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "metrics true|false", Short: "Set whether metrics may be collected", Example: "  pachctl config set metrics false", Args: kit.Exactly(1),
		Long: "Set whether metrics may be collected. Upstream's clients read this setting;\nthis pachctl sends none in either case.",
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != "true" && args[0] != "false" {
				return kit.Usagef(c, "invalid argument; use either `true` or `false`")
			}
			return configfile.Change(k.Getenv, func(c *configfile.File) error {
				c.V2.Metrics = args[0] == "true"
				return nil
			})
		},
	}
}

func getContext(k *kit.Kit) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: "context CONTEXT", Short: "Show a context", Example: "  pachctl config get context default", Args: kit.Exactly(1),
		Long: "Show a context in the form that \"pachctl config set context\" takes, with *** in\nplace of the session token.",
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := configfile.Load(k.Getenv)
			if err != nil {
				return err
			}
			doc, err := c.Find(args[0])
			if err != nil {
				return err
			}
			if doc.Token != "" {
				doc.Token = kit.Mask // with which nobody can act as the user
			}
			text, err := doc.Text()
			if err != nil {
				return err
			}
			return k.PrintResult(out, json.RawMessage(text), func() { k.Printf("%s\n\n", text) })
		},
		ValidArgsFunction: kit.Completing(func() []string { return contextNames(k) }),
	}
	kit.OutputFlag(c, &out)
	return c
}

func setContext(k *kit.Kit) *cobra.Command {
	var overwrite bool
	c := &cobra.Command{
		Use: "context CONTEXT", Short: "Make a context of a JSON document", Args: kit.Exactly(1),
		Long:    "Make a context of a JSON document on standard input, such as \"pachctl config\nget context\" prints. A session token *** keeps the one that the context has.",
		Example: `  echo '{"pachd_address": "grpc://pachd.example.com:30650"}' | pachctl config set context prod`,
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := k.ReadInput("-")
			if err != nil {
				return err
			}
			doc, err := configfile.ParseContext(data)
			if err != nil {
				return err
			}
			return configfile.Change(k.Getenv, func(c *configfile.File) error {
				old, err := c.Find(args[0])
				if err == nil && !overwrite {
					return fmt.Errorf("context '%s' already exists, use `--overwrite` if you wish to replace it", args[0])
				}
				if doc.Token == kit.Mask {
					if old == nil || old.Token == "" {
						return fmt.Errorf("session_token is %s, which stands for the one that context '%s' has, and it has none: remove it, and sign in", kit.Mask, args[0])
					}
					doc.Token = old.Token
				}
				c.V2.Contexts[args[0]] = doc
				return nil
			})
		},
	}
	c.Flags().BoolVar(&overwrite, "overwrite", false, "replace the context if it exists")
	return c
}

func listContext(k *kit.Kit) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: "context", Short: "List the contexts", Example: "  pachctl config list context", Args: kit.Exactly(0),
		Long: "List the contexts. * marks the active one, E the active enterprise context.",
		RunE: func(*cobra.Command, []string) error {
			c, err := configfile.Load(k.Getenv)
			if err != nil {
				return err
			}
			active, err := c.ActiveName(k.Getenv)
			if err != nil {
				return err
			}
			enterprise := c.V2.ActiveEnterprise
			if over := k.Getenv("PACH_ENTERPRISE_CONTEXT"); over != "" {
				enterprise = over
			}
			names := slices.Sorted(maps.Keys(c.V2.Contexts))
			if out != "" {
				return k.Show(out, names)
			}
			k.Printf("ACTIVE\tNAME\n")
			for _, name := range names {
				marks := ""
				if name == enterprise {
					marks = "E"
				}
				if name == active {
					marks += "*"
				}
				k.Printf("%s\t%s\n", marks, name)
			}
			return nil
		},
	}
	kit.OutputFlag(c, &out)
	return c
}

func updateContext(k *kit.Kit) *cobra.Command {
	flags := []struct {
		name, help string
		field      func(*configfile.Context) *string
	}{
		{"pachd-address", "address of pachd, such as grpc://localhost:30650", func(c *configfile.Context) *string { return &c.Address }},
		{"server-cas", "certificate authorities that pachd's certificate is checked with, as base64 of PEM", func(c *configfile.Context) *string { return &c.ServerCAs }},
		{"project", "project that commands work in", func(c *configfile.Context) *string { return &c.Project }},
		{"cluster-name", "name of the Kubernetes cluster", func(c *configfile.Context) *string { return &c.ClusterName }},
		{"auth-info", "name of the user in the Kubernetes configuration", func(c *configfile.Context) *string { return &c.AuthInfo }},
		{"namespace", "Kubernetes namespace", func(c *configfile.Context) *string { return &c.Namespace }},
	}
	removeID := false
	c := &cobra.Command{
		Use: "context [CONTEXT]", Short: "Change a context", Args: kit.Between(0, 1),
		Long:    "Change what is given of a context, the active one unless another is named. An\nempty value removes a setting.",
		Example: "  pachctl config update context --project genomics\n  pachctl config update context prod --pachd-address grpcs://pachd.example.com:30650",
		RunE: func(cmd *cobra.Command, args []string) error {
			return configfile.Change(k.Getenv, func(c *configfile.File) error {
				name, err := c.ActiveName(k.Getenv)
				if len(args) > 0 {
					name, err = args[0], nil
				} else if err == nil {
					k.Notef("editing the currently active context %q\n", name)
				}
				if err != nil {
					return err
				}
				doc, err := c.Find(name)
				if err != nil {
					return err
				}
				for _, f := range flags {
					if given := cmd.Flags().Lookup(f.name); given.Changed {
						*f.field(doc) = given.Value.String()
					}
				}
				if removeID {
					doc.DeploymentID = ""
				}
				return doc.Normalise()
			})
		},
	}
	for _, f := range flags {
		c.Flags().String(f.name, "", f.help)
	}
	c.Flags().BoolVar(&removeID, "remove-cluster-deployment-id", false, "forget which deployment the context belongs to")
	return c
}

func deleteContext(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "context CONTEXT", Short: "Delete a context", Example: "  pachctl config delete context old", Args: kit.Exactly(1),
		ValidArgsFunction: kit.Completing(func() []string { return contextNames(k) }),
		RunE: func(_ *cobra.Command, args []string) error {
			return configfile.Change(k.Getenv, func(c *configfile.File) error {
				if _, err := c.Find(args[0]); err != nil {
					return err
				}
				if args[0] == c.V2.Active || args[0] == c.V2.ActiveEnterprise {
					return errors.New("cannot delete an active context: make another one active with: pachctl config set active-context CONTEXT")
				}
				delete(c.V2.Contexts, args[0])
				return nil
			})
		},
	}
}

func connectCommand(k *kit.Kit) *cobra.Command {
	var alias string
	c := &cobra.Command{
		Use: "connect ADDRESS", Short: "Work with the pachd at an address", Args: kit.Exactly(1),
		Long: `Work with the pachd at an address: a context for it is made, if there is none,
and becomes the active one. Nothing is sent; the next command connects.

The address is [grpc://|grpcs://]HOST[:PORT], with TLS for grpcs; the port is
` + strconv.Itoa(client.DefaultPort) + " unless given.",
		Example: "  pachctl connect localhost:30650\n  pachctl connect grpcs://pachd.example.com:443 --alias prod",
		RunE: func(_ *cobra.Command, args []string) error {
			address, err := client.ParseAddress(args[0])
			if err != nil {
				return err
			}
			name := alias
			if name == "" {
				name = args[0]
			}
			return configfile.Change(k.Getenv, func(c *configfile.File) error {
				if _, err := c.Find(name); err != nil {
					c.V2.Contexts[name] = &configfile.Context{Address: address.String()}
					k.Printf("New context '%s' created, will connect to Pachyderm at %s\n", name, address)
				} else if old := cmp.Or(c.V2.Contexts[name].Address, configfile.DefaultAddress); old != address.String() {
					k.Notef("Context '%s' exists and keeps its address %s; change it with: pachctl config update context %s --pachd-address %s\n", name, old, name, address)
				}
				c.V2.Active = name
				k.Printf("Context '%s' set as active\n", name)
				return nil
			})
		},
	}
	c.Flags().StringVar(&alias, "alias", "", "name of the context, in place of the address")
	return c
}

func contextNames(k *kit.Kit) []string {
	c, err := configfile.Load(k.Getenv)
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(c.V2.Contexts))
}
