package records

import (
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

// at is the page of an application.
func at(id string) string { return page.Path("applications", "of", id) }

type applicationsPage struct {
	Clients   []*pach.GetOIDCClientResponse
	More      string
	MayCreate bool
}

func applications(c *page.Call) error {
	all, err := c.API.Pach.ListOIDCClients(c.Context, &pach.ListOIDCClientsRequest{PageSize: page.PageSize, PageToken: c.Query("after")})
	if err != nil {
		return err
	}
	p := applicationsPage{Clients: all.GetClients(), MayCreate: c.May(auth.Permission_CLUSTER_IDENTITY_CREATE_OIDC_CLIENT)}
	if next := all.GetNextPageToken(); next != "" {
		p.More = page.Root + "applications?" + url.Values{"after": {next}}.Encode()
	}
	return c.Render(http.StatusOK, "applications", "Applications", p)
}

// written is what somebody has written of an application.
type written struct {
	ID, Name, Redirects  string
	Public               bool
	Problem, ProblemNext string
}

func writtenIn(c *page.Call) written {
	return written{ID: c.Field("id"), Name: c.Field("name"), Redirects: c.Field("redirects"), Public: c.Field("public") != ""}
}

func newApplication(c *page.Call) error {
	return c.Render(http.StatusOK, "application-new", "Register an application", written{})
}

func createApplication(c *page.Call) error {
	w := writtenIn(c)
	made, err := c.API.Pach.CreateOIDCClient(c.Context, &pach.CreateOIDCClientRequest{
		Client: &identity.OIDCClient{Id: w.ID, Name: w.Name, RedirectUris: strings.Fields(w.Redirects)}, Public: w.Public,
	})
	switch status.Code(err) {
	case codes.OK:
		return c.Render(http.StatusOK, "application-secret", "The application is registered", made.GetClient())
	case codes.InvalidArgument, codes.AlreadyExists, codes.FailedPrecondition:
		w.Problem, w.ProblemNext = page.Words(err)
		return c.Render(http.StatusUnprocessableEntity, "application-new", "Register an application", w)
	}
	return err
}

type applicationPage struct {
	*pach.GetOIDCClientResponse
	written
	MayChange, MayDelete bool
	Issuer               string
}

func application(c *page.Call) error {
	p, err := loadApplication(c)
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "application", p.GetClient().GetName(), p)
}

func loadApplication(c *page.Call) (p applicationPage, err error) {
	found, err := c.API.Pach.GetOIDCClient(c.Context, &pach.GetOIDCClientRequest{Id: c.R.PathValue("id")})
	if err != nil {
		return p, err
	}
	found.GetClient().Secret = ""
	known, err := c.API.Pach.GetSignIn(c.Context, &pach.GetSignInRequest{})
	p = applicationPage{
		GetOIDCClientResponse: found, Issuer: known.GetIssuer(),
		MayChange: c.May(auth.Permission_CLUSTER_IDENTITY_UPDATE_OIDC_CLIENT) && !found.GetManaged(),
		MayDelete: c.May(auth.Permission_CLUSTER_IDENTITY_DELETE_OIDC_CLIENT) && !found.GetManaged(),
	}
	p.written = written{Name: found.GetClient().GetName(), Redirects: strings.Join(found.GetClient().GetRedirectUris(), "\n")}
	return p, err
}

func changeApplication(c *page.Call) error {
	id, w := c.R.PathValue("id"), writtenIn(c)
	_, err := c.API.Pach.UpdateOIDCClient(c.Context, &pach.UpdateOIDCClientRequest{
		Id: id, Name: w.Name, RedirectUris: &pach.StringList{Values: strings.Fields(w.Redirects)},
	})
	switch status.Code(err) {
	case codes.OK:
		return c.Done(at(id), "client")
	case codes.InvalidArgument, codes.FailedPrecondition:
		p, failed := loadApplication(c)
		if failed != nil {
			return failed
		}
		p.written = w
		p.Problem, p.ProblemNext = page.Words(err)
		return c.Render(http.StatusUnprocessableEntity, "application", p.GetClient().GetName(), p)
	}
	return err
}

func newSecret(c *page.Call) error {
	id := c.R.PathValue("id")
	made, err := c.API.Pach.UpdateOIDCClient(c.Context, &pach.UpdateOIDCClientRequest{Id: id, NewSecret: true})
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "application-secret", "A new secret", &identity.OIDCClient{Id: id, Name: id, Secret: made.GetSecret()})
}

func deleteApplication(c *page.Call) error {
	if _, err := c.API.Identity.DeleteOIDCClient(c.Context, &identity.DeleteOIDCClientRequest{Id: c.R.PathValue("id")}); err != nil {
		return err
	}
	return c.Done(page.Root+"applications", "deleted")
}
