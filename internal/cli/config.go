package cli

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/client"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
)

func (a *app) configCommands() *cobra.Command {
	return group("config", "Read and change pachctl's own configuration",
		"A context is an installation that pachctl knows: its address and your session\nthere. All of this stays on this machine.",
		"  pachctl config list context\n  pachctl config set active-context prod",
		group("get", "Show a part of the configuration", "", "  pachctl config get active-context",
			a.getActive("active-context", "active context", Env.active),
			a.getActive("active-enterprise-context", "active enterprise context", Env.activeEnterprise),
			a.getContext(), a.getMetrics()),
		group("set", "Set a part of the configuration", "", "  pachctl config set active-context prod",
			a.setActive("active-context", "active context", func(c *configV2) *string { return &c.Active }),
			a.setActive("active-enterprise-context", "active enterprise context", func(c *configV2) *string { return &c.ActiveEnterprise }),
			a.setContext(), a.setMetrics()),
		group("list", "List parts of the configuration", "", "  pachctl config list context", a.listContext()),
		group("update", "Change a part of the configuration", "", "  pachctl config update context --project genomics", a.updateContext()),
		a.importKube(),
		group("delete", "Delete a part of the configuration", "", "  pachctl config delete context old", a.deleteContext()),
	)
}

func (a *app) getActive(name, what string, which func(Env, *configFile) (string, error)) *cobra.Command {
	var out format
	c := &cobra.Command{
		Use: name, Short: "Show the " + what, Example: "  pachctl config get " + name, Args: exactly(0),
		RunE: func(*cobra.Command, []string) error {
			c, err := a.loadConfig()
			if err != nil {
				return err
			}
			active, err := which(a.Env, c)
			if err != nil {
				return err
			}
			if active == "" {
				active = "NONE"
			}
			return a.answer(out, active, func() { a.printf("%s\n", active) })
		},
	}
	outputFlag(c, &out)
	return c
}

func (a *app) setActive(name, what string, which func(*configV2) *string) *cobra.Command {
	return &cobra.Command{
		Use: name + " CONTEXT", Short: "Set the " + what, Example: "  pachctl config set " + name + " prod", Args: exactly(1),
		ValidArgsFunction: completing(a.contextNames),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.changeConfig(func(c *configFile) error {
				if _, err := c.find(args[0]); err != nil {
					return err
				}
				*which(c.V2) = args[0]
				return nil
			})
		},
	}
}

func (a *app) getMetrics() *cobra.Command {
	var out format
	c := &cobra.Command{
		Use: "metrics", Short: "Show whether metrics may be collected", Example: "  pachctl config get metrics", Args: exactly(0),
		Long: "Show whether metrics may be collected. Upstream's clients read this setting;\nthis pachctl sends none in either case.",
		RunE: func(*cobra.Command, []string) error {
			c, err := a.loadConfig()
			if err != nil {
				return err
			}
			return a.answer(out, c.V2.Metrics, func() { a.printf("%t\n", c.V2.Metrics) })
		},
	}
	outputFlag(c, &out)
	return c
}

func (a *app) setMetrics() *cobra.Command {
	return &cobra.Command{
		Use: "metrics true|false", Short: "Set whether metrics may be collected", Example: "  pachctl config set metrics false", Args: exactly(1),
		Long: "Set whether metrics may be collected. Upstream's clients read this setting;\nthis pachctl sends none in either case.",
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != "true" && args[0] != "false" {
				return usagef(c, "invalid argument; use either `true` or `false`")
			}
			return a.changeConfig(func(c *configFile) error {
				c.V2.Metrics = args[0] == "true"
				return nil
			})
		},
	}
}

func (a *app) getContext() *cobra.Command {
	var out format
	c := &cobra.Command{
		Use: "context CONTEXT", Short: "Show a context", Example: "  pachctl config get context default", Args: exactly(1),
		Long: "Show a context in the form that \"pachctl config set context\" takes, with *** in\nplace of the session token.",
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := a.loadConfig()
			if err != nil {
				return err
			}
			doc, err := c.find(args[0])
			if err != nil {
				return err
			}
			text, err := doc.text()
			if err != nil {
				return err
			}
			return a.answer(out, json.RawMessage(text), func() { a.printf("%s\n\n", text) })
		},
		ValidArgsFunction: completing(a.contextNames),
	}
	outputFlag(c, &out)
	return c
}

// text is the context for people: its source has a name, and its session
// token, with which anybody could act as the user, stays where it is.
func (c contextDoc) text() ([]byte, error) {
	name, err := json.Marshal(c.Source.String())
	if err != nil {
		return nil, err
	}
	plain, others := c, map[string]json.RawMessage{}
	maps.Copy(others, c.others)
	if c.Source != 0 {
		others["source"] = name
		plain.Source = 0
	}
	plain.others = others
	if plain.Token != "" {
		plain.Token = mask
	}
	return json.MarshalIndent(plain, "", "  ")
}

func (a *app) setContext() *cobra.Command {
	var overwrite bool
	c := &cobra.Command{
		Use: "context CONTEXT", Short: "Make a context of a JSON document", Args: exactly(1),
		Long:    "Make a context of a JSON document on standard input, such as \"pachctl config\nget context\" prints. A session token *** keeps the one that the context has.",
		Example: `  echo '{"pachd_address": "grpc://pachd.example.com:30650"}' | pachctl config set context prod`,
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := a.readInput("-")
			if err != nil {
				return err
			}
			doc, err := parseContext(data)
			if err != nil {
				return err
			}
			return a.changeConfig(func(c *configFile) error {
				old, err := c.find(args[0])
				if err == nil && !overwrite {
					return fmt.Errorf("context '%s' already exists, use `--overwrite` if you wish to replace it", args[0])
				}
				if doc.Token == mask {
					if old == nil || old.Token == "" {
						return fmt.Errorf("session_token is %s, which stands for the one that context '%s' has, and it has none: remove it, and sign in", mask, args[0])
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

// parseContext is strict: what is misspelt here would be missed much later.
func parseContext(data []byte) (*contextDoc, error) {
	members, doc := map[string]any{}, &contextDoc{}
	err := strict.Decode(data, &members)
	if err == nil {
		if name, ok := members["source"].(string); ok { // a number in the file, a name for people
			if n := slices.Index(sources(), name); n >= 0 {
				members["source"] = n
			}
		}
		err = strict.DecodeValue(members, doc)
	}
	if err != nil {
		return nil, fmt.Errorf("malformed context: %s", fault.Message(err))
	}
	return doc, doc.normalise()
}

// normalise qualifies the address and checks what goes with it.
func (c *contextDoc) normalise() error {
	if c.Address != "" {
		address, err := client.ParseAddress(c.Address)
		if err != nil {
			return err
		}
		c.Address = address.String()
	}
	if c.ServerCAs == "" {
		return nil
	}
	if _, err := base64.StdEncoding.DecodeString(c.ServerCAs); err != nil {
		return errors.New("server_cas is not in base64: give the PEM file as: base64 -w0 ca.pem")
	}
	if c.Address != "" && !strings.HasPrefix(c.Address, "grpcs://") {
		return fmt.Errorf("server_cas needs an address with TLS, and %s has none: let it begin with grpcs://", c.Address)
	}
	return nil
}

func (a *app) listContext() *cobra.Command {
	var out format
	c := &cobra.Command{
		Use: "context", Short: "List the contexts", Example: "  pachctl config list context", Args: exactly(0),
		Long: "List the contexts. * marks the active one, E the active enterprise context.",
		RunE: func(*cobra.Command, []string) error {
			c, err := a.loadConfig()
			if err != nil {
				return err
			}
			active, err := a.active(c)
			if err != nil {
				return err
			}
			enterprise := c.V2.ActiveEnterprise
			if over := a.Getenv("PACH_ENTERPRISE_CONTEXT"); over != "" {
				enterprise = over
			}
			names := slices.Sorted(maps.Keys(c.V2.Contexts))
			if out != "" {
				return a.show(out, names)
			}
			a.printf("ACTIVE\tNAME\n")
			for _, name := range names {
				marks := ""
				if name == enterprise {
					marks = "E"
				}
				if name == active {
					marks += "*"
				}
				a.printf("%s\t%s\n", marks, name)
			}
			return nil
		},
	}
	outputFlag(c, &out)
	return c
}

func (a *app) updateContext() *cobra.Command {
	flags := []struct {
		name, help string
		field      func(*contextDoc) *string
	}{
		{"pachd-address", "address of pachd, such as grpc://localhost:30650", func(c *contextDoc) *string { return &c.Address }},
		{"server-cas", "certificate authorities that pachd's certificate is checked with, as base64 of PEM", func(c *contextDoc) *string { return &c.ServerCAs }},
		{"project", "project that commands work in", func(c *contextDoc) *string { return &c.Project }},
		{"cluster-name", "name of the Kubernetes cluster", func(c *contextDoc) *string { return &c.ClusterName }},
		{"auth-info", "name of the user in the Kubernetes configuration", func(c *contextDoc) *string { return &c.AuthInfo }},
		{"namespace", "Kubernetes namespace", func(c *contextDoc) *string { return &c.Namespace }},
	}
	removeID := false
	c := &cobra.Command{
		Use: "context [CONTEXT]", Short: "Change a context", Args: between(0, 1),
		Long:    "Change what is given of a context, the active one unless another is named. An\nempty value removes a setting.",
		Example: "  pachctl config update context --project genomics\n  pachctl config update context prod --pachd-address grpcs://pachd.example.com:30650",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeConfig(func(c *configFile) error {
				name, err := a.active(c)
				if len(args) > 0 {
					name, err = args[0], nil
				} else if err == nil {
					a.notef("editing the currently active context %q\n", name)
				}
				if err != nil {
					return err
				}
				doc, err := c.find(name)
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
				return doc.normalise()
			})
		},
	}
	for _, f := range flags {
		c.Flags().String(f.name, "", f.help)
	}
	c.Flags().BoolVar(&removeID, "remove-cluster-deployment-id", false, "forget which deployment the context belongs to")
	return c
}

func (a *app) deleteContext() *cobra.Command {
	return &cobra.Command{
		Use: "context CONTEXT", Short: "Delete a context", Example: "  pachctl config delete context old", Args: exactly(1),
		ValidArgsFunction: completing(a.contextNames),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.changeConfig(func(c *configFile) error {
				if _, err := c.find(args[0]); err != nil {
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

func (a *app) connectCommand() *cobra.Command {
	var alias string
	c := &cobra.Command{
		Use: "connect ADDRESS", Short: "Work with the pachd at an address", Args: exactly(1),
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
			return a.changeConfig(func(c *configFile) error {
				if _, err := c.find(name); err != nil {
					c.V2.Contexts[name] = &contextDoc{Address: address.String()}
					a.printf("New context '%s' created, will connect to Pachyderm at %s\n", name, address)
				} else if old := cmp.Or(c.V2.Contexts[name].Address, defaultAddress); old != address.String() {
					a.notef("Context '%s' exists and keeps its address %s; change it with: pachctl config update context %s --pachd-address %s\n", name, old, name, address)
				}
				c.V2.Active = name
				a.printf("Context '%s' set as active\n", name)
				return nil
			})
		},
	}
	c.Flags().StringVar(&alias, "alias", "", "name of the context, in place of the address")
	return c
}
