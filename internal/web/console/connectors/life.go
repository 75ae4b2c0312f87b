package connectors

import (
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

// setEnabled lets people sign in with a connector, or nobody. What the services refuse
// because it is likely a mistake is asked once more.
func setEnabled(enabled bool) page.Handler {
	return func(c *page.Call) error {
		id, done := c.R.PathValue("id"), "off"
		if enabled {
			done = "on"
		}
		_, err := c.API.Pach.SetConnectorEnabled(c.Context, &pach.SetConnectorEnabledRequest{
			Id: id, Enabled: enabled, Force: c.Field("force") != "",
		})
		if status.Code(err) == codes.FailedPrecondition && c.Field("force") == "" {
			p, failed := load(c)
			if failed != nil {
				return failed
			}
			p.Enable = enabled
			p.Refused, p.RefusedNext = page.Words(err)
			return c.Render(http.StatusConflict, "connector", p.GetName(), p)
		}
		if err != nil {
			return err
		}
		return c.Done(at(id), done)
	}
}

func confirm(c *page.Call) error {
	id := c.R.PathValue("id")
	if _, err := c.API.Pach.ConfirmConnector(c.Context, &pach.ConfirmConnectorRequest{Id: id}); err != nil {
		return err
	}
	return c.Done(at(id), "confirmed")
}

func rollBack(c *page.Call) error {
	id := c.R.PathValue("id")
	_, err := c.API.Pach.RollBackConnector(c.Context, &pach.RollBackConnectorRequest{Id: id, Revision: c.Field("revision")})
	if err != nil {
		return err
	}
	return c.Done(at(id), "back")
}

// plan shows what the document that was written would change, and for whom; nothing is
// stored.
func plan(c *page.Call) error {
	p, err := load(c)
	if err != nil {
		return err
	}
	e := editPage{onePage: p, Written: c.R.PostForm.Get("document"), Version: p.GetConfigVersion()}
	change, err := parseChange(e.Written, p.IDPConnector)
	if err == nil {
		e.Plan, err = c.API.Pach.PlanConnector(c.Context, &pach.PlanConnectorRequest{Document: &pach.ConnectorDocument{Connector: change}})
	}
	switch {
	case err == nil:
		return showEdit(c, http.StatusOK, e)
	case !page.Mendable(err):
		return err
	}
	e.Problem, e.Next = page.Words(err)
	return showEdit(c, http.StatusUnprocessableEntity, e)
}
