package homerealm

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/dexidp/dex/server/connectors"

	"pachyderm/internal/connector"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/web"
)

// Parameters of the authorization request: of OpenID Connect Core, 3.1.2.1; of
// Dex; and of what Microsoft and others call the domain of a person.
const (
	loginHint = "login_hint"
	// ConnectorID names the connector to sign in with.
	ConnectorID = "connector_id"
	domainHint  = "domain_hint"
)

// Question is one authorization request that names no connector, or none yet.
type Question struct {
	Form    url.Values
	Rows    []registry.Row // all connectors
	Allowed []string       // ids that the client may use; empty for all
	Down    func(registry.Row) bool
	Last    string // id that this browser took last
	Path    string // of the authorization endpoint
}

// Choose returns where a login with the connector begins that answers the
// question, or else the page that asks the person. A page without choices means
// that there is no connector for this client.
func (q Question) Choose() (to string, page web.Choose) {
	rows := slices.DeleteFunc(slices.Clone(q.Rows), func(r registry.Row) bool { return !connectors.ConnectorAllowed(q.Allowed, r.ID) })
	if id := q.Form.Get(ConnectorID); id != "" && slices.ContainsFunc(rows, func(r registry.Row) bool { return r.ID == id }) {
		return q.at(id), page
	}
	hint := q.Form.Get(loginHint)
	domain := connector.DomainOf(hint)
	if domain == "" {
		domain = connector.DomainOf("anybody@" + q.Form.Get(domainHint))
	}
	domains := map[string]string{} // to the connector, or "" for several
	for _, r := range rows {
		names, _ := connector.EmailDomains(r.Config) // checked when it was stored
		for _, name := range names {
			if _, taken := domains[name]; taken {
				domains[name] = ""
			} else {
				domains[name] = r.ID
			}
		}
	}
	if id := domains[domain]; domain != "" && id != "" {
		return q.at(id), page
	}
	if len(rows) == 1 {
		return q.at(rows[0].ID), page
	}
	page.Choices = q.choices(rows)
	if len(domains) > 0 {
		page.Email = &web.EmailFirst{Action: q.Path, Fields: single(q.Form), Value: hint}
		if _, shared := domains[domain]; domain != "" && !shared {
			page.Email.Unknown = domain
		}
	}
	return "", page
}

// at is where a login with a connector begins.
func (q Question) at(id string) string {
	form := maps.Clone(q.Form)
	form.Del(ConnectorID)
	return q.Path + "/" + url.PathEscape(id) + "?" + form.Encode()
}

// choices puts what was taken last first, and what does not answer last.
func (q Question) choices(rows []registry.Row) []web.Choice {
	var out []web.Choice
	for _, r := range rows {
		out = append(out, web.Choice{URL: q.at(r.ID), Name: r.Name, Last: r.ID == q.Last, Down: q.Down(r)})
	}
	rank := func(c web.Choice) int {
		switch {
		case c.Down:
			return 2
		case c.Last:
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b web.Choice) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// single is a form without what the person types and chooses.
func single(form url.Values) map[string]string {
	out := map[string]string{}
	for name := range form {
		if name != loginHint && name != ConnectorID {
			out[name] = form.Get(name)
		}
	}
	return out
}
