package console

import (
	"net/http"
	"slices"
	"strings"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

type youPage struct {
	Session *pach.GetSessionResponse
	Roles   []string
	Tokens  []*pach.Token
	Refresh []*pach.RefreshToken
	Here    string // the id of the session of this browser
	Pachctl string
}

// you shows people who they are, how that is known and what they hold.
func you(c *page.Call) error {
	have, err := c.API.Auth.GetPermissions(c.Context, &auth.GetPermissionsRequest{Resource: page.Cluster()})
	if err != nil {
		return err
	}
	tokens, err := c.API.Pach.ListTokens(c.Context, &pach.ListTokensRequest{Principal: c.Me(), PageSize: page.PageSize})
	if err != nil {
		return err
	}
	refresh, err := c.API.Pach.ListRefreshTokens(c.Context, &pach.ListRefreshTokensRequest{Principal: c.Me(), PageSize: page.PageSize})
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "you", "You", youPage{
		Session: c.Session, Roles: have.GetRoles(), Tokens: tokens.GetTokens(), Refresh: refresh.GetRefreshTokens(),
		Here: c.Session.GetSession().GetId(), Pachctl: c.GRPC(c.R),
	})
}

func endSession(c *page.Call) error {
	id := c.Field("id")
	if id == c.Session.GetSession().GetId() {
		return signOut(c)
	}
	if _, err := c.API.Pach.RevokeSession(c.Context, &pach.RevokeSessionRequest{Id: id}); err != nil {
		return err
	}
	return c.Done(page.Root, "session")
}

type explainPage struct {
	Others, MayGrant                  bool
	Permissions, Types                []string
	Principal, Permission, Type, Name string
	Answer                            *pach.ExplainResponse
}

// explain asks the engine that decides.
func explain(c *page.Call) error {
	p := explainPage{
		Others:   c.May(auth.Permission_CLUSTER_AUTH_GET_PERMISSIONS_FOR_PRINCIPAL),
		MayGrant: c.May(auth.Permission_CLUSTER_MODIFY_BINDINGS),
		Types:    []string{"CLUSTER", "PROJECT", "REPO"}, Permissions: permissions(),
		Principal: c.Query("principal"), Permission: c.Query("permission"), Type: c.Query("type"), Name: c.Query("name"),
	}
	if p.Permission == "" {
		return c.Render(http.StatusOK, "explain", "Explain", p)
	}
	var err error
	p.Answer, err = c.API.Pach.Explain(c.Context, &pach.ExplainRequest{
		Principal: p.Principal, Permission: auth.Permission(auth.Permission_value[p.Permission]),
		Resource: &auth.Resource{Type: auth.ResourceType(auth.ResourceType_value[p.Type]), Name: p.Name},
	})
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "explain", "Explain", p)
}

// permissions are those that there are, by name.
func permissions() (names []string) {
	for n, name := range auth.Permission_name {
		if n != 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
