package records

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

// Routes are the pages, by method and path below the console's.
func Routes() map[string]page.Handler {
	toOne := func(c *page.Call) string { return at(c.R.PathValue("id")) }
	toSettings := func(*page.Call) string { return page.Root + "settings" }
	return map[string]page.Handler{
		"GET applications": applications, "GET applications/new": newApplication, "POST applications/new": createApplication,
		"GET applications/of/{id}": application, "POST applications/of/{id}": changeApplication,
		"POST applications/of/{id}/secret": page.Dangerous(toOne, newSecret),
		"POST applications/of/{id}/delete": page.Dangerous(toOne, deleteApplication),
		"GET audit":                        events, "GET audit.csv": export,
		"GET settings": settings, "POST settings": page.Dangerous(toSettings, changeSettings),
	}
}

func auditRequest(c *page.Call) *pach.ListAuditEventsRequest {
	return &pach.ListAuditEventsRequest{
		Actor: c.Query("actor"), Object: c.Query("object"), Action: c.Query("action"), PageToken: c.Query("after"), PageSize: page.PageSize,
	}
}

type auditPage struct {
	Actor, Object, Action string
	Events                []*pach.AuditEvent
	More, Export          string
}

func events(c *page.Call) error {
	req := auditRequest(c)
	all, err := c.API.Pach.ListAuditEvents(c.Context, req)
	if err != nil {
		return err
	}
	filter := url.Values{"actor": {req.GetActor()}, "object": {req.GetObject()}, "action": {req.GetAction()}}
	p := auditPage{
		Actor: req.GetActor(), Object: req.GetObject(), Action: req.GetAction(), Events: all.GetEvents(),
		Export: page.Root + "audit.csv?" + filter.Encode(),
	}
	if next := all.GetNextPageToken(); next != "" {
		filter.Set("after", next)
		p.More = page.Root + "audit?" + filter.Encode()
	}
	return c.Render(http.StatusOK, "audit", "Audit", p)
}

// maxExport is how many pages of the API one export has.
const maxExport = 20

// export is the audit as a file, the latest events first.
func export(c *page.Call) error {
	req := auditRequest(c)
	req.PageSize = 1000
	all, err := c.API.Pach.ListAuditEvents(c.Context, req)
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Type", "text/csv; charset=utf-8")
	c.W.Header().Set("Content-Disposition", `attachment; filename="audit.csv"`)
	out := csv.NewWriter(c.W)
	_ = out.Write([]string{"at", "actor", "action", "object", "detail", "request"})
	for n := 1; ; n++ {
		for _, e := range all.GetEvents() {
			_ = out.Write([]string{
				e.GetAt().AsTime().Format(time.RFC3339Nano), cell(e.GetActor()), cell(e.GetAction()), cell(e.GetObject()),
				cell(e.GetDetail()), e.GetRequest(),
			})
		}
		if req.PageToken = all.GetNextPageToken(); req.GetPageToken() == "" || n == maxExport {
			break
		}
		if all, err = c.API.Pach.ListAuditEvents(c.Context, req); err != nil {
			break // what was sent cannot be taken back; the file ends here
		}
	}
	out.Flush()
	return out.Error()
}

// cell keeps a spreadsheet from taking what a stranger named themselves for a formula, by
// what its text begins with: some leave out what is not to be seen before that.
func cell(text string) string {
	seen := strings.TrimLeftFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) })
	if strings.IndexAny(seen, formulaSigns) == 0 || strings.IndexAny(text, "\t\r\n") == 0 {
		return "'" + text
	}
	return text
}

// formulaSigns are what formulas begin with: also in the width of East Asian signs, which
// some spreadsheets take for ours.
const formulaSigns = "=+-@＝＋－＠"

type settingsPage struct {
	*identity.IdentityServerConfig
	Auth      *auth.OIDCConfig
	MayChange bool
	Callback  string
	Issuer    string
}

func settings(c *page.Call) error {
	now, err := c.API.Identity.GetIdentityServerConfig(c.Context, &identity.GetIdentityServerConfigRequest{})
	if err != nil {
		return err
	}
	known, err := c.API.Pach.GetSignIn(c.Context, &pach.GetSignInRequest{})
	if err != nil {
		return err
	}
	p := settingsPage{
		IdentityServerConfig: now.GetConfig(), MayChange: c.May(auth.Permission_CLUSTER_IDENTITY_SET_CONFIG),
		Callback: known.GetCallbackUrl(), Issuer: known.GetIssuer(),
	}
	if c.May(auth.Permission_CLUSTER_AUTH_GET_CONFIG) {
		config, err := c.API.Auth.GetConfiguration(c.Context, &auth.GetConfigurationRequest{})
		if err != nil {
			return err
		}
		p.Auth = config.GetConfiguration()
	}
	return c.Render(http.StatusOK, "settings", "Settings", p)
}

func changeSettings(c *page.Call) error {
	next := &identity.IdentityServerConfig{
		Issuer: c.Field("issuer"), IdTokenExpiry: c.Field("id-token-expiry"), RotationTokenExpiry: c.Field("rotation-token-expiry"),
	}
	_, err := c.API.Identity.SetIdentityServerConfig(c.Context, &identity.SetIdentityServerConfigRequest{Config: next})
	if err != nil {
		return err
	}
	return c.Done(page.Root+"settings", "settings")
}
