package dex

import (
	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/linkedin"

	"pachyderm/internal/connector/probe"
)

type linkedinDoc struct {
	ClientID     string `json:"clientID" rule:"required" doc:"client ID of the application"`
	ClientSecret string `json:"clientSecret" rule:"required,secret" doc:"client secret of the application"`
	RedirectURI  string `json:"redirectURI" rule:"required,callback" doc:"the redirect URL registered with the application"`
}

func (c *linkedinDoc) open(id string, d Deps) (dexconn.Connector, error) {
	out := linkedin.Config{ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI}
	return out.Open(id, d.Log)
}

func (c *linkedinDoc) site() probe.Site {
	const base = "https://www.linkedin.com"
	return probe.Site{
		Base: base, Issuer: base, AuthURL: base + "/oauth/v2/authorization", TokenURL: base + "/oauth/v2/accessToken",
		Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI},
	}
}
