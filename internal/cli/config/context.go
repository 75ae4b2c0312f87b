package config

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/internal/cli/configfile"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// completingContexts lets the shell complete the names of contexts.
func completingContexts(k *kit.Kit) cobra.CompletionFunc {
	return kit.Completing(func() []string {
		file, err := configfile.Load(k.Getenv)
		if err != nil {
			return nil
		}
		return slices.Sorted(maps.Keys(file.V2.Contexts))
	})
}

type getContextOptions struct {
	name string
	out  string
}

func getContext(k *kit.Kit) *cobra.Command {
	var o getContextOptions
	c := &cobra.Command{
		Use: "context CONTEXT", Short: "Show a context", Example: "  pachctl config get context default", Args: kit.Exactly(1),
		Long: "Show a context in the form that \"pachctl config set context\" takes, with *** in\nplace of the session token.",
		RunE: func(_ *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(k)
		},
		ValidArgsFunction: completingContexts(k),
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o getContextOptions) run(k *kit.Kit) error {
	file, err := configfile.Load(k.Getenv)
	if err != nil {
		return err
	}
	c, err := file.Find(o.name)
	if err != nil {
		return err
	}
	if c.Token != "" {
		c.Token = kit.Mask // or anybody could act as the user
	}
	text, err := c.Text()
	if err != nil {
		return err
	}
	return k.PrintResult(o.out, json.RawMessage(text), func() { k.Printf("%s\n\n", kit.Lines(kit.EscapeJSON(text))) })
}

type setContextOptions struct {
	name      string
	overwrite bool
}

func setContext(k *kit.Kit) *cobra.Command {
	var o setContextOptions
	c := &cobra.Command{
		Use: "context CONTEXT", Short: "Make a context of a JSON document", Args: kit.Exactly(1),
		Long: "Make a context of a JSON document on standard input, such as \"pachctl config\n" +
			"get context\" prints. A session token *** keeps the one that the context has.",
		Example: `  echo '{"pachd_address": "grpc://pachd.example.com:30650"}' | pachctl config set context prod`,
		RunE: func(_ *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(k)
		},
	}
	c.Flags().BoolVar(&o.overwrite, "overwrite", false, "replace the context if it exists")
	return c
}

func (o setContextOptions) run(k *kit.Kit) error {
	data, err := k.ReadInput("-")
	if err != nil {
		return err
	}
	c, err := configfile.ParseContext(data)
	if err != nil {
		return err
	}
	return configfile.Change(k.Getenv, func(file *configfile.File) error {
		old, err := file.Find(o.name)
		if err == nil && !o.overwrite {
			return errExists(o.name)
		}
		if c.Token == kit.Mask {
			if old == nil || old.Token == "" {
				return fault.New(fault.Invalid, "session_token is %s, which keeps the stored one, and context '%s' has none", kit.Mask, o.name).
					Next("remove session_token, and sign in")
			}
			c.Token = old.Token
		}
		file.V2.Contexts[o.name] = c
		return nil
	})
}

func errExists(name string) error {
	return fault.New(fault.Exists, "context '%s' already exists, use `--overwrite` if you wish to replace it", name) // upstream's text
}

type listContextOptions struct{ out string }

func listContext(k *kit.Kit) *cobra.Command {
	var o listContextOptions
	c := &cobra.Command{
		Use: "context", Short: "List the contexts", Example: "  pachctl config list context", Args: kit.Exactly(0),
		Long: "List the contexts. * marks the active one, E the active enterprise context.",
		RunE: func(*cobra.Command, []string) error { return o.run(k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o listContextOptions) run(k *kit.Kit) error {
	file, err := configfile.Load(k.Getenv)
	if err != nil {
		return err
	}
	active, err := file.ActiveName(k.Getenv)
	if err != nil {
		return err
	}
	enterprise := cmp.Or(k.Getenv("PACH_ENTERPRISE_CONTEXT"), file.V2.ActiveEnterprise)
	names := slices.Sorted(maps.Keys(file.V2.Contexts))
	return k.PrintResult(o.out, names, func() {
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
	})
}

// setting is a part of a context that has a flag.
type setting struct {
	flag, help string
	field      func(*configfile.Context) *string
}

func settings() []setting {
	return []setting{
		{"pachd-address", "address of pachd, such as grpc://localhost:30650", func(c *configfile.Context) *string { return &c.Address }},
		{
			"server-cas", "certificate authorities that pachd's certificate is checked with, as base64 of PEM",
			func(c *configfile.Context) *string { return &c.ServerCAs },
		},
		{"project", "project that commands work in", func(c *configfile.Context) *string { return &c.Project }},
		{"cluster-name", "name of the Kubernetes cluster", func(c *configfile.Context) *string { return &c.ClusterName }},
		{"auth-info", "name of the user in the Kubernetes configuration", func(c *configfile.Context) *string { return &c.AuthInfo }},
		{"namespace", "Kubernetes namespace", func(c *configfile.Context) *string { return &c.Namespace }},
	}
}

type updateContextOptions struct {
	name     []string // none for the active one
	changes  []func(*configfile.Context)
	removeID bool
}

func updateContext(k *kit.Kit) *cobra.Command {
	var o updateContextOptions
	c := &cobra.Command{
		Use: "context [CONTEXT]", Short: "Change a context", Args: kit.Between(0, 1),
		Long: "Change the settings that have a flag, in the active context or the one that is\nnamed. An empty value removes a setting.",
		Example: "  pachctl config update context --project genomics\n" +
			"  pachctl config update context prod --pachd-address grpcs://pachd.example.com:30650",
		RunE: func(c *cobra.Command, args []string) error {
			o.name = args
			for _, s := range settings() {
				if flag := c.Flags().Lookup(s.flag); flag.Changed {
					o.changes = append(o.changes, func(c *configfile.Context) { *s.field(c) = flag.Value.String() })
				}
			}
			return o.run(k)
		},
	}
	for _, s := range settings() {
		c.Flags().String(s.flag, "", s.help)
	}
	c.Flags().BoolVar(&o.removeID, "remove-cluster-deployment-id", false, "forget which deployment the context belongs to")
	return c
}

func (o updateContextOptions) run(k *kit.Kit) error {
	return configfile.Change(k.Getenv, func(file *configfile.File) error {
		name := strings.Join(o.name, "")
		if len(o.name) == 0 {
			var err error
			if name, err = file.ActiveName(k.Getenv); err != nil {
				return err
			}
			k.Notef("editing the currently active context %q\n", name)
		}
		c, err := file.Find(name)
		if err != nil {
			return err
		}
		for _, change := range o.changes {
			change(c)
		}
		if o.removeID {
			c.DeploymentID = ""
		}
		return c.Normalise()
	})
}

type deleteContextOptions struct{ name string }

func deleteContext(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "context CONTEXT", Short: "Delete a context", Example: "  pachctl config delete context old", Args: kit.Exactly(1),
		ValidArgsFunction: completingContexts(k),
		RunE:              func(_ *cobra.Command, args []string) error { return deleteContextOptions{args[0]}.run(k) },
	}
}

func (o deleteContextOptions) run(k *kit.Kit) error {
	return configfile.Change(k.Getenv, func(file *configfile.File) error {
		if _, err := file.Find(o.name); err != nil {
			return err
		}
		if o.name == file.V2.Active || o.name == file.V2.ActiveEnterprise {
			return fault.New(fault.Precondition, "cannot delete an active context").
				Next("make another one active with: pachctl config set active-context CONTEXT")
		}
		delete(file.V2.Contexts, o.name)
		return nil
	})
}
