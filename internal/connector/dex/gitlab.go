package dex

import (
	"cmp"
	"strings"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/gitlab"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/probe"
)

type gitlabDoc struct {
	BaseURL      string   `json:"baseURL" rule:"url" doc:"address of the GitLab server; default: https://gitlab.com"`
	ClientID     string   `json:"clientID" rule:"required" doc:"application ID"`
	ClientSecret string   `json:"clientSecret" rule:"required,secret" doc:"secret of the application"`
	RedirectURI  string   `json:"redirectURI" rule:"required,callback" doc:"the redirect URI registered with the application"`
	Groups       []string `json:"groups" doc:"only members of these groups, by full path, may sign in; default: everyone"`
	RootCAData   string   `json:"rootCAData" rule:"lines" doc:"CA certificates of baseURL, as PEM text or base64 of it"`

	UseLoginAsID        bool `json:"useLoginAsID" doc:"identify people by their user name, which they can change, instead of their number"`
	GetGroupsPermission bool `json:"getGroupsPermission" doc:"add groups such as team:owner for a person's level in a group"`
	InheritedGroups     bool `json:"inheritedGroups" doc:"add inherited groups, which a person is in through a parent group"`
}

func (c *gitlabDoc) open(id string, d Deps) (dexconn.Connector, error) {
	roots, err := document.PEM("rootCAData", c.RootCAData)
	if err != nil {
		return nil, err
	}
	out := gitlab.Config{
		BaseURL: c.BaseURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI, Groups: c.Groups,
		UseLoginAsID: c.UseLoginAsID, GetGroupsPermission: c.GetGroupsPermission, InheritedGroups: c.InheritedGroups, RootCAData: roots,
	}
	return out.Open(id, d.Log)
}

func (c *gitlabDoc) site() probe.Site {
	roots, _ := document.PEM("rootCAData", c.RootCAData) // open refuses what is none
	base := strings.TrimSuffix(cmp.Or(c.BaseURL, "https://gitlab.com"), "/")
	return probe.Site{
		Base: base, Issuer: base, RootCAs: nonEmpty(string(roots)),
		OAuth: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: c.RedirectURI,
			Endpoint: oauth2.Endpoint{AuthURL: base + "/oauth/authorize", TokenURL: base + "/oauth/token"},
		},
	}
}
