package dex

import (
	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/google"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
)

type googleDoc struct {
	ClientID      string   `json:"clientID" rule:"required" doc:"client ID, ending in .apps.googleusercontent.com"`
	ClientSecret  string   `json:"clientSecret" rule:"required,secret" doc:"client secret"`
	RedirectURI   string   `json:"redirectURI" rule:"required,callback" doc:"the authorised redirect URI of the client"`
	HostedDomains []string `json:"hostedDomains" doc:"only people of these Workspace domains may sign in; default: every Google account"`
	Groups        []string `json:"groups" doc:"only members of these groups may sign in; needs domainToAdminEmail; default: everyone"`
	Scopes        []string `json:"scopes" doc:"scopes to request beside openid; default: profile and email"`

	ServiceAccountFilePath string `json:"serviceAccountFilePath" rule:"file" doc:"file with the key of a service account that may read groups"`
	AdminEmail             string `json:"adminEmail" doc:"older form of domainToAdminEmail, for one domain"`

	DomainToAdminEmail map[string]string `json:"domainToAdminEmail" doc:"for each domain, or *, the administrator to read groups as"`

	FetchTransitiveGroupMembership bool    `json:"fetchTransitiveGroupMembership" doc:"add nested groups"`
	PromptType                     *string `json:"promptType" doc:"sent as prompt; default: consent"`
}

func (c *googleDoc) open(id string, d Deps) (dexconn.Connector, error) {
	switch {
	case len(c.Groups) > 0 && len(c.DomainToAdminEmail) == 0 && c.AdminEmail == "":
		return nil, refuse.Config("groups", "groups can be read only with serviceAccountFilePath and domainToAdminEmail").
			Next("set both")
	case c.ServiceAccountFilePath != "" && len(c.DomainToAdminEmail) == 0 && c.AdminEmail == "":
		return nil, refuse.Config("domainToAdminEmail", "serviceAccountFilePath needs domainToAdminEmail, such as {\"*\": admin@example.com}")
	}
	return &lazy{now: d.Now, verified: true, open: func() (dexconn.Connector, error) {
		out := google.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI,
			HostedDomains: c.HostedDomains, Groups: c.Groups, Scopes: c.Scopes, PromptType: c.PromptType,
			AdminEmail:             c.AdminEmail, //nolint:staticcheck // it is in documents that are in use
			ServiceAccountFilePath: c.ServiceAccountFilePath, DomainToAdminEmail: c.DomainToAdminEmail,
			FetchTransitiveGroupMembership: c.FetchTransitiveGroupMembership,
		}
		return out.Open(id, d.Log)
	}}, nil
}

func (c *googleDoc) site() probe.Site {
	const base = "https://accounts.google.com"
	at := oauth2.Endpoint{ //nolint:gosec // addresses that everybody knows
		AuthURL: base + "/o/oauth2/v2/auth", TokenURL: "https://oauth2.googleapis.com/token",
	}
	return probe.Site{
		Base: base, Issuer: base,
		OAuth: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: c.RedirectURI,
			Endpoint: at,
		},
	}
}

func checkVerified(id dexconn.Identity) error {
	if id.EmailVerified {
		return nil
	}
	return fault.New(fault.Denied, "the identity provider does not say that the e-mail address of this account is verified").
		Next("have it verified there")
}
