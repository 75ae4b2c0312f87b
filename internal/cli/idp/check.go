package idp

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// testedOptions say which connector a check or a test is of: a stored one, or a
// document.
type testedOptions struct {
	file     string
	out      string
	document kit.Document // none for a stored connector
	tested   *pach.ConnectorDocument
}

func (o *testedOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.file, "config", "", "file with the document; - is standard input")
	kit.OutputFlag(c, &o.out)
}

func (o *testedOptions) read(c *cobra.Command, k *kit.Kit, args []string) (err error) {
	o.tested = &pach.ConnectorDocument{}
	if len(args) > 0 {
		o.tested.Id = args[0]
	}
	if o.file == "" {
		if o.tested.Id == "" {
			return kit.Usagef(c, "say which connector: add its id, or a document with --config FILE")
		}
		return nil
	}
	if o.document, err = k.ReadDocument(o.file); err != nil {
		return err
	}
	if o.tested.Connector, err = connectorOf(o.document); err != nil {
		return err
	}
	return kit.TakeID(c, "connector", &o.tested.Connector.Id, args)
}

func checkConnector(k *kit.Kit) *cobra.Command {
	var o testedOptions
	c := &cobra.Command{
		Use: "check-connector [ID]", Short: "Check the way to an identity provider, step by step", Args: kit.Between(0, 1),
		Long: `Check, from where pachd runs, all that a sign-in will need of an identity
provider, short of a person: its name, address and certificate, its clock, its
discovery document and keys, our credentials and our callback. With --config it
checks a document that is not stored; one with the id of a stored connector
changes it as an update would, so that *** stands for the stored secret.

It fails, for scripts, if a step does. A warning keeps nobody from signing in.`,
		Example: "  pachctl idp check-connector auth0\n  pachctl idp check-connector --config auth0.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args); err != nil {
				return err
			}
			return o.runCheck(c.Context(), k)
		},
	}
	o.flags(c)
	return c
}

func (o *testedOptions) runCheck(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.CheckConnector(ctx, &pach.CheckConnectorRequest{Document: o.tested})
		if err != nil {
			return o.document.Explain(err)
		}
		return printSteps(k, o.out, r.GetSteps())
	})
}

type shownStep struct {
	Step   string  `json:"step"`
	Status string  `json:"status"`
	Millis float64 `json:"milliseconds"`
	Result string  `json:"result"`
	Remedy string  `json:"remedy,omitempty"`
}

func printSteps(k *kit.Kit, out string, steps []*pach.CheckStep) error {
	var shown []shownStep
	failed := false
	for _, s := range steps {
		failed = failed || s.GetStatus() == pach.CheckStep_FAILED
		shown = append(shown, shownStep{
			s.GetName(), strings.ToLower(s.GetStatus().String()), float64(s.GetTookMicroseconds()) / 1000, s.GetResult(), s.GetRemedy(),
		})
	}
	err := k.PrintResult(out, shown, func() {
		for _, s := range shown {
			k.Printf("%-12s %-8s %7.0f ms  %s\n", s.Step, s.Status, s.Millis, s.Result)
			if s.Remedy != "" {
				k.Printf("%-12s %-8s %10s  -> %s\n", "", "", "", s.Remedy)
			}
		}
	})
	if err == nil && failed {
		err = fault.New(fault.Precondition, "the check failed").Next("each step that failed says what to do")
	}
	return err
}
