package dex

import (
	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/openshift"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector/probe"
)

type openshiftDoc struct {
	Issuer       string   `json:"issuer" rule:"required,url" doc:"address of the cluster's API server"`
	ClientID     string   `json:"clientID" rule:"required" doc:"OAuth client, or service account as system:serviceaccount:NAMESPACE:NAME"`
	ClientSecret string   `json:"clientSecret" rule:"required,secret" doc:"secret of the OAuth client, or token of the service account"`
	RedirectURI  string   `json:"redirectURI" rule:"required,callback" doc:"the redirect URI registered with the client"`
	Groups       []string `json:"groups" doc:"only members of these groups may sign in; default: everyone in the cluster"`
	InsecureCA   bool     `json:"insecureCA" doc:"accept any certificate, and so any impostor; for a first test"`
	RootCA       string   `json:"rootCA" rule:"file" doc:"file on the server with the cluster's CA certificate, in PEM"`
}

func (c *openshiftDoc) open(id string, d Deps) (dexconn.Connector, error) { //nolint:unparam // as all documents
	return &lazy{now: d.Now, open: func() (dexconn.Connector, error) {
		out := openshift.Config{
			Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI,
			Groups: c.Groups, InsecureCA: c.InsecureCA, RootCA: c.RootCA,
		}
		return out.Open(id, d.Log)
	}}, nil
}

func (c *openshiftDoc) site() probe.Site {
	return probe.Site{
		Base: c.Issuer, Issuer: c.Issuer, OAuth: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: c.RedirectURI,
		},
		RootCAs: nonEmpty(c.RootCA), AnyCA: c.InsecureCA,
	}
}
