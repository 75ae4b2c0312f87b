package dex

import (
	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/linkedin"
	"golang.org/x/oauth2"

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
		Base: base, Issuer: base,
		OAuth: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: c.RedirectURI,
			Endpoint: oauth2.Endpoint{AuthURL: base + "/oauth/v2/authorization", TokenURL: base + "/oauth/v2/accessToken"},
		},
	}
}
