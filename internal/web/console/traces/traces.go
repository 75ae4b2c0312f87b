package traces

import (
	"net/http"
	"net/url"

	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

// Routes are the pages, by method and path below the console's.
func Routes() map[string]page.Handler {
	return map[string]page.Handler{"GET sign-ins": list, "GET sign-ins/of/{code}": one}
}

// bar is how the sign-ins of a connector went, as a chart that is drawn without styles:
// each part begins at X and is W wide, of 100.
type bar struct {
	*pach.SignInCounts
	Parts []part
	Total int64
}

type part struct {
	Class, Label string
	N            int64
	X, W         float64
}

func barOf(c *pach.SignInCounts) bar {
	b := bar{SignInCounts: c}
	for _, p := range []part{
		{Class: "ok", Label: "signed in", N: c.GetOk()},
		{Class: "refused", Label: "refused", N: c.GetRefused()},
		{Class: "unproven", Label: "did not prove who they are", N: c.GetUnproven()},
		{Class: "errors", Label: "provider away, or errors", N: c.GetUnavailable() + c.GetErrors()},
	} {
		b.Total += p.N
		b.Parts = append(b.Parts, p)
	}
	x := 0.0
	for n := range b.Parts {
		if b.Total > 0 {
			b.Parts[n].X, b.Parts[n].W = x, 100*float64(b.Parts[n].N)/float64(b.Total)
		}
		x += b.Parts[n].W
	}
	return b
}

type listPage struct {
	Bars                    []bar
	Summary                 *pach.SummarizeSignInsResponse
	Traces                  []*pach.SignInTrace
	Connector, User, Result string
	Results                 []string
	More                    string
}

// list is how sign-ins go, what those that fail have in common, and the last of them.
func list(c *page.Call) error {
	p := listPage{
		Connector: c.Query("connector"), User: c.Query("user"), Result: c.Query("result"),
		Results: []string{"OK", "REFUSED", "UNPROVEN", "UNAVAILABLE", "ERROR"},
	}
	found, err := c.API.Pach.ListSignInTraces(c.Context, &pach.ListSignInTracesRequest{
		Connector: p.Connector, User: p.User, Result: pach.SignInTrace_Result(pach.SignInTrace_Result_value[p.Result]),
		PageSize: page.PageSize, PageToken: c.Query("after"),
	})
	if err != nil {
		return err
	}
	if p.Summary, err = c.API.Pach.SummarizeSignIns(c.Context, &pach.SummarizeSignInsRequest{Connector: p.Connector}); err != nil {
		return err
	}
	for _, counts := range p.Summary.GetConnectors() {
		p.Bars = append(p.Bars, barOf(counts))
	}
	p.Traces = found.GetTraces()
	if next := found.GetNextPageToken(); next != "" {
		p.More = page.Root + "sign-ins?" + url.Values{
			"connector": {p.Connector}, "user": {p.User}, "result": {p.Result}, "after": {next},
		}.Encode()
	}
	return c.Render(http.StatusOK, "sign-ins", "Sign-ins", p)
}

// one is a sign-in step by step. The form above the list leads here, too, by the code
// that a person was shown.
func one(c *page.Call) error {
	code := c.R.PathValue("code")
	if code == "find" {
		return c.Done(page.Path("sign-ins", "of", c.Query("code")), "")
	}
	found, err := c.API.Pach.GetSignInTrace(c.Context, &pach.GetSignInTraceRequest{Code: code})
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "sign-in-trace", "Sign-in "+found.GetTrace().GetCode(), found.GetTrace())
}
