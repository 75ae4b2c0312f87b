package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pachyderm/internal/cli/activation"
	"pachyderm/internal/cli/auth"
	"pachyderm/internal/cli/config"
	"pachyderm/internal/cli/data"
	"pachyderm/internal/cli/enterprise"
	"pachyderm/internal/cli/idp"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/cli/signin"
)

// Main runs pachctl with the arguments behind its name and returns the exit
// code: 0, 1 for a failure, 2 for a command line that is not understood, 3 for
// a call that needs a sign-in.
func Main(ctx context.Context, args []string, k *kit.Kit) int {
	root := newRoot(k)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		return k.Report(err)
	}
	return 0
}

func newRoot(k *kit.Kit) *cobra.Command {
	root := kit.Group("pachctl", "Work with versioned data in Pachyderm, and manage who may do what",
		`pachctl talks to a Pachyderm server, pachd. Its address and your session are
kept in ~/.pachyderm/config.json, or where PACH_CONFIG says; PACHD_ADDRESS
overrides the address.

The exit code is 0 for success, 1 for a failure, 2 for a usage error, and 3 when
you have to sign in first.`,
		`  pachctl connect grpc://localhost:30650
  pachctl auth login
  pachctl create repo images
  pachctl put file images@master -f cat.png`,
		slices.Concat(
			[]*cobra.Command{
				kit.Group("auth", "Sign in and out, and manage who may do what", "",
					"  pachctl auth login\n  pachctl auth whoami\n  pachctl auth get cluster",
					slices.Concat(signin.Commands(k), auth.Commands(k), activation.Commands(k))...),
				showVersion(k), completion(k), data.Fsck(k), data.Storage(k),
			},
			verbs(k), idp.Commands(k), config.Commands(k), enterprise.Commands(k),
		)...,
	)
	root.SetIn(k.Stdin)
	root.SetOut(k.Stdout)
	root.SetErr(k.Stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetUsageTemplate(usageTemplate)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand())
	root.CompletionOptions.DisableDefaultCmd = true // there is one with upstream's flags
	flags := root.PersistentFlags()
	flags.DurationVar(&k.RPCTimeout, "rpc-timeout", time.Minute, "how long a call to pachd may take; 0 means no limit")
	// Upstream's, for scripts that give them; there is nothing to change.
	flags.BoolP("verbose", "v", false, "")
	flags.Bool("no-color", false, "")
	_ = flags.MarkHidden("verbose")
	_ = flags.MarkHidden("no-color")
	return root
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
				return kit.UnknownCommand(target, rest[0])
			}
			return target.Help()
		},
	}
}

// flagError words what pflag reports. A command that does not exist is worse
// than a flag that it does not have.
func flagError(c *cobra.Command, err error) error {
	if c.HasSubCommands() && c.Flags().NArg() > 0 {
		return kit.UnknownCommand(c, c.Flags().Arg(0))
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return kit.Usagef(c, "%s", err)
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := kit.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return kit.Usagef(c, "%s: did you mean --%s?", err, near)
	}
	return kit.Usagef(c, "%s", err)
}
