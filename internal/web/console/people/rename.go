package people

import (
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

// renamePage is the form for a new name of a person; names are without their kind.
type renamePage struct {
	Name, New     string
	Problem, Next string
	// Known is that somebody has the new name already.
	Known bool
}

func askRename(c *page.Call) error {
	name := c.R.PathValue("name")
	if _, err := person(c, name); err != nil {
		return err
	}
	return showRename(c, http.StatusOK, renamePage{Name: name, New: name})
}

func showRename(c *page.Call, code int, p renamePage) error {
	return c.Render(code, "rename", "Rename "+p.Name, p)
}

// rename gives a person another name. What they wrote may have another form as a name,
// so that they are looked for under it.
func rename(c *page.Call) error {
	p := renamePage{Name: c.R.PathValue("name"), New: strings.TrimPrefix(c.Field("new"), "user:")}
	_, err := c.API.Pach.RenameUser(c.Context, &pach.RenameUserRequest{User: "user:" + p.Name, NewName: "user:" + p.New})
	if err == nil {
		if p.New = strings.ToLower(p.New); !isThere(c, p.New) {
			return c.Done(page.Root+"people?"+url.Values{"prefix": {p.New}}.Encode(), "renamed")
		}
		return c.Done(at(p.New), "renamed")
	}
	if !page.Mendable(err) {
		return err
	}
	p.Problem, p.Next = page.Words(err)
	p.Known = status.Code(err) == codes.AlreadyExists
	return showRename(c, http.StatusUnprocessableEntity, p)
}

func isThere(c *page.Call, name string) bool {
	_, err := person(c, name)
	return err == nil
}
