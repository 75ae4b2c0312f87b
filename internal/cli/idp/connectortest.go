package idp

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/idp/traces"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
	"pachyderm/internal/webaddr"
)

type testOptions struct {
	testedOptions
	noBrowser bool
}

func testConnector(k *kit.Kit) *cobra.Command {
	var o testOptions
	c := &cobra.Command{
		Use: "test-connector [ID]", Short: "Sign in with a connector that is not stored, and see what comes of it", Args: kit.Between(0, 1),
		Long: `Sign in for real, in a browser, with a stored connector or, with --config, with a
document that is not stored. It shows what the identity provider said, what each
part of it was used as, who the person would be and in which groups, and how the
document differs from the stored connector. Nobody is signed in, and all that is
kept is a trace, as of any sign-in. It fails, for scripts, if the sign-in would be
refused.`,
		Example: "  pachctl idp test-connector --config auth0.yaml\n  pachctl idp test-connector auth0 --no-browser",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	o.flags(c)
	c.Flags().BoolVarP(&o.noBrowser, "no-browser", "b", false, "show the address only, for a browser elsewhere")
	return c
}

func (o *testOptions) run(ctx context.Context, k *kit.Kit) error {
	var begun *pach.StartConnectorTestResponse
	err := k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) (err error) {
		begun, err = c.Pach.StartConnectorTest(ctx, &pach.StartConnectorTestRequest{Document: o.tested})
		return o.document.Explain(err)
	})
	if err != nil {
		return err
	}
	if !webaddr.IsOpenable(begun.GetUrl()) {
		return fault.New(fault.Precondition, "pachd says to sign in at %q, which is no web address", begun.GetUrl()).Next("tell an administrator")
	}
	k.Notef("Sign in at this address; a browser should open by itself:\n\n%s\n\n", begun.GetUrl())
	if !o.noBrowser {
		k.OpenBrowser(ctx, begun.GetUrl())
	}
	r, err := waitForTest(ctx, k, begun)
	if err != nil {
		return err
	}
	return printTested(k, o.out, r)
}

// waitForTest waits in calls of their own: a person takes longer than a call may.
func waitForTest(ctx context.Context, k *kit.Kit, begun *pach.StartConnectorTestResponse) (r *pach.WaitConnectorTestResponse, err error) {
	for {
		err := k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) (err error) {
			r, err = c.Pach.WaitConnectorTest(ctx, &pach.WaitConnectorTestRequest{TestId: begun.GetTestId()})
			return err
		})
		switch {
		case ctx.Err() != nil:
			return nil, fault.New(fault.Unavailable, "interrupted: nothing was changed")
		case err != nil || r.GetDone():
			return r, err
		case k.Now().After(begun.GetExpires().AsTime()):
			return nil, fault.New(fault.Unavailable, "nobody came back from the identity provider within %s", testLimit).
				Next("check whether it lists the callback, with: pachctl idp check-connector")
		}
	}
}

// testLimit is how long pachd waits for a person.
const testLimit = 15 * time.Minute

type shownDifference struct {
	Key    string `json:"key"`
	Live   string `json:"live"`
	Tested string `json:"tested"`
}

func differencesOf(differences []*pach.TestedDifference) []shownDifference {
	all := []shownDifference{}
	for _, d := range differences {
		all = append(all, shownDifference{d.GetKey(), d.GetLive(), d.GetTested()})
	}
	return all
}

func printDifferences(k *kit.Kit, all []shownDifference, other string) {
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{d.Key, kit.OrDash(d.Live), kit.OrDash(d.Tested)})
	}
	k.Table([]string{"DIFFERS", "STORED", other}, rows)
}

type shownTest struct {
	OK          bool              `json:"ok"`
	Error       string            `json:"error,omitempty"`
	User        string            `json:"user,omitempty"`
	Note        string            `json:"note,omitempty"`
	Groups      []string          `json:"groups"`
	Claims      []traces.Claim    `json:"claims"`
	Live        bool              `json:"live"`
	Differences []shownDifference `json:"differences"`
}

func printTested(k *kit.Kit, out string, r *pach.WaitConnectorTestResponse) error {
	t := shownTest{
		OK: r.GetError() == "", Error: r.GetError(), User: r.GetUser(), Note: r.GetNote(), Live: r.GetIsLive(),
		Claims: append([]traces.Claim{}, traces.ClaimsOf(r.GetClaims())...), Differences: differencesOf(r.GetDifferences()),
	}
	if r.GetGroups() != nil {
		t.Groups = append([]string{}, r.GetGroups().GetValues()...)
	}
	err := k.PrintResult(out, t, func() { printTest(k, t) })
	if err == nil && !t.OK {
		err = fault.New(fault.Denied, "the sign-in would be refused: %s", t.Error)
	}
	return err
}

func printTest(k *kit.Kit, t shownTest) {
	if len(t.Claims) > 0 {
		traces.PrintClaims(k, t.Claims)
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
		k.Printf("\n")
		printDifferences(k, t.Differences, "TESTED")
	}
}
