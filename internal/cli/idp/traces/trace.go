package traces

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

// Commands are those of this package.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{trace(k), listTraces(k), summary(k)}
}

type traceOptions struct{ code, out string }

func trace(k *kit.Kit) *cobra.Command {
	var o traceOptions
	c := &cobra.Command{
		Use: "trace CODE", Short: "Show what happened in a sign-in", Args: kit.Exactly(1),
		Long: `Show what happened in a sign-in: what the browser brought, each request to the
identity provider, what the provider said of the person, what each part of it was
used as, groups and roles, and why the sign-in was refused, with the setting to look
at. The code is on the page that the person saw, and in list-traces.`,
		Example: "  pachctl idp trace K7QX2MPA",
		RunE: func(c *cobra.Command, args []string) error {
			o.code = args[0]
			return o.run(c.Context(), k)
		},
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o traceOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.GetSignInTrace(ctx, &pach.GetSignInTraceRequest{Code: o.code})
		if err != nil {
			return err
		}
		t := shownOf(r.GetTrace())
		return k.PrintResult(o.out, t, func() { t.print(k) })
	})
}

type step struct {
	Step   string `json:"step"`
	Took   string `json:"took"`
	Detail string `json:"detail"`
	Error  string `json:"error,omitempty"`
}

type parameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// shown is a trace as it is printed.
type shown struct {
	Code           string      `json:"code"`
	At             *time.Time  `json:"at"`
	Connector      string      `json:"connector"`
	Test           bool        `json:"test"`
	Client         string      `json:"client,omitempty"`
	Result         string      `json:"result"`
	User           string      `json:"user,omitempty"`
	Error          string      `json:"error,omitempty"`
	Next           string      `json:"next,omitempty"`
	Setting        string      `json:"setting,omitempty"`
	Detail         string      `json:"detail,omitempty"`
	Took           string      `json:"took"`
	Request        []parameter `json:"request,omitempty"`
	Steps          []step      `json:"steps,omitempty"`
	Claims         []Claim     `json:"claims,omitempty"`
	AssertedGroups []string    `json:"asserted_groups,omitempty"`
	Groups         []string    `json:"groups,omitempty"`
	Roles          []string    `json:"roles,omitempty"`
	Withheld       bool        `json:"withheld,omitempty"`
}

func shownOf(t *pach.SignInTrace) shown {
	out := shown{
		Code: t.GetCode(), At: kit.TimeOrNil(t.GetAt()), Connector: t.GetConnector(), Test: t.GetTest(), Client: t.GetClientId(),
		Result: resultName(t.GetResult()), User: t.GetUser(), Error: t.GetError(), Next: t.GetNext(), Setting: t.GetSetting(),
		Detail: t.GetDetail(), Took: took(t.GetTookMicroseconds()), AssertedGroups: t.GetAssertedGroups().GetValues(), Groups: t.GetGroups(),
		Roles: t.GetRoles(), Withheld: t.GetWithheld(),
	}
	for _, p := range t.GetRequest() {
		out.Request = append(out.Request, parameter{p.GetName(), p.GetValue()})
	}
	for _, s := range t.GetSteps() {
		out.Steps = append(out.Steps, step{s.GetName(), took(s.GetTookMicroseconds()), s.GetDetail(), s.GetError()})
	}
	out.Claims = ClaimsOf(t.GetClaims())
	return out
}

func took(microseconds int64) string {
	return (time.Duration(microseconds) * time.Microsecond).Round(100 * time.Microsecond).String()
}

// resultName is a result in small letters, as filters take it.
func resultName(r pach.SignInTrace_Result) string { return strings.ToLower(r.String()) }

// localTime is a moment here; a server that is not ours may say none.
func localTime(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func (t shown) print(k *kit.Kit) {
	what := "sign-in"
	if t.Test {
		what = "connector test"
	}
	k.Printf("%s %s with connector %s, %s: %s\n", what, t.Code, t.Connector, localTime(t.At), t.Result)
	for _, line := range []struct{ name, text string }{
		{"user", t.User}, {"for", t.Client}, {"why", t.Error}, {"cause", t.Detail}, {"setting", t.Setting}, {"next", t.Next},
	} {
		if line.text != "" {
			k.Printf("%-10s%s\n", line.name+":", line.text)
		}
	}
	t.printSteps(k)
	if len(t.Claims) > 0 {
		k.Printf("\n")
		PrintClaims(k, t.Claims)
		k.Printf("\n")
	}
	for _, line := range []struct {
		name string
		list []string
	}{{"asserted", t.AssertedGroups}, {"groups", t.Groups}, {"roles", t.Roles}} {
		if len(line.list) > 0 {
			k.Printf("%-10s%s\n", line.name+":", strings.Join(line.list, ", "))
		}
	}
	if t.Withheld {
		k.Printf("\nThe provider is on pachd's machine or in a private network: what it said is shown to a clusterAdmin only.\n")
	}
}

func (t shown) printSteps(k *kit.Kit) {
	rows := [][]string{}
	if len(t.Request) > 0 {
		var names []string
		for _, p := range t.Request {
			names = append(names, p.Name+"="+p.Value)
		}
		rows = append(rows, []string{"the browser came back", "", strings.Join(names, " "), ""})
	}
	for _, s := range t.Steps {
		rows = append(rows, []string{s.Step, s.Took, s.Detail, s.Error})
	}
	if len(rows) > 0 {
		k.Printf("\n")
		k.Table([]string{"STEP", "TOOK", "DETAIL", "ERROR"}, rows)
	}
}
