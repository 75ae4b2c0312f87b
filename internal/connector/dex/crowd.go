package dex

import (
	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/atlassiancrowd"

	"pachyderm/internal/connector/probe"
)

type crowdDoc struct {
	BaseURL                string   `json:"baseURL" rule:"required,url" doc:"address of Crowd, such as https://crowd.example.com/crowd"`
	ClientID               string   `json:"clientID" rule:"required" doc:"name of the Crowd application"`
	ClientSecret           string   `json:"clientSecret" rule:"required,secret" doc:"password of the Crowd application"`
	Groups                 []string `json:"groups" doc:"only members of these groups may sign in; default: everyone"`
	PreferredUsernameField string   `json:"preferredUsernameField" oneof:"key name email" doc:"field that is the short name"`
	UsernamePrompt         string   `json:"usernamePrompt" doc:"label of the user name on the sign-in page; default: Username"`
}

func (c *crowdDoc) open(id string, d Deps) (dexconn.Connector, error) {
	out := atlassiancrowd.Config{
		BaseURL: c.BaseURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Groups: c.Groups,
		PreferredUsernameField: c.PreferredUsernameField, UsernamePrompt: c.UsernamePrompt,
	}
	return out.Open(id, d.Log)
}

func (c *crowdDoc) site() probe.Site { return probe.Site{Base: c.BaseURL, Issuer: c.BaseURL} }
