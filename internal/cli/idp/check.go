package idp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

// draftOptions say which connector a check or a test is of.
type draftOptions struct {
	file string
	out  kit.Format
}

func (o *draftOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.file, "config", "", "file with the document; - is standard input")
	kit.OutputFlag(c, &o.out)
}

// draft is the stored connector of an id, or a document.
func (o *draftOptions) draft(k *kit.Kit, c *cobra.Command, args []string) (kit.Document, *pach.ConnectorDraft, error) {
	out := &pach.ConnectorDraft{}
	if len(args) > 0 {
		out.Id = args[0]
	}
	if o.file == "" {
		if out.Id == "" {
			return kit.Document{}, nil, kit.Usagef(c, "say which connector: give its id, or a document with --config FILE")
		}
		return kit.Document{}, out, nil
	}
	d, err := k.ReadDocument(o.file)
	if err != nil {
		return d, nil, err
	}
	if out.Connector, err = connectorOf(d); err != nil {
		return d, nil, err
	}
	if out.Id != "" && out.Connector.Id != "" && out.Connector.Id != out.Id {
		return d, nil, kit.Usagef(c, "the document is for connector %q and the command for %q: give one of them", out.Connector.Id, out.Id)
	}
	if out.Connector.Id == "" {
		out.Connector.Id = out.Id
	}
	return d, out, nil
}

// errFound is for what was found and is printed already.
var errFound = errors.New("the check failed: each step that failed says what to do")

func checkConnector(k *kit.Kit) *cobra.Command {
	var o draftOptions
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
			d, draft, err := o.draft(k, c, args)
			if err != nil {
				return err
			}
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Pach.CheckConnector(ctx, &pach.CheckConnectorRequest{Draft: draft})
				if err != nil {
					return d.Explain(err)
				}
				return sayChecked(k, o.out, r.GetSteps())
			})
		},
	}
	o.flags(c)
	return c
}

type shownStep struct {
	Step   string  `json:"step"`
	Status string  `json:"status"`
	Millis float64 `json:"milliseconds"`
	Result string  `json:"result"`
	Remedy string  `json:"remedy,omitempty"`
}

func sayChecked(k *kit.Kit, out kit.Format, steps []*pach.CheckStep) error {
	var shown []shownStep
	failed := false
	for _, s := range steps {
		failed = failed || s.GetStatus() == pach.CheckStep_FAILED
		shown = append(shown, shownStep{s.GetName(), strings.ToLower(s.GetStatus().String()), float64(s.GetTookMicroseconds()) / 1000, s.GetResult(), s.GetRemedy()})
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
		err = errFound
	}
	return err
}

func testConnector(k *kit.Kit) *cobra.Command {
	var o draftOptions
	var noBrowser bool
	c := &cobra.Command{
		Use: "test-connector [ID]", Short: "Sign in with a connector that is not stored, and see what comes of it", Args: kit.Between(0, 1),
		Long: `Sign in for real, in a browser, with a stored connector or, with --config, with a
document that is not stored. It shows what the identity provider said, what each
part of it was used as, who the person would be and in which groups, and how the
document differs from the stored connector. Nobody is signed in, and nothing is
kept. It fails, for scripts, if the sign-in would be refused.`,
		Example: "  pachctl idp test-connector --config auth0.yaml\n  pachctl idp test-connector auth0 --no-browser",
		RunE: func(c *cobra.Command, args []string) error {
			d, draft, err := o.draft(k, c, args)
			if err != nil {
				return err
			}
			return runTest(c.Context(), k, d, draft, o.out, noBrowser)
		},
	}
	o.flags(c)
	c.Flags().BoolVarP(&noBrowser, "no-browser", "b", false, "show the address only, for a browser elsewhere")
	return c
}

// runTest waits in calls of their own: a person takes longer than a call may.
func runTest(ctx context.Context, k *kit.Kit, d kit.Document, draft *pach.ConnectorDraft, out kit.Format, noBrowser bool) error {
	var begun *pach.StartConnectorTestResponse
	err := k.WithConn(ctx, enterprise, func(ctx context.Context, c *kit.Conn) (err error) {
		begun, err = c.Pach.StartConnectorTest(ctx, &pach.StartConnectorTestRequest{Draft: draft})
		return d.Explain(err)
	})
	if err != nil {
		return err
	}
	if !kit.IsWebURL(begun.GetUrl()) {
		return fmt.Errorf("pachd says to sign in at %q, which is no web address: tell an administrator", begun.GetUrl())
	}
	k.Notef("Sign in at this address; a browser should open by itself:\n\n%s\n\n", begun.GetUrl())
	if !noBrowser {
		k.OpenBrowser(ctx, begun.GetUrl())
	}
	for {
		var r *pach.WaitConnectorTestResponse
		err := k.WithConn(ctx, enterprise, func(ctx context.Context, c *kit.Conn) (err error) {
			r, err = c.Pach.WaitConnectorTest(ctx, &pach.WaitConnectorTestRequest{TestId: begun.GetTestId()})
			return err
		})
		switch {
		case ctx.Err() != nil:
			return errors.New("interrupted: nothing was changed")
		case err != nil:
			return err
		case r.GetDone():
			return sayTested(k, out, r)
		case k.Now().After(begun.GetExpires().AsTime()):
			return fmt.Errorf("nobody came back from the identity provider within %s: it may not list the callback; pachctl idp check-connector looks at that", testLimit)
		}
	}
}

// testLimit is how long pachd waits for a person.
const testLimit = 15 * time.Minute

type shownClaim struct {
	Claim  string `json:"claim"`
	Value  string `json:"value"`
	UsedAs string `json:"used_as"`
}

type shownDifference struct {
	Key    string `json:"key"`
	Live   string `json:"live"`
	Tested string `json:"tested"`
}

type shownTest struct {
	OK          bool              `json:"ok"`
	Error       string            `json:"error,omitempty"`
	User        string            `json:"user,omitempty"`
	Note        string            `json:"note,omitempty"`
	Groups      []string          `json:"groups"`
	Claims      []shownClaim      `json:"claims"`
	Live        bool              `json:"live"`
	Differences []shownDifference `json:"differences"`
}

func sayTested(k *kit.Kit, out kit.Format, r *pach.WaitConnectorTestResponse) error {
	t := shownTest{OK: r.GetError() == "", Error: r.GetError(), User: r.GetUser(), Note: r.GetNote(), Live: r.GetIsLive(), Claims: []shownClaim{}, Differences: []shownDifference{}}
	if r.GetGroups() != nil {
		t.Groups = append([]string{}, r.GetGroups().GetValues()...)
	}
	for _, c := range r.GetClaims() {
		t.Claims = append(t.Claims, shownClaim{c.GetName(), c.GetValue(), c.GetUsedAs()})
	}
	for _, d := range r.GetDifferences() {
		t.Differences = append(t.Differences, shownDifference{d.GetKey(), d.GetLive(), d.GetTested()})
	}
	err := k.PrintResult(out, t, func() { printTest(k, t) })
	if err == nil && !t.OK {
		err = fmt.Errorf("the sign-in would be refused: %s", t.Error)
	}
	return err
}

func printTest(k *kit.Kit, t shownTest) {
	if len(t.Claims) > 0 {
		var rows [][]string
		for _, c := range t.Claims {
			rows = append(rows, []string{c.Claim, kit.OrDash(c.Value), kit.OrDash(c.UsedAs)})
		}
		k.Table([]string{"CLAIM", "VALUE", "USED AS"}, rows)
		k.Printf("\n")
	}
	if t.OK {
		note := ""
		if t.Note != "" {
			note = " (" + t.Note + ")"
		}
		k.Printf("user:   %s%s\n", t.User, note)
		switch {
		case t.Groups == nil:
			k.Printf("groups: the connector says nothing of groups\n")
		case len(t.Groups) == 0:
			k.Printf("groups: none\n")
		default:
			k.Printf("groups: %s\n", strings.Join(t.Groups, ", "))
		}
	}
	switch {
	case !t.Live:
		k.Printf("live:   no connector of this id is stored\n")
	case len(t.Differences) == 0:
		k.Printf("live:   the stored connector is the same\n")
	default:
		var rows [][]string
		for _, d := range t.Differences {
			rows = append(rows, []string{d.Key, kit.OrDash(d.Live), kit.OrDash(d.Tested)})
		}
		k.Printf("\n")
		k.Table([]string{"DIFFERS", "STORED", "TESTED"}, rows)
	}
}
