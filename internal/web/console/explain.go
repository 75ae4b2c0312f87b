package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/web/console/page"
)

type explainPage struct {
	Others, MayGrant                  bool
	Permissions, Types                []string
	Principal, Permission, Type, Name string
	// When is the moment in question as it was written, or as the field has it; empty
	// for now.
	When          string
	At            time.Time // zero for now
	Answer        *pach.ExplainResponse
	Problem, Next string
}

// Now is the same question about now.
func (p explainPage) Now() string {
	return page.Root + "explain?" + url.Values{
		"principal": {p.Principal}, "permission": {p.Permission}, "type": {p.Type}, "name": {p.Name},
	}.Encode()
}

// explain asks the engine that decides.
func explain(c *page.Call) error {
	p := explainPage{
		Others:   c.May(auth.Permission_CLUSTER_AUTH_GET_PERMISSIONS_FOR_PRINCIPAL),
		MayGrant: c.May(auth.Permission_CLUSTER_MODIFY_BINDINGS),
		Types:    []string{"CLUSTER", "PROJECT", "REPO"}, Permissions: permissions(),
		Principal: c.Query("principal"), Permission: c.Query("permission"), Type: c.Query("type"), Name: c.Query("name"), When: c.Query("at"),
	}
	code := http.StatusOK
	if err := p.ask(c); err != nil {
		if !page.Mendable(err) {
			return err
		}
		p.Problem, p.Next = page.Words(err)
		code = http.StatusUnprocessableEntity
	}
	return c.Render(code, "explain", "Explain", p)
}

// ask fills in the answer, if there is a question.
func (p *explainPage) ask(c *page.Call) (err error) {
	if p.Permission == "" {
		return nil
	}
	req := &pach.ExplainRequest{
		Principal: p.Principal, Permission: auth.Permission(auth.Permission_value[p.Permission]),
		Resource: &auth.Resource{Type: auth.ResourceType(auth.ResourceType_value[p.Type]), Name: p.Name},
	}
	if p.When != "" {
		if p.At, err = page.Moment(p.When); err != nil {
			return err
		}
		p.When, req.At = page.MomentField(p.At), timestamppb.New(p.At)
	}
	p.Answer, err = c.API.Pach.Explain(c.Context, req)
	return err
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
