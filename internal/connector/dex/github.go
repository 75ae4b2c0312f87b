package dex

import (
	"cmp"
	"strings"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/github"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/refuse"
)

type githubDoc struct {
	ClientID     string      `json:"clientID" rule:"required" doc:"client ID of the OAuth App"`
	ClientSecret string      `json:"clientSecret" rule:"required,secret" doc:"client secret of the OAuth App"`
	RedirectURI  string      `json:"redirectURI" rule:"required,callback" doc:"the authorization callback URL registered with the app"`
	Orgs         []githubOrg `json:"orgs" doc:"only members of these organisations may sign in; default: everyone on GitHub"`
	Org          string      `json:"org" doc:"older form of orgs, for one organisation"`
	HostName     string      `json:"hostName" rule:"dest" doc:"host of GitHub Enterprise Server, without https://"`
	RootCA       string      `json:"rootCA" rule:"file" doc:"file on the server with the CA certificate of hostName, in PEM"`

	TeamNameField        string `json:"teamNameField" oneof:"name slug both" doc:"how the group of a team is named: by name, slug or both"`
	LoadAllGroups        bool   `json:"loadAllGroups" doc:"read the groups of all organisations; not with orgs"`
	UseLoginAsID         bool   `json:"useLoginAsID" doc:"identify people by their login, which they can change, instead of their number"`
	PreferredEmailDomain string `json:"preferredEmailDomain" doc:"of several addresses, take the one in this domain, such as *.example.com"`
}

type githubOrg struct {
	Name  string   `json:"name" rule:"required" doc:"login of the organisation"`
	Teams []string `json:"teams" doc:"only members of these teams may sign in; default: all members of the organisation"`
}

func (c *githubDoc) open(id string, d Deps) (dexconn.Connector, error) {
	switch {
	case c.Org != "" && len(c.Orgs) > 0:
		return nil, refuse.Config("org", "both org and orgs are set").
			Next("remove org")
	case strings.ContainsAny(c.HostName, "/@"):
		return nil, refuse.Config("hostName", "hostName is the host alone, without https:// and path, such as github.example.com")
	case c.RootCA != "" && c.HostName == "":
		return nil, refuse.Config("rootCA", "rootCA is for GitHub Enterprise Server").
			Next("set hostName too, or remove rootCA")
	case c.LoadAllGroups && (c.Org != "" || len(c.Orgs) > 0):
		return nil, refuse.Config("loadAllGroups", "loadAllGroups has no effect with orgs").
			Next("remove one of them")
	}
	out := github.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI,
		Org: c.Org, HostName: c.HostName, RootCA: c.RootCA,
		TeamNameField: c.TeamNameField, LoadAllGroups: c.LoadAllGroups, UseLoginAsID: c.UseLoginAsID,
		PreferredEmailDomain: c.PreferredEmailDomain,
	}
	for _, o := range c.Orgs {
		out.Orgs = append(out.Orgs, github.Org{Name: o.Name, Teams: o.Teams})
	}
	return out.Open(id, d.Log)
}

func (c *githubDoc) site() probe.Site {
	base := "https://" + cmp.Or(c.HostName, "github.com")
	return probe.Site{
		Base: base, Issuer: base, RootCAs: nonEmpty(c.RootCA),
		OAuth: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: c.RedirectURI,
			Endpoint: oauth2.Endpoint{AuthURL: base + "/login/oauth/authorize", TokenURL: base + "/login/oauth/access_token"},
		},
	}
}
