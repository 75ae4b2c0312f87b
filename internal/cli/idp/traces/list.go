package traces

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

// mostListed is how many traces are listed, unless another number is asked for.
const mostListed = 50

type listOptions struct {
	connector, user, result, out string
	number                       int
}

func listTraces(k *kit.Kit) *cobra.Command {
	var o listOptions
	c := &cobra.Command{
		Use: "list-traces", Short: "List the last sign-ins", Args: kit.Exactly(0),
		Long:    "List the last sign-ins, with the code by which \"pachctl idp trace\" shows what happened in each.",
		Example: "  pachctl idp list-traces --result refused\n  pachctl idp list-traces --user user:jane@example.com",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c, k) },
	}
	c.Flags().StringVar(&o.connector, "connector", "", "only those with this connector")
	c.Flags().StringVar(&o.user, "user", "", "only those of this user, such as user:jane@example.com")
	c.Flags().StringVar(&o.result, "result", "", "only those that ended so: "+strings.Join(resultNames(), ", "))
	c.Flags().IntVar(&o.number, "number", mostListed, "how many at most")
	kit.OutputFlag(c, &o.out)
	return c
}

func resultNames() (names []string) {
	for n := 1; n < len(pach.SignInTrace_Result_name); n++ {
		names = append(names, resultName(pach.SignInTrace_Result(n)))
	}
	return names
}

func (o listOptions) run(c *cobra.Command, k *kit.Kit) error {
	result, known := pach.SignInTrace_Result_value[strings.ToUpper(o.result)]
	if o.result != "" && (!known || result == 0) {
		return kit.Usagef(c, "there is no result %q: use one of %s", o.result, strings.Join(resultNames(), ", "))
	}
	if o.number < 1 || o.number > 1000 {
		return kit.Usagef(c, "--number must be from 1 to 1000")
	}
	return k.WithConn(c.Context(), kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.ListSignInTraces(ctx, &pach.ListSignInTracesRequest{
			Connector: o.connector, User: o.user, Result: pach.SignInTrace_Result(result), PageSize: int32(o.number), //nolint:gosec // checked
		})
		if err != nil {
			return err
		}
		all, rows := []shown{}, [][]string{}
		for _, t := range r.GetTraces() {
			s := shownOf(t)
			all = append(all, s)
			rows = append(rows, []string{s.Code, kit.FormatTime(t.GetAt()), s.Connector, s.Result, kit.OrDash(s.User), kit.OrDash(s.Error)})
		}
		return k.PrintResult(o.out, all, func() {
			k.Table([]string{"CODE", "TIME", "CONNECTOR", "RESULT", "USER", "WHY"}, rows)
		})
	})
}

type summaryOptions struct {
	connector, out string
	since          time.Duration
}

func summary(k *kit.Kit) *cobra.Command {
	var o summaryOptions
	c := &cobra.Command{
		Use: "sign-ins", Short: "Show how sign-ins went, and why some did not", Args: kit.Exactly(0),
		Long: `Show for each connector how many people were sent to its provider, how many came
back and what became of them; why sign-ins were refused, the most frequent cause
first; and what points to a mistake at the provider, such as people who never come
back. What is shown are the sign-ins of which traces are kept.`,
		Example: "  pachctl idp sign-ins\n  pachctl idp sign-ins --connector auth0 --since 24h",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c, k) },
	}
	c.Flags().StringVar(&o.connector, "connector", "", "only this connector")
	c.Flags().DurationVar(&o.since, "since", 0, "only sign-ins of this time, such as 24h; default: all that are kept")
	kit.OutputFlag(c, &o.out)
	return c
}

type counts struct {
	Connector   string `json:"connector"`
	Sent        int64  `json:"sent"`
	Returned    int64  `json:"returned"`
	OK          int64  `json:"ok"`
	Refused     int64  `json:"refused"`
	Unproven    int64  `json:"unproven"`
	Unavailable int64  `json:"unavailable"`
	Errors      int64  `json:"errors"`
}

type cause struct {
	Connector string     `json:"connector"`
	Cause     string     `json:"cause"`
	Attempts  int64      `json:"attempts"`
	People    int64      `json:"people"`
	First     *time.Time `json:"first"`
	Last      *time.Time `json:"last"`
	Example   string     `json:"example"`
}

type warning struct {
	Connector string `json:"connector"`
	What      string `json:"what"`
	Next      string `json:"next"`
}

type shownSummary struct {
	Connectors []counts  `json:"connectors"`
	Causes     []cause   `json:"causes"`
	Warnings   []warning `json:"warnings"`
}

func (o summaryOptions) run(c *cobra.Command, k *kit.Kit) error {
	if o.since < 0 {
		return kit.Usagef(c, "--since must be more than 0s")
	}
	return k.WithConn(c.Context(), kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		req := &pach.SummarizeSignInsRequest{Connector: o.connector}
		if o.since > 0 {
			req.Since = timestamppb.New(k.Now().Add(-o.since))
		}
		r, err := c.Pach.SummarizeSignIns(ctx, req)
		if err != nil {
			return err
		}
		s := summaryOf(r)
		return k.PrintResult(o.out, s, func() { s.print(k) })
	})
}

func summaryOf(r *pach.SummarizeSignInsResponse) shownSummary {
	s := shownSummary{[]counts{}, []cause{}, []warning{}}
	for _, c := range r.GetConnectors() {
		s.Connectors = append(s.Connectors, counts{
			c.GetConnector(), c.GetSent(), c.GetReturned(), c.GetOk(), c.GetRefused(), c.GetUnproven(), c.GetUnavailable(), c.GetErrors(),
		})
	}
	for _, c := range r.GetCauses() {
		s.Causes = append(s.Causes, cause{
			c.GetConnector(), c.GetCause(), c.GetAttempts(), c.GetPeople(), kit.TimeOrNil(c.GetFirst()), kit.TimeOrNil(c.GetLast()), c.GetExample(),
		})
	}
	for _, w := range r.GetWarnings() {
		s.Warnings = append(s.Warnings, warning{w.GetConnector(), w.GetWhat(), w.GetNext()})
	}
	return s
}

func (s shownSummary) print(k *kit.Kit) {
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	rows := [][]string{}
	for _, c := range s.Connectors {
		rows = append(rows, []string{
			c.Connector, n(c.Sent), n(c.Returned), n(c.OK), n(c.Refused), n(c.Unproven), n(c.Unavailable), n(c.Errors),
		})
	}
	k.Table([]string{"CONNECTOR", "SENT", "RETURNED", "OK", "REFUSED", "UNPROVEN", "UNAVAILABLE", "ERRORS"}, rows)
	if len(s.Causes) > 0 {
		rows = nil
		for _, c := range s.Causes {
			rows = append(rows, []string{
				c.Connector, n(c.Attempts), n(c.People),
				localTime(c.First), localTime(c.Last), c.Example, c.Cause,
			})
		}
		k.Printf("\n")
		k.Table([]string{"CONNECTOR", "ATTEMPTS", "PEOPLE", "SINCE", "LAST", "EXAMPLE", "CAUSE"}, rows)
	}
	for _, w := range s.Warnings {
		k.Printf("\n%s: %s: %s\n", w.Connector, w.What, w.Next)
	}
}
