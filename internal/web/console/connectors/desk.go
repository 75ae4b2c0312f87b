package connectors

import (
	"net/http"

	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/idp/preset"
	"pachyderm/internal/web/console/page"
)

// desk is where a draft is prepared: an administrator's, or that of whoever holds a
// set-up link. What is asked of the services for it differs, the pages do not.
type desk struct {
	at    string          // below which its forms go
	place string          // where its drafts are sealed: no other desk opens them
	link  *pach.SetupLink // nil for an administrator's
	check func(*identity.IDPConnector) ([]*pach.CheckStep, error)
	begin func(*identity.IDPConnector) (*begun, error)
	wait  func(test string) (*pach.WaitConnectorTestResponse, error)
	store func(*identity.IDPConnector) error
}

// own is the desk of whoever has a session.
func own(c *page.Call) desk {
	return desk{
		at: home + "/draft", place: "console/draft/" + c.Session.GetSession().GetId(),
		check: func(m *identity.IDPConnector) ([]*pach.CheckStep, error) {
			r, err := c.API.Pach.CheckConnector(c.Context, &pach.CheckConnectorRequest{Document: &pach.ConnectorDocument{Connector: m}})
			return r.GetSteps(), err
		},
		begin: func(m *identity.IDPConnector) (*begun, error) {
			r, err := c.API.Pach.StartConnectorTest(c.Context, &pach.StartConnectorTestRequest{Document: &pach.ConnectorDocument{Connector: m}})
			return &begun{r.GetTestId(), r.GetUrl()}, err
		},
		wait: func(test string) (*pach.WaitConnectorTestResponse, error) {
			return c.API.Pach.WaitConnectorTest(c.Context, &pach.WaitConnectorTestRequest{TestId: test})
		},
		store: func(m *identity.IDPConnector) error {
			_, err := c.API.Identity.CreateIDPConnector(c.Context, &identity.CreateIDPConnectorRequest{Connector: m})
			return err
		},
	}
}

// preset is the guide that a form was made by: the form's own or, of a link, its
// creator's, or that of its type.
func (k desk) preset(c *page.Call) (preset.Preset, error) {
	if k.link == nil {
		p, ok := preset.Named(c.Field("preset"))
		if !ok {
			return p, page.NotFound(c)
		}
		return p, nil
	}
	for _, key := range []string{k.link.GetPreset(), k.link.GetType()} {
		if p, ok := preset.Named(key); ok {
			return p, nil
		}
	}
	return preset.Preset{}, page.Problem{
		Status: http.StatusNotFound, Title: "There is no guide", What: "This link is for a provider that there is no guide for.",
		Next: "Ask whoever sent it for one with a preset.",
	}
}

// withOwn serves what is done at an administrator's desk.
func withOwn(h func(desk, *page.Call) error) page.Handler {
	return func(c *page.Call) error { return h(own(c), c) }
}
