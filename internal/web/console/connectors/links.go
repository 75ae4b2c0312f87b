package connectors

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/idp/preset"
	"pachyderm/internal/web/console/page"
)

// linkAt is the page of a set-up link.
func linkAt(id string) string { return page.Path("connectors", "links", id) }

// links are the set-up links, the latest first.
func links(c *page.Call) (all []*pach.SetupLink, err error) {
	r, err := c.API.Pach.ListSetupLinks(c.Context, &pach.ListSetupLinksRequest{})
	if err != nil {
		return nil, err
	}
	all = r.GetLinks()
	slices.SortStableFunc(all, func(a, b *pach.SetupLink) int { return b.GetCreated().AsTime().Compare(a.GetCreated().AsTime()) })
	return all[:min(len(all), page.PageSize)], nil
}

// expiries are how long a link may be good, as the form calls them.
func expiries() map[string]time.Duration {
	return map[string]time.Duration{"1h": time.Hour, "24h": 24 * time.Hour, "168h": 168 * time.Hour}
}

type askLinkPage struct {
	preset.Preset
	ID, Name      string
	MayPrivate    bool
	Problem, Next string
}

// askLink asks what a link is to be for.
func askLink(c *page.Call) error {
	p, ok := preset.Named(c.R.PathValue("preset"))
	if !ok {
		return page.NotFound(c)
	}
	return showAskLink(c, p, p.Key, p.Title, nil)
}

func showAskLink(c *page.Call, p preset.Preset, id, name string, problem error) error {
	a := askLinkPage{Preset: p, ID: id, Name: name, MayPrivate: c.May(auth.Permission_CLUSTER_MODIFY_BINDINGS)}
	code := http.StatusOK
	if problem != nil {
		code = http.StatusUnprocessableEntity
		a.Problem, a.Next = page.Words(problem)
	}
	return c.Render(code, "setup-link-new", "A set-up link for "+p.Title, a)
}

// createLink makes one, and shows its address this once.
func createLink(c *page.Call) error {
	p, ok := preset.Named(c.R.PathValue("preset"))
	if !ok {
		return page.NotFound(c)
	}
	r, err := c.API.Pach.CreateSetupLink(c.Context, &pach.CreateSetupLinkRequest{
		ConnectorId: c.Field("id"), Name: c.Field("name"), Type: p.Type, Preset: p.Key,
		ExpiresIn: durationpb.New(expiries()[c.Field("expires")]), PrivateNetwork: c.Field("private") != "",
	})
	if err != nil && page.Mendable(err) {
		return showAskLink(c, p, c.Field("id"), c.Field("name"), err)
	}
	if err != nil {
		return err
	}
	n, err := linkNews(c, r.GetLink().GetId(), nil, r.GetUrl())
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, n.Name, n.Title, n.Data)
}

// mark is one thing that the holder of a link does, and whether it is done.
type mark struct {
	Text         string
	Done, Failed bool
	What         string
}

type linkPage struct {
	*pach.SetupLink
	URL      string // once
	Marks    []mark
	Steps    []*pach.CheckStep
	Document string
	Over     bool
	Seen     string
}

// linkNews is the page of a link once it differs from what it was when it was seen.
func linkNews(c *page.Call, id string, seen *pach.SetupLink, url string) (n page.News, err error) {
	r, err := c.API.Pach.GetSetupLink(c.Context, &pach.GetSetupLinkRequest{Id: id, Seen: seen.GetChanged()})
	if err != nil {
		return n, err
	}
	l := r.GetLink()
	p := linkPage{SetupLink: l, URL: url, Steps: r.GetSteps(), Over: !l.GetExpires().AsTime().After(c.Now())}
	if r.GetConnector() != nil {
		if p.Document, err = documentOf(r.GetConnector()); err != nil {
			return n, err
		}
	}
	p.Marks = marks(r)
	return page.News{
		Name: "setup-link", Title: "Set-up link for " + l.GetName(), Data: p,
		Same: seen != nil && seen.GetChanged().AsTime().Equal(l.GetChanged().AsTime()), Last: l.GetState() == pach.SetupLink_APPROVED,
	}, nil
}

func marks(r *pach.GetSetupLinkResponse) []mark {
	state := r.GetLink().GetState()
	approved := state == pach.SetupLink_APPROVED
	checked := mark{Text: "The provider answers as it should", Done: approved}
	if steps := r.GetSteps(); len(steps) > 0 {
		checked.Failed = failed(steps)
		checked.Done = !checked.Failed
		if n := slices.IndexFunc(steps, func(s *pach.CheckStep) bool { return s.GetStatus() == pach.CheckStep_FAILED }); n >= 0 {
			checked.What = steps[n].GetName() + ": " + steps[n].GetResult()
		}
	}
	tested := mark{Text: "Somebody has signed in with it", Done: r.GetTested() || approved}
	if r.GetTested() {
		tested.What = "as " + r.GetUser()
		if groups := r.GetGroups(); len(groups) > 0 {
			tested.What += ", in " + strings.Join(groups[:min(len(groups), 10)], ", ")
		}
	}
	return []mark{
		{Text: "The link was opened", Done: state >= pach.SetupLink_BEGUN},
		checked, tested,
		{Text: "It was handed in", Done: state >= pach.SetupLink_SUBMITTED},
		{Text: "It was approved", Done: approved},
	}
}

func oneLink(c *page.Call) error {
	n, err := linkNews(c, c.R.PathValue("id"), nil, "")
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, n.Name, n.Title, n.Data)
}

// watchLink shows how far a link is whenever that changes.
func watchLink(c *page.Call) error {
	var seen *pach.SetupLink
	return c.Live(func() (page.News, error) {
		n, err := linkNews(c, c.R.PathValue("id"), seen, "")
		if p, ok := n.Data.(linkPage); ok {
			seen = p.SetupLink
		}
		return n, err
	})
}

func approveLink(c *page.Call) error {
	id := c.R.PathValue("id")
	r, err := c.API.Pach.GetSetupLink(c.Context, &pach.GetSetupLinkRequest{Id: id})
	if err != nil {
		return err
	}
	draft := c.Field("draft") != ""
	if _, err := c.API.Pach.ApproveSetupLink(c.Context, &pach.ApproveSetupLinkRequest{Id: id, Draft: draft}); err != nil {
		return err
	}
	if draft {
		return c.Done(at(r.GetLink().GetConnectorId()), "draft")
	}
	return c.Done(at(r.GetLink().GetConnectorId()), "connector")
}

func deleteLink(c *page.Call) error {
	if _, err := c.API.Pach.DeleteSetupLink(c.Context, &pach.DeleteSetupLinkRequest{Id: c.R.PathValue("id")}); err != nil {
		return err
	}
	return c.Done(home, "link-deleted")
}
