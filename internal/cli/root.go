package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// app is what all commands share.
type app struct {
	Env
	rpcTimeout time.Duration
}

// Main runs pachctl with the arguments behind its name and returns the exit
// code: 0, 1 for a failure, 2 for a command line that is not understood, 3 for
// a call that needs a sign-in.
func Main(ctx context.Context, args []string, env Env) int {
	root := newRoot(env)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		return env.report(err)
	}
	return exitOK
}

func newRoot(env Env) *cobra.Command {
	a := &app{Env: env}
	root := group("pachctl", "Sign in to Pachyderm and manage who may do what",
		`pachctl talks to a Pachyderm server, pachd. Its address and your session are
kept in ~/.pachyderm/config.json, or where PACH_CONFIG says; PACHD_ADDRESS
overrides the address.

The exit code is 0 when all is done, 1 for a failure, 2 for a command line that
is not understood, and 3 when you have to sign in first.`,
		`  pachctl connect grpc://localhost:30650
  pachctl auth login
  pachctl auth whoami`,
		a.authCommands(), a.idpCommands(), a.configCommands(), a.connectCommand(), a.versionCommand(),
		a.enterpriseCommands(), a.licenseCommands(), a.completionCommands(),
		group("inspect", "Show details of the installation", "", "  pachctl inspect cluster", a.inspectCluster()),
	)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetUsageTemplate(usageTemplate)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand())
	root.CompletionOptions.DisableDefaultCmd = true // there is one with upstream's flags
	flags := root.PersistentFlags()
	flags.DurationVar(&a.rpcTimeout, "rpc-timeout", time.Minute, "how long a call to pachd may take; 0 means for ever")
	// Upstream's, for scripts that give them; there is nothing to change.
	flags.BoolP("verbose", "v", false, "")
	flags.Bool("no-color", false, "")
	_ = flags.MarkHidden("verbose")
	_ = flags.MarkHidden("no-color")
	return root
}

// group is a command that only has others below it.
func group(use, short, long, example string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: strings.TrimSpace(short + ".\n\n" + long), Example: example,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
	}
	c.AddCommand(below...)
	return c
}

// usageTemplate is cobra's, but that a group is no command by itself.
const usageTemplate = `Usage:{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{else}}
  {{.UseLine}}{{end}}{{if .Aliases}}

Aliases:
  {{.NameAndAliases}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of all commands:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND...]", Short: "Show the help of a command", Example: "  pachctl help auth login", Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			target, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				if target == nil {
					target, rest = c.Root(), args
				}
				return unknownCommand(target, rest[0])
			}
			return target.Help()
		},
	}
}

// unknownCommand names the nearest one.
func unknownCommand(c *cobra.Command, name string) error {
	if near := nearest(name, namesBelow(c)); near != "" {
		return usagef(c, "unknown command %q for %q: did you mean %s?", name, c.CommandPath(), near)
	}
	return usagef(c, "unknown command %q for %q: choose from %s", name, c.CommandPath(), strings.Join(namesBelow(c), ", "))
}

func namesBelow(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}

// nearest lets cobra, which knows how, find the most similar of some names.
func nearest(name string, among []string) string {
	scale := &cobra.Command{Use: "scale"}
	for _, other := range among {
		scale.AddCommand(&cobra.Command{Use: other, Run: func(*cobra.Command, []string) {}})
	}
	for scale.SuggestionsMinimumDistance = 1; scale.SuggestionsMinimumDistance <= max(2, len(name)/3); scale.SuggestionsMinimumDistance++ {
		if near := scale.SuggestionsFor(name); len(near) > 0 {
			return near[0]
		}
	}
	return ""
}

// flagError words what pflag reports. A command that does not exist is worse
// than a flag that it does not have.
func flagError(c *cobra.Command, err error) error {
	if c.HasSubCommands() && c.Flags().NArg() > 0 {
		return unknownCommand(c, c.Flags().Arg(0))
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return usagef(c, "%s", err)
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
		return usagef(c, "%s: did you mean --%s?", err, near)
	}
	return usagef(c, "%s", err)
}

// exactly is for commands with n arguments.
func exactly(n int) cobra.PositionalArgs { return between(n, n) }

func between(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch n := len(args); {
		case n >= least && n <= most:
			return nil
		case least == most:
			return usagef(c, "expected %s, got %d", arguments(least), n)
		default:
			return usagef(c, "expected %d to %d arguments, got %d", least, most, n)
		}
	}
}

func atLeast(least int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least {
			return usagef(c, "expected at least %s, got %d", arguments(least), len(args))
		}
		return nil
	}
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}
