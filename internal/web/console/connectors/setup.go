package connectors

import (
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

// setupHome is where whoever holds a set-up link prepares a connector.
const setupHome = page.Root + "setup"

// keyCookie holds the key of the link that this browser has opened.
const keyCookie = "pach-setup"

// SetupRoutes are the pages for whoever holds a set-up link, who is nobody here. They
// need no session, and use none.
func SetupRoutes() map[string]page.Handler {
	return map[string]page.Handler{
		"GET setup/{token}": askToBegin, "POST setup/{token}": beginSetup, "GET setup": setup,
		"POST setup/draft": withHeld(desk.checkDraft), "POST setup/draft/watch": withHeld(desk.watchDraft),
		"POST setup/draft/test": withHeld(desk.testDraft), "POST setup/draft/result": withHeld(desk.draftResult),
		"POST setup/draft/claims": withHeld(desk.pickClaims), "POST setup/draft/store": withHeld(desk.storeDraft),
	}
}

// askToBegin opens nothing: programs that look at mail follow links, too.
func askToBegin(c *page.Call) error {
	return c.Render(http.StatusOK, "setup-begin", "Connect an identity provider", nil)
}

// beginSetup makes the link this browser's.
func beginSetup(c *page.Call) error {
	r, err := c.API.Pach.BeginSetup(c.Context, &pach.BeginSetupRequest{Token: c.R.PathValue("token")})
	if err != nil {
		return orOver(err)
	}
	c.Cookie(keyCookie).Set(c.W, r.GetKey())
	return c.Done(setupHome, "")
}

// orOver is the page for a link that opens nothing.
func orOver(err error) error {
	if status.Code(err) != codes.NotFound {
		return err
	}
	return page.Problem{
		Status: http.StatusNotFound, Title: "This link opens nothing",
		What: "A set-up link opens once, in one browser, and ends after a while. This one was opened before, has ended, or is none.",
		Next: "If you opened it here a while ago, go on at /console/setup. Otherwise ask whoever sent it for another.",
	}
}

// held is the desk of whoever holds the link that this browser has opened.
func held(c *page.Call) (desk, error) {
	key := c.Cookie(keyCookie).Value(c.R)
	r, err := c.API.Pach.GetSetup(c.Context, &pach.GetSetupRequest{Key: key})
	if err != nil {
		return desk{}, orOver(err)
	}
	return desk{
		at: setupHome + "/draft", place: "console/setup/" + r.GetLink().GetId(), link: r.GetLink(),
		check: func(m *identity.IDPConnector) ([]*pach.CheckStep, error) {
			r, err := c.API.Pach.CheckSetup(c.Context, &pach.CheckSetupRequest{Key: key, Config: m.GetConfig()})
			return r.GetSteps(), err
		},
		begin: func(m *identity.IDPConnector) (*begun, error) {
			r, err := c.API.Pach.StartSetupTest(c.Context, &pach.StartSetupTestRequest{Key: key, Config: m.GetConfig()})
			return &begun{r.GetTestId(), r.GetUrl()}, err
		},
		wait: func(test string) (*pach.WaitConnectorTestResponse, error) {
			r, err := c.API.Pach.WaitSetupTest(c.Context, &pach.WaitSetupTestRequest{Key: key, TestId: test})
			return r.GetResult(), err
		},
		store: func(m *identity.IDPConnector) error {
			_, err := c.API.Pach.SubmitSetup(c.Context, &pach.SubmitSetupRequest{Key: key, Config: m.GetConfig()})
			return err
		},
	}, nil
}

// withHeld serves what is done at the desk of a link's holder.
func withHeld(h func(desk, *page.Call) error) page.Handler {
	return func(c *page.Call) error {
		k, err := held(c)
		if err != nil {
			return err
		}
		return h(k, c)
	}
}

// setup is the first step, or what has become of what was handed in.
func setup(c *page.Call) error {
	k, err := held(c)
	if err != nil {
		return err
	}
	if k.link.GetState() != pach.SetupLink_BEGUN {
		return c.Render(http.StatusOK, "setup-done", "Handed in", k.link)
	}
	p, err := k.preset(c)
	if err != nil {
		return err
	}
	return showFillIn(c, k, p, func(string) string { return "" }, nil)
}
