package people

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

type bindingsPage struct {
	Principal string
	Bindings  []*pach.RoleBinding
	More      string
	MayGrant  bool
	Limits    limits
}

func bindings(c *page.Call) error {
	who := c.Query("principal")
	all, err := c.API.Pach.ListRoleBindings(c.Context, &pach.ListRoleBindingsRequest{
		Principal: who, PageSize: page.PageSize, PageToken: c.Query("after"),
	})
	if err != nil {
		return err
	}
	p := bindingsPage{Principal: who, Bindings: all.GetBindings(), MayGrant: c.May(auth.Permission_CLUSTER_MODIFY_BINDINGS)}
	if p.Limits, err = readLimits(c); err != nil {
		return err
	}
	if next := all.GetNextPageToken(); next != "" {
		p.More = page.Root + "access?" + url.Values{"after": {next}}.Encode()
	}
	return c.Render(http.StatusOK, "access", "Access", p)
}

// role is one that can be granted on a type of resource.
type role struct {
	Name string
	Has  bool
}

type grantPage struct {
	Principal, Type, Name string
	Types                 []string
	Roles                 []role
	Was                   string // the roles that the page shows as granted
	Changed               bool   // by somebody else, since the page was loaded
	// MaxAge is how old the fact may be that somebody is in the group; nil for who is
	// none.
	MaxAge *maxAge
}

// path is where the page is.
func (p grantPage) path() string {
	return page.Root + "access/grant?" + url.Values{"principal": {p.Principal}, "type": {p.Type}, "name": {p.Name}}.Encode()
}

// askGrant shows which roles a principal has on a resource, to be changed.
func askGrant(c *page.Call) error {
	p := grantPage{Principal: c.Query("principal"), Type: c.Query("type"), Name: c.Query("name")}
	return showGrant(c, http.StatusOK, p)
}

func showGrant(c *page.Call, code int, p grantPage) error {
	p.Types = []string{"CLUSTER", "PROJECT", "REPO"}
	if p.Type == "" {
		p.Type = "CLUSTER"
	}
	if p.Principal != "" {
		has, err := rolesOn(c, p)
		if err != nil {
			return err
		}
		all, err := bindable(c, p.resource())
		if err != nil {
			return err
		}
		p.Was = strings.Join(has, ",")
		for _, name := range all {
			p.Roles = append(p.Roles, role{name, slices.Contains(has, name)})
		}
		if err := p.limit(c, has != nil); err != nil {
			return err
		}
	}
	return c.Render(code, "grant", "Grant roles", p)
}

// limit fills in the form of a group that has roles there, or that has a limit still.
func (p *grantPage) limit(c *page.Call, bound bool) error {
	if !strings.HasPrefix(p.Principal, "group:") || p.MaxAge != nil {
		return nil
	}
	all, err := readLimits(c)
	if rule := all.Of(p.Principal, p.resource()); rule != nil || bound {
		m := ageOf(rule)
		p.MaxAge = &m
	}
	return err
}

func (p grantPage) resource() *auth.Resource {
	return &auth.Resource{Type: auth.ResourceType(auth.ResourceType_value[p.Type]), Name: p.Name}
}

// rolesOn are the roles that a principal itself has on the resource, in order.
func rolesOn(c *page.Call, p grantPage) ([]string, error) {
	all, err := bound(c, p.Principal)
	on := p.resource()
	for _, b := range all {
		if b.GetResource().GetType() == on.GetType() && b.GetResource().GetName() == on.GetName() {
			return b.GetRoles(), err
		}
	}
	return nil, err
}

// bindable are the roles that are meant for a type of resource, in order. The
// services list roles by what they permit.
func bindable(c *page.Call, on *auth.Resource) ([]string, error) {
	names := map[string]bool{}
	for permission := range auth.Permission_name {
		if permission == 0 {
			continue
		}
		with, err := c.API.Auth.GetRolesForPermission(c.Context, &auth.GetRolesForPermissionRequest{Permission: auth.Permission(permission)})
		if err != nil {
			return nil, err
		}
		for _, r := range with.GetRoles() {
			if slices.Contains(r.GetCanBeBoundTo(), on.GetType()) {
				names[r.GetName()] = true
			}
		}
	}
	return page.Sorted(names), nil
}

// grant makes the roles of a principal on a resource those that are marked, unless
// somebody else has changed them since the page was loaded.
func grant(c *page.Call) error {
	p := grantPage{Principal: c.Field("principal"), Type: c.Field("type"), Name: c.Field("name")}
	if p.Type == "CLUSTER" {
		return page.Dangerous(func(*page.Call) string { return p.path() }, func(c *page.Call) error { return grantNow(c, p) })(c)
	}
	return grantNow(c, p)
}

func grantNow(c *page.Call, p grantPage) error {
	has, err := rolesOn(c, p)
	if err != nil {
		return err
	}
	if strings.Join(has, ",") != c.Field("was") {
		p.Changed = true
		return showGrant(c, http.StatusConflict, p)
	}
	_, err = c.API.Auth.ModifyRoleBinding(c.Context, &auth.ModifyRoleBindingRequest{
		Resource: p.resource(), Principal: p.Principal, Roles: c.R.PostForm["role"],
	})
	if err != nil {
		return err
	}
	return c.Done(page.Root+"access?"+url.Values{"principal": {p.Principal}}.Encode(), "roles")
}
