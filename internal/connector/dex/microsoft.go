package dex

import (
	"cmp"
	"net/url"
	"strings"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/microsoft"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/refuse"
)

type microsoftDoc struct {
	ClientID        string `json:"clientID" rule:"required" doc:"application (client) ID"`
	ClientSecret    string `json:"clientSecret" rule:"secret" doc:"client secret value; or clientAssertion"`
	ClientAssertion string `json:"clientAssertion" rule:"file,sent" doc:"file on the server with a client assertion (workload identity), instead of a secret"`
	RedirectURI     string `json:"redirectURI" rule:"required,callback" doc:"the redirect URI of platform Web of the app registration"`
	Tenant          string `json:"tenant" doc:"directory (tenant) ID or domain; unless given it is common, which lets in anybody with a Microsoft account"`

	Groups               []string `json:"groups" doc:"groups whose members may sign in; anybody in the tenant unless given"`
	OnlySecurityGroups   bool     `json:"onlySecurityGroups" doc:"take security groups only"`
	GroupNameFormat      string   `json:"groupNameFormat" oneof:"id name" doc:"what a group is called: its object id, which never changes, or its name"`
	UseGroupsAsWhitelist bool     `json:"useGroupsAsWhitelist" doc:"of a person's groups take those in groups only"`
	BatchGroupLookups    bool     `json:"batchGroupLookups" doc:"ask Graph for the names of many groups at once"`

	EmailToLowercase       bool     `json:"emailToLowercase" doc:"write addresses in small letters"`
	APIURL                 string   `json:"apiURL" rule:"url" doc:"sign-in address of a national cloud; https://login.microsoftonline.com unless given"`
	GraphURL               string   `json:"graphURL" rule:"url" doc:"Graph address of a national cloud; https://graph.microsoft.com unless given"`
	PromptType             string   `json:"promptType" doc:"sent as prompt, such as select_account"`
	DomainHint             string   `json:"domainHint" doc:"sent as domain_hint, to skip Microsoft's choice of account"`
	Scopes                 []string `json:"scopes" doc:"asked for; openid profile email unless given"`
	PreferredUsernameField string   `json:"preferredUsernameField" oneof:"name email mailNickname onPremisesSamAccountName" doc:"field that is the short name"`
}

func (c *microsoftDoc) open(id string, d Deps) (dexconn.Connector, error) {
	if (c.ClientSecret == "") == (c.ClientAssertion == "") {
		return nil, refuse.Config("clientSecret", "give clientSecret, or clientAssertion with workload identity: one of them")
	}
	out := microsoft.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, ClientAssertion: c.ClientAssertion, RedirectURI: c.RedirectURI, Tenant: c.Tenant,
		OnlySecurityGroups: c.OnlySecurityGroups, Groups: c.Groups, GroupNameFormat: microsoft.GroupNameFormat(c.GroupNameFormat),
		UseGroupsAsWhitelist: c.UseGroupsAsWhitelist, EmailToLowercase: c.EmailToLowercase, BatchGroupLookups: c.BatchGroupLookups,
		APIURL: c.APIURL, GraphURL: c.GraphURL, PromptType: c.PromptType, DomainHint: c.DomainHint, Scopes: c.Scopes, PreferredUsernameField: c.PreferredUsernameField,
	}
	return out.Open(id, d.Log)
}

func (c *microsoftDoc) site() probe.Site {
	base := strings.TrimSuffix(cmp.Or(c.APIURL, "https://login.microsoftonline.com"), "/") + "/" + url.PathEscape(cmp.Or(c.Tenant, "common"))
	return probe.Site{
		Base: base, Issuer: base, AuthURL: base + "/oauth2/v2.0/authorize", TokenURL: base + "/oauth2/v2.0/token",
		Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI},
	}
}
