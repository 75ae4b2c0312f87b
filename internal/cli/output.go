package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// format is the value of --output.
type format string

func formats() []string { return []string{"json", "yaml"} }

func (f *format) String() string { return string(*f) }
func (*format) Type() string     { return "json|yaml" }

func (f *format) Set(s string) error {
	if !slices.Contains(formats(), s) {
		return fmt.Errorf("use json or yaml")
	}
	*f = format(s)
	return nil
}

// outputFlag adds -o to a command.
func outputFlag(c *cobra.Command, f *format) {
	c.Flags().VarP(f, "output", "o", "print in this form, for scripts")
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "output-format" { // upstream's name at some commands
			name = "output"
		}
		return pflag.NormalizedName(name)
	})
}

// show prints v in a form for scripts. Its members are named by json tags.
func (e Env) show(f format, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if f == "yaml" {
		// By way of JSON, so that both forms have the same names.
		var tree yaml.Node
		if err := yaml.Unmarshal(data, &tree); err != nil {
			return err
		}
		unquote(&tree)
		if data, err = yaml.Marshal(&tree); err != nil {
			return err
		}
		out.Write(data)
	} else {
		if err := json.Indent(&out, data, "", "  "); err != nil {
			return err
		}
		out.WriteByte('\n')
	}
	_, err = out.WriteTo(e.Stdout)
	return err
}

// unquote lets the YAML writer choose its own style where it read JSON's.
func unquote(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		unquote(child)
	}
}

// printYAML prints v with its yaml tags, and a blank line as upstream does.
func (e Env) printYAML(v any) error {
	data, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	e.printf("%s\n", data)
	return nil
}

// answer shows v if a form was asked for, and says it in words otherwise.
func (e Env) answer(f format, v any, say func()) error {
	if f != "" {
		return e.show(f, v)
	}
	say()
	return nil
}

// table prints rows in columns below their names.
func (e Env) table(names []string, rows [][]string) {
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{names}, rows...) {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
}

// instant is a time for scripts, or nil.
func instant(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	at := t.AsTime().Truncate(time.Second)
	return &at
}

// moment is a time for people.
func moment(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().Format(momentForm)
}

const momentForm = "2006-01-02 15:04 MST"

func orNever(t *timestamppb.Timestamp) string {
	if t == nil {
		return "never"
	}
	return moment(t)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// plural counts things in English: 1 token, 1,234 tokens.
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " " + thing + "s"
}
