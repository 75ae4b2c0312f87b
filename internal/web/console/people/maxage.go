package people

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/fault"
	"pachyderm/internal/web/console/page"
)

// limits are the rules about how old the fact may be that somebody is in a group.
type limits []*pach.MaxAge

func readLimits(c *page.Call) (limits, error) {
	all, err := c.API.Pach.ListMaxAges(c.Context, &pach.ListMaxAgesRequest{})
	return all.GetRules(), err
}

// Of is the rule for what a principal has on a resource, or nil.
func (l limits) Of(who string, on *auth.Resource) *pach.MaxAge {
	for _, r := range l {
		if r.GetPrincipal() == who && r.GetResource().GetType() == on.GetType() && r.GetResource().GetName() == on.GetName() {
			return r
		}
	}
	return nil
}

// maxAge is the form for such a rule.
type maxAge struct {
	Age, Grace string
	Was        string // the rule that the page shows
	Problem    string
	Next       string
}

// ageOf is the form as a rule fills it in; nil is no limit.
func ageOf(r *pach.MaxAge) (m maxAge) {
	if r != nil {
		m.Age = page.Span(r.GetMaxAge())
		if r.GetGrace().AsDuration() > 0 {
			m.Grace = page.Span(r.GetGrace())
		}
	}
	m.Was = m.Age + " " + m.Grace
	return m
}

// rule is what was filled in; empty fields are no limit and no grace. Fault: Invalid.
func (m maxAge) rule(p grantPage) (*pach.SetMaxAgeRequest, error) {
	age, err := spanOf(m.Age)
	if err != nil {
		return nil, err
	}
	grace, err := spanOf(m.Grace)
	if err == nil && age == 0 && grace > 0 {
		err = fault.New(fault.Invalid, "a grace without a limit says nothing").Next("write how old the fact may be, or leave both out")
	}
	return &pach.SetMaxAgeRequest{
		Resource: p.resource(), Principal: p.Principal, MaxAge: durationpb.New(age), Grace: durationpb.New(grace),
	}, err
}

func spanOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	if err != nil || d < 0 {
		return 0, fault.New(fault.Invalid, "%q is no time", fault.Clean(text, 40)).Next("write it as 30m or 24h")
	}
	return d, nil
}

// setMaxAge makes the rule of a group on a resource what was written, unless somebody
// else has changed it since the page was loaded.
func setMaxAge(c *page.Call) error {
	p := grantPage{Principal: c.Field("principal"), Type: c.Field("type"), Name: c.Field("name")}
	set := func(c *page.Call) error { return setMaxAgeNow(c, p) }
	if p.Type == "CLUSTER" {
		return page.Dangerous(func(*page.Call) string { return p.path() }, set)(c)
	}
	return set(c)
}

func setMaxAgeNow(c *page.Call, p grantPage) error {
	all, err := readLimits(c)
	if err != nil {
		return err
	}
	if ageOf(all.Of(p.Principal, p.resource())).Was != c.R.PostForm.Get("was") {
		p.Changed = true
		return showGrant(c, http.StatusConflict, p)
	}
	m := &maxAge{Age: c.Field("age"), Grace: c.Field("grace"), Was: c.R.PostForm.Get("was")}
	req, err := m.rule(p)
	if err == nil {
		_, err = c.API.Pach.SetMaxAge(c.Context, req)
	}
	if err == nil {
		return c.Done(page.Root+"access?"+url.Values{"principal": {p.Principal}}.Encode(), "max-age")
	}
	if !page.Mendable(err) {
		return err
	}
	m.Problem, m.Next = page.Words(err)
	p.MaxAge = m
	return showGrant(c, http.StatusUnprocessableEntity, p)
}
