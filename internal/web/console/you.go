package console

import (
	"net/http"

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
