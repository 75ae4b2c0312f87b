package kit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Group is a command that only has others below it.
func Group(use, short, long, example string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: strings.TrimSpace(short + ".\n\n" + long), Example: example,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return UnknownCommand(c, args[0])
			}
			return c.Help()
		},
	}
	c.AddCommand(below...)
	return c
}

// UnknownCommand names the nearest one.
func UnknownCommand(c *cobra.Command, name string) error {
	if near := Nearest(name, namesBelow(c)); near != "" {
		return Usagef(c, "unknown command %q for %q: did you mean %s?", name, c.CommandPath(), near)
	}
	return Usagef(c, "unknown command %q for %q: choose from %s", name, c.CommandPath(), strings.Join(namesBelow(c), ", "))
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

// Nearest lets cobra, which knows how, find the most similar of some names.
func Nearest(name string, among []string) string {
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

// Exactly is for commands with n arguments.
func Exactly(n int) cobra.PositionalArgs { return Between(n, n) }

// Between is for commands with least to most arguments.
func Between(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch n := len(args); {
		case n >= least && n <= most:
			return nil
		case least == most:
			return Usagef(c, "expected %s, got %d", arguments(least), n)
		default:
			return Usagef(c, "expected %d to %d arguments, got %d", least, most, n)
		}
	}
}

// AtLeast is for commands with least arguments or more.
func AtLeast(least int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least {
			return Usagef(c, "expected at least %s, got %d", arguments(least), len(args))
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

// Completing lets the shell complete the arguments from some names.
func Completing(names func() []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return names(), cobra.ShellCompDirectiveNoFileComp
	}
}

// format is the value of --output.
type format string

func (f *format) String() string { return string(*f) }
func (*format) Type() string     { return "json|yaml" }

func (f *format) Set(s string) error {
	if s != "json" && s != "yaml" {
		return errors.New("use json or yaml")
	}
	*f = format(s)
	return nil
}

// OutputFlag adds -o to a command: "json", "yaml", or "" for people.
func OutputFlag(c *cobra.Command, form *string) {
	c.Flags().VarP((*format)(form), "output", "o", "print in this form, for scripts")
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "output-format" { // upstream's name at some commands
			name = "output"
		}
		return pflag.NormalizedName(name)
	})
}

// EnterpriseFlag adds --enterprise to a command.
func EnterpriseFlag(c *cobra.Command, on *bool) {
	c.Flags().BoolVar(on, "enterprise", false, "use the enterprise context")
}
