package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/client"
)

// draftOptions say which connector a check or a test is of.
type draftOptions struct {
	file string
	out  format
}

func (o *draftOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.file, "config", "", "file with the document; - is standard input")
	outputFlag(c, &o.out)
}

// draft is the stored connector of an id, or a document.
func (o *draftOptions) draft(a *app, c *cobra.Command, args []string) (document, *pach.ConnectorDraft, error) {
	out := &pach.ConnectorDraft{}
	if len(args) > 0 {
		out.Id = args[0]
	}
	if o.file == "" {
		if out.Id == "" {
			return document{}, nil, usagef(c, "say which connector: give its id, or a document with --config FILE")
		}
		return document{}, out, nil
	}
	d, err := a.readDocument(o.file)
	if err != nil {
		return d, nil, err
	}
	if out.Connector, err = d.connector(); err != nil {
		return d, nil, err
	}
	if out.Id != "" && out.Connector.Id != "" && out.Connector.Id != out.Id {
		return d, nil, usagef(c, "the document is for connector %q and the command for %q: give one of them", out.Connector.Id, out.Id)
	}
	if out.Connector.Id == "" {
		out.Connector.Id = out.Id
	}
	return d, out, nil
}

// errFound is for what was found and is printed already.
var errFound = errors.New("the check failed: each step that failed says what to do")

func (a *app) checkConnector() *cobra.Command {
	var o draftOptions
	c := &cobra.Command{
		Use: "check-connector [ID]", Short: "Check the way to an identity provider, step by step", Args: between(0, 1),
		Long: `Check, from where pachd runs, all that a sign-in will need of an identity
provider, short of a person: its name, address and certificate, its clock, its
discovery document and keys, our credentials and our callback. With --config it
checks a document that is not stored; one with the id of a stored connector
changes it as an update would, so that *** stands for the stored secret.

It fails, for scripts, if a step does. A warning keeps nobody from signing in.`,
		Example: "  pachctl idp check-connector auth0\n  pachctl idp check-connector --config auth0.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			d, draft, err := o.draft(a, c, args)
			if err != nil {
				return err
			}
			return a.withIDP(c.Context(), func(ctx context.Context, c *client.Client) error {
				r, err := c.Pach.CheckConnector(ctx, &pach.CheckConnectorRequest{Draft: draft})
				if err != nil {
					return d.explain(err)
				}
				return a.sayChecked(o.out, r.GetSteps())
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

func (a *app) sayChecked(out format, steps []*pach.CheckStep) error {
	var shown []shownStep
	failed := false
	for _, s := range steps {
		failed = failed || s.GetStatus() == pach.CheckStep_FAILED
		shown = append(shown, shownStep{s.GetName(), strings.ToLower(s.GetStatus().String()), float64(s.GetTookMicroseconds()) / 1000, s.GetResult(), s.GetRemedy()})
	}
	err := a.answer(out, shown, func() {
		for _, s := range shown {
			a.printf("%-12s %-8s %7.0f ms  %s\n", s.Step, s.Status, s.Millis, s.Result)
			if s.Remedy != "" {
				a.printf("%-12s %-8s %10s  -> %s\n", "", "", "", s.Remedy)
			}
		}
	})
	if err == nil && failed {
		err = errFound
	}
	return err
}

func (a *app) testConnector() *cobra.Command {
	var o draftOptions
	var noBrowser bool
	c := &cobra.Command{
		Use: "test-connector [ID]", Short: "Sign in with a connector that is not stored, and see what comes of it", Args: between(0, 1),
		Long: `Sign in for real, in a browser, with a stored connector or, with --config, with a
document that is not stored. It shows what the identity provider said, what each
part of it was used as, who the person would be and in which groups, and how the
document differs from the stored connector. Nobody is signed in, and nothing is
kept. It fails, for scripts, if the sign-in would be refused.`,
		Example: "  pachctl idp test-connector --config auth0.yaml\n  pachctl idp test-connector auth0 --no-browser",
		RunE: func(c *cobra.Command, args []string) error {
			d, draft, err := o.draft(a, c, args)
			if err != nil {
				return err
			}
			return a.runTest(c.Context(), d, draft, o.out, noBrowser)
		},
	}
	o.flags(c)
	c.Flags().BoolVarP(&noBrowser, "no-browser", "b", false, "show the address only, for a browser elsewhere")
	return c
}

// runTest waits in calls of their own: a person takes longer than a call may.
func (a *app) runTest(ctx context.Context, d document, draft *pach.ConnectorDraft, out format, noBrowser bool) error {
	var begun *pach.StartConnectorTestResponse
	err := a.withIDP(ctx, func(ctx context.Context, c *client.Client) (err error) {
		begun, err = c.Pach.StartConnectorTest(ctx, &pach.StartConnectorTestRequest{Draft: draft})
		return d.explain(err)
	})
	if err != nil {
		return err
	}
	if !isWeb(begun.GetUrl()) {
		return fmt.Errorf("pachd says to sign in at %q, which is no web address: tell an administrator", begun.GetUrl())
	}
	a.notef("Sign in at this address; a browser should open by itself:\n\n%s\n\n", begun.GetUrl())
	if !noBrowser {
		(&signIn{app: a}).open(ctx, begun.GetUrl())
	}
	for {
		var r *pach.WaitConnectorTestResponse
		err := a.withIDP(ctx, func(ctx context.Context, c *client.Client) (err error) {
			r, err = c.Pach.WaitConnectorTest(ctx, &pach.WaitConnectorTestRequest{TestId: begun.GetTestId()})
			return err
		})
		switch {
		case ctx.Err() != nil:
			return errors.New("interrupted: nothing was changed")
		case err != nil:
			return err
		case r.GetDone():
			return a.sayTested(out, r)
		case a.Now().After(begun.GetExpires().AsTime()):
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

func (a *app) sayTested(out format, r *pach.WaitConnectorTestResponse) error {
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
	err := a.answer(out, t, func() { a.printTest(t) })
	if err == nil && !t.OK {
		err = fmt.Errorf("the sign-in would be refused: %s", t.Error)
	}
	return err
}

func (a *app) printTest(t shownTest) {
	if len(t.Claims) > 0 {
		var rows [][]string
		for _, c := range t.Claims {
			rows = append(rows, []string{c.Claim, orDash(c.Value), orDash(c.UsedAs)})
		}
		a.table([]string{"CLAIM", "VALUE", "USED AS"}, rows)
		a.printf("\n")
	}
	if t.OK {
		note := ""
		if t.Note != "" {
			note = " (" + t.Note + ")"
		}
		a.printf("user:   %s%s\n", t.User, note)
		switch {
		case t.Groups == nil:
			a.printf("groups: the connector says nothing of groups\n")
		case len(t.Groups) == 0:
			a.printf("groups: none\n")
		default:
			a.printf("groups: %s\n", strings.Join(t.Groups, ", "))
		}
	}
	switch {
	case !t.Live:
		a.printf("live:   no connector of this id is stored\n")
	case len(t.Differences) == 0:
		a.printf("live:   the stored connector is the same\n")
	default:
		var rows [][]string
		for _, d := range t.Differences {
			rows = append(rows, []string{d.Key, orDash(d.Live), orDash(d.Tested)})
		}
		a.printf("\n")
		a.table([]string{"DIFFERS", "STORED", "TESTED"}, rows)
	}
}
