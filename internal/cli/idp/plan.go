package idp

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

type planOptions struct{ testedOptions }

func plan(k *kit.Kit) *cobra.Command {
	var o planOptions
	c := &cobra.Command{
		Use: "plan [ID]", Short: "See what a document would change, and for whom", Args: kit.Between(0, 1),
		Long: `See what a document would change before it is stored: the keys, and the people. The
last sign-in of each person is made again with the document, as far as traces are
kept, and those are listed who would be refused, would be somebody else, or would
gain or lose groups and roles. Nothing is stored, and no provider is asked.`,
		Example: "  pachctl idp plan --config auth0.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	o.flags(c)
	return c
}

type plannedSignIn struct {
	Verdict      string   `json:"verdict"`
	User         string   `json:"user"`
	Trace        string   `json:"trace"`
	Why          string   `json:"why,omitempty"`
	UserThen     string   `json:"user_then,omitempty"`
	GroupsGained []string `json:"groups_gained,omitempty"`
	GroupsLost   []string `json:"groups_lost,omitempty"`
	RolesGained  []string `json:"roles_gained,omitempty"`
	RolesLost    []string `json:"roles_lost,omitempty"`
}

type plannedChange struct {
	Differences  []shownDifference `json:"differences"`
	AsBefore     int64             `json:"as_before"`
	Refused      int64             `json:"refused"`
	Changed      int64             `json:"changed"`
	CannotBeTold int64             `json:"cannot_be_told"`
	SignIns      []plannedSignIn   `json:"sign_ins"`
	Warnings     []string          `json:"warnings"`
}

func (o planOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.PlanConnector(ctx, &pach.PlanConnectorRequest{Document: o.tested})
		if err != nil {
			return o.document.Explain(err)
		}
		p := plannedChange{
			differencesOf(r.GetDifferences()),
			r.GetAsBefore(), r.GetRefused(), r.GetChanged(), r.GetCannotBeTold(),
			[]plannedSignIn{},
			append([]string{}, r.GetWarnings()...),
		}
		for _, s := range r.GetSignIns() {
			verdict := strings.ReplaceAll(strings.ToLower(s.GetVerdict().String()), "_", " ")
			p.SignIns = append(p.SignIns, plannedSignIn{
				verdict, s.GetUser(), s.GetTrace(), s.GetWhy(), s.GetUserThen(),
				s.GetGroupsGained(), s.GetGroupsLost(), s.GetRolesGained(), s.GetRolesLost(),
			})
		}
		return k.PrintResult(o.out, p, func() { p.print(k) })
	})
}

func (p plannedChange) print(k *kit.Kit) {
	if len(p.Differences) == 0 {
		k.Printf("The stored connector is the same.\n")
	} else {
		printDifferences(k, p.Differences, "PLANNED")
	}
	k.Printf("\nOf %d sign-ins %d would be as before, %d refused, %d changed, and %d cannot be told.\n",
		p.AsBefore+p.Refused+p.Changed+p.CannotBeTold, p.AsBefore, p.Refused, p.Changed, p.CannotBeTold)
	if len(p.SignIns) > 0 {
		var rows [][]string
		for _, s := range p.SignIns {
			rows = append(rows, []string{kit.OrDash(s.User), s.Verdict, s.Trace, kit.OrDash(s.what())})
		}
		k.Printf("\n")
		k.Table([]string{"USER", "VERDICT", "TRACE", "WHAT"}, rows)
	}
	for _, w := range p.Warnings {
		k.Printf("\n%s\n", w)
	}
}

func (s plannedSignIn) what() string {
	var parts []string
	if s.Why != "" {
		parts = append(parts, s.Why)
	}
	if s.UserThen != "" {
		parts = append(parts, "would be "+s.UserThen)
	}
	for _, list := range []struct {
		what string
		of   []string
	}{
		{"loses group ", s.GroupsLost}, {"gains group ", s.GroupsGained}, {"loses ", s.RolesLost}, {"gains ", s.RolesGained},
	} {
		for _, one := range list.of {
			parts = append(parts, list.what+one)
		}
	}
	return strings.Join(parts, "; ")
}
