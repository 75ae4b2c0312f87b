package auth

import (
	"cmp"
	"context"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

type maxAgeOptions struct {
	group, project, out string
	resource            *auth.Resource
	age, grace          time.Duration
}

func setMaxAge(k *kit.Kit) *cobra.Command {
	var o maxAgeOptions
	c := &cobra.Command{
		Use: "set-max-age GROUP AGE RESOURCE", Short: "Let the roles of a group count only while it is known who is in it", Args: kit.Exactly(3),
		Long: `Say how old the fact may be that somebody is in a group for its roles on RESOURCE to
count: somebody of whom the identity provider has not said so within AGE has to sign in
again. Where the connector can ask without them (LDAP; OIDC with groups.refresh), the
fact is read again after 15 minutes of use. 0 takes the limit away.

With --grace, roles go on to count for so long while the provider cannot be asked;
without it they end with AGE, which is right for administrators.

RESOURCE is cluster, project:NAME, repo:NAME or repo:PROJECT/NAME.`,
		Example: "  pachctl auth set-max-age group:admins 30m cluster\n" +
			"  pachctl auth set-max-age group:readers 1h repo:images --grace 24h",
		RunE: func(c *cobra.Command, args []string) (err error) {
			o.group = args[0]
			if o.age, err = time.ParseDuration(args[1]); err != nil || o.age < 0 {
				return kit.Usagef(c, "%q is no age: write it as 30m or 24h, or 0 for no limit", args[1])
			}
			if o.resource, err = parseResource(c, args[2]); err != nil {
				return err
			}
			return o.set(c.Context(), k)
		},
	}
	c.Flags().DurationVar(&o.grace, "grace", 0, "how much longer while the provider cannot be asked")
	c.Flags().StringVar(&o.project, "project", "", "the project of a repo that is given without one, in place of the context's")
	return c
}

func (o maxAgeOptions) set(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.SetMaxAge(ctx, &pach.SetMaxAgeRequest{
			Resource: inProject(o.resource, cmp.Or(o.project, c.Target.Project)), Principal: o.group,
			MaxAge: durationpb.New(o.age), Grace: durationpb.New(o.grace),
		})
		return err
	})
}

func listMaxAges(k *kit.Kit) *cobra.Command {
	var o maxAgeOptions
	c := &cobra.Command{
		Use: "list-max-age", Short: "List how old the fact may be that somebody is in a group", Args: kit.Exactly(0),
		Example: "  pachctl auth list-max-age",
		RunE:    func(c *cobra.Command, _ []string) error { return o.list(c.Context(), k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

type shownMaxAge struct {
	Group    string `json:"group"`
	Resource string `json:"resource"`
	MaxAge   string `json:"max_age"`
	Grace    string `json:"grace"`
}

func (o maxAgeOptions) list(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.ListMaxAges(ctx, &pach.ListMaxAgesRequest{})
		if err != nil {
			return err
		}
		all, rows := []shownMaxAge{}, [][]string{}
		for _, rule := range r.GetRules() {
			s := shownMaxAge{
				rule.GetPrincipal(), resourceText(rule.GetResource()),
				rule.GetMaxAge().AsDuration().String(), rule.GetGrace().AsDuration().String(),
			}
			all, rows = append(all, s), append(rows, []string{s.Group, s.Resource, s.MaxAge, s.Grace})
		}
		return k.PrintResult(o.out, all, func() { k.Table([]string{"GROUP", "RESOURCE", "MAX AGE", "GRACE"}, rows) })
	})
}
