package dex

import (
	"cmp"
	"net/url"
	"strings"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/microsoft"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/refuse"
)

type microsoftDoc struct {
	ClientID        string `json:"clientID" rule:"required" doc:"application (client) ID"`
	ClientSecret    string `json:"clientSecret" rule:"secret" doc:"client secret value; or clientAssertion"`
	ClientAssertion string `json:"clientAssertion" rule:"file,sent" doc:"file with a client assertion, for workload identity"`
	RedirectURI     string `json:"redirectURI" rule:"required,callback" doc:"the redirect URI of platform Web of the app registration"`
	Tenant          string `json:"tenant" doc:"directory (tenant) ID or domain; default: common, which admits every Microsoft account"`

	Groups               []string `json:"groups" doc:"only members of these groups may sign in; default: everyone in the tenant"`
	OnlySecurityGroups   bool     `json:"onlySecurityGroups" doc:"read security groups only"`
	GroupNameFormat      string   `json:"groupNameFormat" oneof:"id name" doc:"how a group is named: by its permanent object ID, or by name"`
	UseGroupsAsWhitelist bool     `json:"useGroupsAsWhitelist" doc:"keep only a person's groups that are in groups"`
	BatchGroupLookups    bool     `json:"batchGroupLookups" doc:"ask Graph for the names of many groups at once"`

	EmailToLowercase bool     `json:"emailToLowercase" doc:"convert e-mail addresses to lower case"`
	APIURL           string   `json:"apiURL" rule:"url" doc:"sign-in address of a cloud; default: https://login.microsoftonline.com"`
	GraphURL         string   `json:"graphURL" rule:"url" doc:"Graph address of a cloud; default: https://graph.microsoft.com"`
	PromptType       string   `json:"promptType" doc:"sent as prompt, such as select_account"`
	DomainHint       string   `json:"domainHint" doc:"sent as domain_hint, to skip Microsoft's choice of account"`
	Scopes           []string `json:"scopes" doc:"scopes to request; default: openid, profile and email"`

	PreferredUsernameField string `json:"preferredUsernameField" oneof:"name email mailNickname onPremisesSamAccountName" doc:"the short name"`
}

func (c *microsoftDoc) open(id string, d Deps) (dexconn.Connector, error) {
	if (c.ClientSecret == "") == (c.ClientAssertion == "") {
		return nil, refuse.Config("clientSecret", "one of clientSecret and clientAssertion is needed").
			Next("set clientSecret, or clientAssertion with workload identity")
	}
	out := microsoft.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, ClientAssertion: c.ClientAssertion, RedirectURI: c.RedirectURI, Tenant: c.Tenant,
		OnlySecurityGroups: c.OnlySecurityGroups, Groups: c.Groups, GroupNameFormat: microsoft.GroupNameFormat(c.GroupNameFormat),
		UseGroupsAsWhitelist: c.UseGroupsAsWhitelist, EmailToLowercase: c.EmailToLowercase, BatchGroupLookups: c.BatchGroupLookups,
		APIURL: c.APIURL, GraphURL: c.GraphURL, PromptType: c.PromptType, DomainHint: c.DomainHint, Scopes: c.Scopes,
		PreferredUsernameField: c.PreferredUsernameField,
	}
	return out.Open(id, d.Log)
}

func (c *microsoftDoc) site() probe.Site {
	base := strings.TrimSuffix(cmp.Or(c.APIURL, "https://login.microsoftonline.com"), "/") + "/" + url.PathEscape(cmp.Or(c.Tenant, "common"))
	return probe.Site{
		Base: base, Issuer: base,
		OAuth: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: c.RedirectURI,
			Endpoint: oauth2.Endpoint{AuthURL: base + "/oauth2/v2.0/authorize", TokenURL: base + "/oauth2/v2.0/token"},
		},
	}
}
