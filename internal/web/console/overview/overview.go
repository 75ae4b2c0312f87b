package overview

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

// Routes are the pages, by method and path below the console's.
func Routes() map[string]page.Handler { return map[string]page.Handler{"GET overview": overview} }

// task is something that an administrator should look at. What is said of it ends with
// the time that When is from now, if there is one.
type task struct {
	Connector, Name, What string
	When                  *timestamppb.Timestamp
	Next                  string
	Bad                   bool
}

type overviewPage struct {
	Tasks  []task
	Charts []chart
	Days   int
	// Drawn is how many sign-ins are drawn, if there were more.
	Drawn int
}

func overview(c *page.Call) error {
	all, err := c.API.Identity.ListIDPConnectors(c.Context, &identity.ListIDPConnectorsRequest{})
	if err != nil {
		return err
	}
	states, err := c.API.Pach.ListConnectorStates(c.Context, &pach.ListConnectorStatesRequest{})
	if err != nil {
		return err
	}
	now := c.Now().UTC()
	first := now.Truncate(day).Add(-(days - 1) * day)
	sum, err := c.API.Pach.SummarizeSignIns(c.Context, &pach.SummarizeSignInsRequest{Since: timestamppb.New(first)})
	if err != nil {
		return err
	}
	signIns, err := c.API.Pach.ListSignInTraces(c.Context, &pach.ListSignInTracesRequest{PageSize: drawn})
	if err != nil {
		return err
	}
	p := overviewPage{Days: days}
	if signIns.GetNextPageToken() != "" {
		p.Drawn = len(signIns.GetTraces())
	}
	names := map[string]string{}
	for _, one := range all.GetConnectors() {
		names[one.GetId()] = one.GetName()
	}
	p.Tasks = tasks(now, names, states.GetStates(), sum.GetWarnings())
	p.Charts = charts(first, names, states.GetStates(), sum.GetConnectors(), signIns.GetTraces())
	return c.Render(http.StatusOK, "overview", "Overview", p)
}

// tasks are what needs an administrator, the worst first.
func tasks(now time.Time, names map[string]string, states []*pach.ConnectorState, warnings []*pach.SignInWarning) (all []task) {
	for _, s := range states {
		for _, t := range tasksOf(now, s) {
			t.Connector = s.GetId()
			all = append(all, t)
		}
	}
	for _, w := range warnings {
		all = append(all, task{Connector: w.GetConnector(), What: w.GetWhat(), Next: w.GetNext(), Bad: true})
	}
	for n := range all {
		all[n].Name = cmp.Or(names[all[n].Connector], all[n].Connector)
	}
	slices.SortStableFunc(all, func(a, b task) int {
		if a.Bad != b.Bad {
			return map[bool]int{true: -1, false: 1}[a.Bad]
		}
		return page.ByName(a.Name, b.Name)
	})
	return all
}

func tasksOf(now time.Time, s *pach.ConnectorState) (all []task) {
	life := s.GetLife()
	if s.GetState() == pach.ConnectorState_FAILING && life == pach.ConnectorState_ACTIVE {
		all = append(all, task{
			What: "its provider does not answer as it should: " + s.GetError() + ", since", When: s.GetSince(), Bad: true,
			Next: "Open the connector and check it.",
		})
	}
	for _, e := range s.GetExpiries() {
		left := e.GetEnds().AsTime().Sub(now)
		if left < page.Soon {
			all = append(all, task{
				What: e.GetWhat() + " ends", When: e.GetEnds(), Bad: left < page.Soon/4, Next: "Replace it before nobody can sign in.",
			})
		}
	}
	switch s.GetApproval() {
	case pach.ConnectorState_UNAPPROVED:
		all = append(all, task{
			What: "nobody has approved it: who signs in has no roles",
			Next: "Somebody who may grant roles approves it on its page.",
		})
	case pach.ConnectorState_PENDING:
		all = append(all, task{
			What: "a change waits for approval, and what was approved before serves",
			Next: "Somebody who may grant roles approves it on its page.",
		})
	}
	if s.GetUndoAt() != nil {
		all = append(all, task{
			What: "a change waits to be confirmed, and undoes itself", When: s.GetUndoAt(),
			Next: "Confirm it on its page, or let it go.",
		})
	}
	if life == pach.ConnectorState_DRAFT || life == pach.ConnectorState_VERIFIED {
		all = append(all, task{What: "it is a draft: nobody can sign in with it", Next: "Test it and enable it, or delete it."})
	}
	return all
}
