package people

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/fault"
	"pachyderm/internal/web/console/page"
)

// Routes are the pages, by method and path below the console's.
func Routes() map[string]page.Handler {
	toOne := func(c *page.Call) string { return at(c.R.PathValue("name")) }
	toPreview := func(c *page.Call) string { return pathOfPreview(c.Field("days"), c.Field("after")) }
	toRename := func(c *page.Call) string { return page.Path("people", "of", c.R.PathValue("name"), "rename") }
	return map[string]page.Handler{
		"GET people": list, "GET people/of/{name}": one,
		"POST people/of/{name}/disable": setEnabled(false), "POST people/of/{name}/enable": setEnabled(true),
		"POST people/of/{name}/end":     page.Dangerous(toOne, endAll),
		"POST people/of/{name}/session": endSession,
		"POST people/of/{name}/link":    page.Dangerous(toOne, link), "POST people/of/{name}/unlink": unlink,
		"GET people/unused": listUnused, "GET people/unused/disable": previewUnused,
		"POST people/unused/disable":  page.Dangerous(toPreview, disableUnused),
		"GET people/of/{name}/rename": askRename, "POST people/of/{name}/rename": page.Dangerous(toRename, rename),
		"GET groups": groups, "GET groups/of/{name}": group,
		"GET access": bindings, "GET access/grant": askGrant, "POST access/grant": grant,
		"POST access/max-age": setMaxAge,
	}
}

// at is the page of a person, by the name without its kind.
func at(name string) string { return page.Path("people", "of", name) }

// search is the form above a list, and where the next page is.
type search struct {
	Prefix, More string
}

func searchOf(c *page.Call, path, next string) search {
	s := search{Prefix: c.Query("prefix")}
	if next != "" {
		s.More = page.Root + path + "?" + url.Values{"prefix": {s.Prefix}, "after": {next}}.Encode()
	}
	return s
}

type listPage struct {
	search
	People []*pach.User
}

func list(c *page.Call) error {
	all, err := c.API.Pach.ListUsers(c.Context, &pach.ListUsersRequest{
		PageSize: page.PageSize, PageToken: c.Query("after"), Prefix: c.Query("prefix"),
	})
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "people", "People", listPage{searchOf(c, "people", all.GetNextPageToken()), all.GetUsers()})
}

type onePage struct {
	*pach.User
	Tokens                                []*pach.Token
	Bindings                              []*pach.RoleBinding
	Here                                  string
	IsMe                                  bool
	MayChange, MayEnd, MaySee, MaySession bool
}

// person is whoever has a name, which is given without its kind. Fault: NotFound.
func person(c *page.Call, name string) (*pach.User, error) {
	found, err := c.API.Pach.ListUsers(c.Context, &pach.ListUsersRequest{PageSize: 1, Prefix: name})
	if err != nil {
		return nil, err
	}
	if len(found.GetUsers()) == 0 || found.GetUsers()[0].GetName() != "user:"+name {
		return nil, fault.New(fault.NotFound, "nobody called user:%s has signed in here", name).Next("look in the list of people")
	}
	return found.GetUsers()[0], nil
}

func one(c *page.Call) error {
	name := "user:" + c.R.PathValue("name")
	found, err := person(c, c.R.PathValue("name"))
	if err != nil {
		return err
	}
	p := onePage{
		User: found, Here: c.Session.GetSession().GetId(), IsMe: name == c.Me(),
		MayChange: c.May(auth.Permission_CLUSTER_AUTH_MODIFY_GROUP_MEMBERS), MayEnd: c.May(auth.Permission_CLUSTER_AUTH_REVOKE_USER_TOKENS),
		MaySee: c.May(auth.Permission_CLUSTER_GET_BINDINGS), MaySession: c.May(auth.Permission_CLUSTER_AUTH_EXTRACT_TOKENS),
	}
	if p.MaySession {
		tokens, err := c.API.Pach.ListTokens(c.Context, &pach.ListTokensRequest{Principal: name, PageSize: page.PageSize})
		if err != nil {
			return err
		}
		p.Tokens = tokens.GetTokens()
	}
	if p.MaySee {
		if p.Bindings, err = bound(c, name); err != nil {
			return err
		}
	}
	return c.Render(http.StatusOK, "person", c.R.PathValue("name"), p)
}

// bound are the roles of one principal.
func bound(c *page.Call, principal string) ([]*pach.RoleBinding, error) {
	all, err := c.API.Pach.ListRoleBindings(c.Context, &pach.ListRoleBindingsRequest{Principal: principal})
	return all.GetBindings(), err
}

func setEnabled(enabled bool) page.Handler {
	return func(c *page.Call) error {
		name, done := c.R.PathValue("name"), "disabled"
		if enabled {
			done = "enabled"
		}
		_, err := c.API.Pach.SetUserEnabled(c.Context, &pach.SetUserEnabledRequest{User: "user:" + name, Enabled: enabled})
		if err != nil {
			return err
		}
		return c.Done(at(name), done)
	}
}

type endedPage struct {
	Name            string
	Tokens, Refresh int64
	Took            string
}

// endAll ends everything that a person holds, and says how long it took until that
// held: the call returns when no replica takes any of it any more.
func endAll(c *page.Call) error {
	name, began := c.R.PathValue("name"), c.Now()
	ended, err := c.API.Pach.RevokeAll(c.Context, &pach.RevokeAllRequest{Principal: "user:" + name})
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "person-ended", "Everything ended", endedPage{
		name, ended.GetTokens(), ended.GetRefreshTokens(), fmt.Sprintf("%.1f ms", c.Now().Sub(began).Seconds()*1000),
	})
}

func endSession(c *page.Call) error {
	if _, err := c.API.Pach.RevokeSession(c.Context, &pach.RevokeSessionRequest{Id: c.Field("id")}); err != nil {
		return err
	}
	return c.Done(at(c.R.PathValue("name")), "session")
}

func link(c *page.Call) error {
	name := c.R.PathValue("name")
	_, err := c.API.Pach.LinkIdentity(c.Context, &pach.LinkIdentityRequest{User: "user:" + name, IdentityId: c.Field("id")})
	if err != nil {
		return err
	}
	return c.Done(at(name), "linked")
}

func unlink(c *page.Call) error {
	name := c.R.PathValue("name")
	_, err := c.API.Pach.UnlinkIdentity(c.Context, &pach.UnlinkIdentityRequest{User: "user:" + name, IdentityId: c.Field("id")})
	if err != nil {
		return err
	}
	return c.Done(at(name), "unlinked")
}

type groupsPage struct {
	search
	Groups []*pach.Group
}

func groups(c *page.Call) error {
	all, err := c.API.Pach.ListGroups(c.Context, &pach.ListGroupsRequest{
		PageSize: page.PageSize, PageToken: c.Query("after"), Prefix: c.Query("prefix"),
	})
	if err != nil {
		return err
	}
	return c.Render(http.StatusOK, "groups", "Groups", groupsPage{searchOf(c, "groups", all.GetNextPageToken()), all.GetGroups()})
}

type groupPage struct {
	search
	Name      string // with its kind
	Members   []*pach.Membership
	Bindings  []*pach.RoleBinding
	MayPeople bool
	MaySee    bool
}

func group(c *page.Call) error {
	name := c.R.PathValue("name")
	p := groupPage{
		Name: "group:" + name, MayPeople: c.May(auth.Permission_CLUSTER_AUTH_GET_GROUP_USERS),
		MaySee: c.May(auth.Permission_CLUSTER_GET_BINDINGS),
	}
	if p.MayPeople {
		all, err := c.API.Pach.ListMembers(c.Context, &pach.ListMembersRequest{
			Group: name, PageSize: page.PageSize, PageToken: c.Query("after"),
		})
		if err != nil {
			return err
		}
		p.Members, p.search = all.GetMembers(), searchOf(c, "groups/of/"+url.PathEscape(name), all.GetNextPageToken())
	}
	if p.MaySee {
		var err error
		if p.Bindings, err = bound(c, p.Name); err != nil {
			return err
		}
	}
	return c.Render(http.StatusOK, "group", strings.TrimPrefix(name, "group:"), p)
}
