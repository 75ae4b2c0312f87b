package dex

import (
	"cmp"
	"strings"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/gitea"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector/probe"
)

type giteaDoc struct {
	BaseURL       string      `json:"baseURL" rule:"url" doc:"address of the Gitea or Forgejo server; default: https://gitea.com"`
	ClientID      string      `json:"clientID" rule:"required" doc:"client ID of the OAuth2 application"`
	ClientSecret  string      `json:"clientSecret" rule:"required,secret" doc:"client secret of the OAuth2 application"`
	RedirectURI   string      `json:"redirectURI" rule:"required,callback" doc:"the redirect URI registered with the application"`
	Orgs          []githubOrg `json:"orgs" doc:"only members of these organisations may sign in; default: everyone"`
	LoadAllGroups bool        `json:"loadAllGroups" doc:"read the groups of all organisations, not only of those in orgs"`
	UseLoginAsID  bool        `json:"useLoginAsID" doc:"identify people by their login, which they can change, instead of their number"`
}

func (c *giteaDoc) open(id string, d Deps) (dexconn.Connector, error) {
	out := gitea.Config{
		BaseURL: c.BaseURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI,
		LoadAllGroups: c.LoadAllGroups, UseLoginAsID: c.UseLoginAsID,
	}
	for _, o := range c.Orgs {
		out.Orgs = append(out.Orgs, gitea.Org{Name: o.Name, Teams: o.Teams})
	}
	return out.Open(id, d.Log)
}

func (c *giteaDoc) site() probe.Site {
	base := strings.TrimSuffix(cmp.Or(c.BaseURL, "https://gitea.com"), "/")
	return probe.Site{
		Base: base, Issuer: base,
		OAuth: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: c.RedirectURI,
			Endpoint: oauth2.Endpoint{AuthURL: base + "/login/oauth/authorize", TokenURL: base + "/login/oauth/access_token"},
		},
	}
}
