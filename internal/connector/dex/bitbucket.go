package dex

import (
	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/bitbucketcloud"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/refuse"
)

type bitbucketDoc struct {
	ClientID                string   `json:"clientID" rule:"required" doc:"key of the OAuth consumer"`
	ClientSecret            string   `json:"clientSecret" rule:"required,secret" doc:"secret of the OAuth consumer"`
	RedirectURI             string   `json:"redirectURI" rule:"required,callback" doc:"the callback URL registered with the consumer"`
	Teams                   []string `json:"teams" doc:"only members of these workspaces may sign in; default: everyone on Bitbucket"`
	IncludeTeamGroups       bool     `json:"includeTeamGroups" doc:"not supported: Bitbucket has removed what it needs"`
	GetWorkspacePermissions bool     `json:"getWorkspacePermissions" doc:"add groups such as workspace:owner, for rights in a workspace"`
}

func (c *bitbucketDoc) open(id string, d Deps) (dexconn.Connector, error) {
	if c.IncludeTeamGroups {
		return nil, refuse.Config("includeTeamGroups", "includeTeamGroups has no effect any more, Bitbucket has removed what it needs").
			Next("use getWorkspacePermissions")
	}
	out := bitbucketcloud.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI, Teams: c.Teams,
		GetWorkspacePermissions: c.GetWorkspacePermissions,
	}
	return out.Open(id, d.Log)
}

func (c *bitbucketDoc) site() probe.Site {
	const base = "https://bitbucket.org"
	return probe.Site{
		Base: base, Issuer: base,
		OAuth: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: c.RedirectURI,
			Endpoint: oauth2.Endpoint{AuthURL: base + "/site/oauth2/authorize", TokenURL: base + "/site/oauth2/access_token"},
		},
	}
}
