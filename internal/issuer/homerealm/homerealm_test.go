package homerealm_test

import (
	"maps"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/issuer/homerealm"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/web"
)

func row(id, name string, domains ...any) registry.Row {
	var r registry.Row
	r.ID, r.Name, r.Config = id, name, map[string]any{}
	if domains != nil {
		r.Config["emailDomains"] = domains
	}
	return r
}

func rows() []registry.Row {
	return []registry.Row{
		row("one", "One", "one.example.com", "Müller.example"),
		row("two", "Two", "two.example.com", "shared.example.com"),
		row("three", "Three", "shared.example.com"),
	}
}

// question is one at /dex/auth, when every connector answers.
func question(rows []registry.Row, params map[string]string) homerealm.Question {
	form := url.Values{"state": {"s"}}
	for k, v := range params {
		form.Set(k, v)
	}
	return homerealm.Question{Form: form, Rows: rows, Path: "/dex/auth", Down: func(registry.Row) bool { return false }}
}

func TestQuestion_Choose(t *testing.T) {
	for name, test := range map[string]struct {
		params  map[string]string
		allowed []string
		want    string // the connector; "" where the person is asked
		unknown string // the domain that the page says nobody has
	}{
		"nothing known":         {},
		"their address":         {params: map[string]string{"login_hint": "ann@one.example.com"}, want: "one"},
		"in capitals":           {params: map[string]string{"login_hint": "Ann@ONE.Example.Com"}, want: "one"},
		"beyond ASCII":          {params: map[string]string{"login_hint": "ann@müller.example"}, want: "one"},
		"a domain below theirs": {params: map[string]string{"login_hint": "ann@evil.one.example.com"}, unknown: "evil.one.example.com"},
		"a domain with a tail":  {params: map[string]string{"login_hint": "ann@one.example.com.evil.example"}, unknown: "one.example.com.evil.example"},
		"a hint of the domain":  {params: map[string]string{"domain_hint": "two.example.com"}, want: "two"},
		"the address counts":    {params: map[string]string{"login_hint": "ann@one.example.com", "domain_hint": "two.example.com"}, want: "one"},
		"no address":            {params: map[string]string{"login_hint": "ann"}},
		"a domain of two":       {params: map[string]string{"login_hint": "ann@shared.example.com"}},
		"of which one is left":  {params: map[string]string{"login_hint": "ann@shared.example.com"}, allowed: []string{"one", "three"}, want: "three"},
		"a name":                {params: map[string]string{"connector_id": "three", "login_hint": "ann@one.example.com"}, want: "three"},
		"an unknown name":       {params: map[string]string{"connector_id": "four"}},
		"a name not allowed":    {params: map[string]string{"connector_id": "three"}, allowed: []string{"one", "two"}},
		"one is allowed":        {params: map[string]string{"login_hint": "ann@two.example.com"}, allowed: []string{"one"}, want: "one"},
	} {
		t.Run(name, func(t *testing.T) {
			q := question(rows(), test.params)
			q.Allowed = test.allowed
			to, page := q.Choose()
			if test.want == "" {
				if to != "" || len(page.Choices) < 2 || page.Email == nil || page.Email.Unknown != test.unknown {
					t.Errorf("led to %q, page %+v with %+v", to, page, page.Email)
				}
				return
			}
			u, err := url.Parse(to)
			if err != nil || u.Path != "/dex/auth/"+test.want || u.Query().Get("state") != "s" || u.Query().Has("connector_id") {
				t.Errorf("led to %q, %v", to, err)
			}
		})
	}
}

func TestQuestion_OneConnector(t *testing.T) {
	if to, _ := question(rows()[:1], nil).Choose(); to != "/dex/auth/one?state=s" {
		t.Errorf("led to %q", to)
	}
	q := question(rows(), nil)
	q.Allowed = []string{"four"}
	if to, page := q.Choose(); to != "" || len(page.Choices) != 0 {
		t.Errorf("with none allowed: led to %q, page %+v", to, page)
	}
}

// What the person took last stands first, and what does not answer last.
func TestQuestion_Order(t *testing.T) {
	q := question(rows(), map[string]string{"login_hint": "ann@else.example.com"})
	q.Last, q.Down = "two", func(r registry.Row) bool { return r.ID == "one" }
	_, page := q.Choose()
	want := []web.Choice{
		{URL: "/dex/auth/two?login_hint=ann%40else.example.com&state=s", Name: "Two", Last: true},
		{URL: "/dex/auth/three?login_hint=ann%40else.example.com&state=s", Name: "Three"},
		{URL: "/dex/auth/one?login_hint=ann%40else.example.com&state=s", Name: "One", Down: true},
	}
	if diff := cmp.Diff(want, page.Choices); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := slices.Sorted(maps.Keys(page.Email.Fields)); page.Email.Action != "/dex/auth" || !slices.Equal(got, []string{"state"}) || page.Email.Value != "ann@else.example.com" {
		t.Errorf("the question for an address: %+v", page.Email)
	}
	if _, page := question([]registry.Row{row("a", "A"), row("b", "B")}, nil).Choose(); page.Email != nil || len(page.Choices) != 2 {
		t.Errorf("where nobody has a domain: %+v", page)
	}
}
