package connectors

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

// home is the list.
const home = page.Root + "connectors"

// Routes are the pages, by method and path below the console's.
func Routes() map[string]page.Handler {
	dangerous := func(back func(*page.Call) string, h page.Handler) page.Handler { return page.Dangerous(back, h) }
	toOne := func(c *page.Call) string { return at(c.R.PathValue("id")) }
	toLink := func(c *page.Call) string { return linkAt(c.R.PathValue("id")) }
	toNew := func(*page.Call) string { return home + "/new" }
	return map[string]page.Handler{
		"GET connectors": list, "GET connectors/new": choosePreset, "GET connectors/new/{preset}": fillIn,
		"POST connectors/draft": withOwn(desk.checkDraft), "POST connectors/draft/watch": withOwn(desk.watchDraft),
		"POST connectors/draft/test": withOwn(desk.testDraft), "POST connectors/draft/result": withOwn(desk.draftResult),
		"POST connectors/draft/claims": withOwn(desk.pickClaims), "POST connectors/draft/store": dangerous(toNew, withOwn(desk.storeDraft)),
		"GET connectors/new/{preset}/link": askLink, "POST connectors/new/{preset}/link": dangerous(toNew, createLink),
		"GET connectors/links/{id}": oneLink, "POST connectors/links/{id}/watch": watchLink,
		"POST connectors/links/{id}/approve": dangerous(toLink, approveLink), "POST connectors/links/{id}/delete": deleteLink,
		"GET connectors/of/{id}": one, "GET connectors/of/{id}/edit": edit, "GET connectors/of/{id}/delete": askDelete,
		"POST connectors/of/{id}/check": check, "POST connectors/of/{id}/test": test, "POST connectors/of/{id}/result": result,
		"POST connectors/of/{id}/edit": dangerous(toOne, update), "POST connectors/of/{id}/approve": dangerous(toOne, approve),
		"POST connectors/of/{id}/delete":  dangerous(toOne, remove),
		"POST connectors/of/{id}/enable":  dangerous(toOne, setEnabled(true)),
		"POST connectors/of/{id}/disable": dangerous(toOne, setEnabled(false)),
		"POST connectors/of/{id}/confirm": dangerous(toOne, confirm), "POST connectors/of/{id}/rollback": dangerous(toOne, rollBack),
		"POST connectors/of/{id}/plan": plan,
	}
}

// at is the page of a connector.
func at(id string) string { return page.Path("connectors", "of", id) }

// shown is a connector with its health.
type shown struct {
	*identity.IDPConnector
	State *pach.ConnectorState
}

type listPage struct {
	Connectors []shown
	MayCreate  bool
	Links      []*pach.SetupLink
}

func list(c *page.Call) error {
	all, err := c.API.Identity.ListIDPConnectors(c.Context, &identity.ListIDPConnectorsRequest{})
	if err != nil {
		return err
	}
	states, err := c.API.Pach.ListConnectorStates(c.Context, &pach.ListConnectorStatesRequest{})
	if err != nil {
		return err
	}
	p := listPage{MayCreate: c.May(auth.Permission_CLUSTER_IDENTITY_CREATE_IDP)}
	if p.MayCreate {
		if p.Links, err = links(c); err != nil {
			return err
		}
	}
	for _, one := range all.GetConnectors() {
		p.Connectors = append(p.Connectors, shown{one, stateOf(states, one.GetId())})
	}
	slices.SortFunc(p.Connectors, func(a, b shown) int { return page.ByName(a.GetName(), b.GetName()) })
	return c.Render(http.StatusOK, "connectors", "Connectors", p)
}

func stateOf(states *pach.ListConnectorStatesResponse, id string) *pach.ConnectorState {
	for _, s := range states.GetStates() {
		if s.GetId() == id {
			return s
		}
	}
	return &pach.ConnectorState{}
}

type onePage struct {
	shown
	Document                       string
	MayUpdate, MayDelete, MayGrant bool
	Callback                       string
	Steps                          []*pach.CheckStep
	Revisions                      []*pach.ConnectorRevision
	// Refused is why it was not enabled or disabled, or should not be deleted, and could
	// be all the same.
	Refused, RefusedNext string
	Enable               bool // what was asked for then
}

func one(c *page.Call) error {
	p, err := load(c)
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "connector", p.GetName(), p)
}

func load(c *page.Call) (p onePage, err error) {
	id := c.R.PathValue("id")
	found, err := c.API.Identity.GetIDPConnector(c.Context, &identity.GetIDPConnectorRequest{Id: id})
	if err != nil {
		return p, err
	}
	states, err := c.API.Pach.ListConnectorStates(c.Context, &pach.ListConnectorStatesRequest{})
	if err != nil {
		return p, err
	}
	known, err := c.API.Pach.GetSignIn(c.Context, &pach.GetSignInRequest{})
	if err != nil {
		return p, err
	}
	p = onePage{
		shown: shown{found.GetConnector(), stateOf(states, id)}, Callback: known.GetCallbackUrl(),
		MayUpdate: c.May(auth.Permission_CLUSTER_IDENTITY_UPDATE_IDP), MayDelete: c.May(auth.Permission_CLUSTER_IDENTITY_DELETE_IDP),
		MayGrant: c.May(auth.Permission_CLUSTER_MODIFY_BINDINGS),
	}
	history, err := c.API.Pach.ListConnectorRevisions(c.Context, &pach.ListConnectorRevisionsRequest{Id: id})
	if err != nil {
		return p, err
	}
	p.Revisions = history.GetRevisions()
	p.Document, err = documentOf(found.GetConnector())
	return p, err
}

// check looks, step by step, at what a sign-in will need.
func check(c *page.Call) error {
	p, err := load(c)
	if err != nil {
		return err
	}
	checked, err := c.API.Pach.CheckConnector(c.Context, &pach.CheckConnectorRequest{Document: &pach.ConnectorDocument{Id: p.GetId()}})
	if err != nil {
		return err
	}
	p.Steps = checked.GetSteps()
	return c.Render(http.StatusOK, "connector", p.GetName(), p)
}

func approve(c *page.Call) error {
	id := c.R.PathValue("id")
	_, err := c.API.Pach.ApproveConnector(c.Context, &pach.ApproveConnectorRequest{Id: id, Revision: c.Field("revision")})
	if err != nil {
		return err
	}
	return c.Done(at(id), "approved")
}

func askDelete(c *page.Call) error {
	p, err := load(c)
	if err != nil {
		return err
	}
	if p.MayUpdate { // and so may ask
		what := &pach.PlanConnectorRequest{Document: &pach.ConnectorDocument{Id: p.GetId()}, Removed: true}
		plan, err := c.API.Pach.PlanConnector(c.Context, what)
		if err != nil {
			return err
		}
		p.Refused = strings.Join(plan.GetWarnings(), "; ")
	}
	return c.Render(http.StatusOK, "connector-delete", "Delete "+p.GetName(), p)
}

func remove(c *page.Call) error {
	_, err := c.API.Identity.DeleteIDPConnector(c.Context, &identity.DeleteIDPConnectorRequest{Id: c.R.PathValue("id")})
	if err != nil {
		return err
	}
	return c.Done(home, "deleted")
}

type editPage struct {
	onePage
	Written string // what the caller has written
	Version int64
	Problem string
	Next    string
	// Overtaken says that somebody else stored another version meanwhile, which
	// Document is.
	Overtaken bool
	// Plan is what the document would change, and for whom.
	Plan *pach.PlanConnectorResponse
}

func edit(c *page.Call) error {
	p, err := load(c)
	if err != nil {
		return err
	}
	return showEdit(c, http.StatusOK, editPage{onePage: p, Written: p.Document, Version: p.GetConfigVersion()})
}

func showEdit(c *page.Call, code int, p editPage) error {
	return c.Render(code, "connector-edit", "Change "+p.GetName(), p)
}

// update stores what was written, unless somebody else has stored something since the
// page was loaded: then both are shown.
func update(c *page.Call) error {
	p, err := load(c)
	if err != nil {
		return err
	}
	e := editPage{onePage: p, Written: c.R.PostForm.Get("document"), Version: p.GetConfigVersion()}
	if c.Field("version") != versionText(p.GetConfigVersion()) {
		e.Overtaken = true
		return showEdit(c, http.StatusConflict, e)
	}
	change, err := parseChange(e.Written, p.IDPConnector)
	within := map[string]time.Duration{"10m": 10 * time.Minute, "1h": time.Hour}[c.Field("within")]
	if err == nil {
		req := &pach.ApplyConnectorRequest{Connector: change}
		if within > 0 {
			req.ConfirmWithin = durationpb.New(within)
		}
		_, err = c.API.Pach.ApplyConnector(c.Context, req)
	}
	if code := status.Code(err); err != nil && (code == codes.PermissionDenied || code == codes.Unauthenticated) {
		return err
	}
	if status.Code(err) == codes.Aborted {
		return c.Done(at(p.GetId())+"/edit", "")
	}
	if err != nil {
		e.Problem, e.Next = page.Words(err)
		return showEdit(c, http.StatusUnprocessableEntity, e)
	}
	if within > 0 {
		return c.Done(at(p.GetId()), "applied")
	}
	return c.Done(at(p.GetId()), "updated")
}
