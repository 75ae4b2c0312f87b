package connector

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/atlassiancrowd"
	"github.com/dexidp/dex/connector/bitbucketcloud"
	"github.com/dexidp/dex/connector/gitea"
	"github.com/dexidp/dex/connector/github"
	"github.com/dexidp/dex/connector/gitlab"
	"github.com/dexidp/dex/connector/google"
	"github.com/dexidp/dex/connector/keystone"
	"github.com/dexidp/dex/connector/linkedin"
	"github.com/dexidp/dex/connector/microsoft"
	"github.com/dexidp/dex/connector/openshift"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

// The documents of Dex's connectors: its keys, with our rules for them.

type githubDoc struct {
	ClientID     string      `json:"clientID" rule:"required" doc:"client ID of the OAuth App"`
	ClientSecret string      `json:"clientSecret" rule:"required,secret" doc:"client secret of the OAuth App"`
	RedirectURI  string      `json:"redirectURI" rule:"required,callback" doc:"the authorization callback URL registered with the app"`
	Orgs         []githubOrg `json:"orgs" doc:"organisations whose members may sign in; anybody on GitHub unless given"`
	Org          string      `json:"org" doc:"older form of orgs, for one organisation"`
	HostName     string      `json:"hostName" rule:"dest" doc:"host of GitHub Enterprise Server, without https://"`
	RootCA       string      `json:"rootCA" rule:"file" doc:"file on the server with the CA certificate of hostName, in PEM"`

	TeamNameField        string `json:"teamNameField" oneof:"name slug both" doc:"what stands for a team in its group: its name, slug or both"`
	LoadAllGroups        bool   `json:"loadAllGroups" doc:"take the groups of all organisations, not of those in orgs only; not with orgs"`
	UseLoginAsID         bool   `json:"useLoginAsID" doc:"identify people by their login, which they can change, and not by their number"`
	PreferredEmailDomain string `json:"preferredEmailDomain" doc:"take the address in this domain, such as example.com or *.example.com, of those that a person has"`
}

type githubOrg struct {
	Name  string   `json:"name" rule:"required" doc:"login of the organisation"`
	Teams []string `json:"teams" doc:"teams of it whose members may sign in; all unless given"`
}

func (c *githubDoc) open(id string, d Deps) (connector.Connector, error) {
	switch {
	case c.Org != "" && len(c.Orgs) > 0:
		return nil, invalid("org", "org and orgs are both given").
			Next("remove org")
	case strings.ContainsAny(c.HostName, "/@"):
		return nil, invalid("hostName", "hostName is the host alone, without https:// and path, such as github.example.com")
	case c.RootCA != "" && c.HostName == "":
		return nil, invalid("rootCA", "rootCA is for GitHub Enterprise Server").
			Next("give hostName too, or remove it")
	case c.LoadAllGroups && (c.Org != "" || len(c.Orgs) > 0):
		return nil, invalid("loadAllGroups", "loadAllGroups has no effect beside orgs").
			Next("remove one of them")
	}
	out := github.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI, Org: c.Org, HostName: c.HostName, RootCA: c.RootCA,
		TeamNameField: c.TeamNameField, LoadAllGroups: c.LoadAllGroups, UseLoginAsID: c.UseLoginAsID, PreferredEmailDomain: c.PreferredEmailDomain,
	}
	for _, o := range c.Orgs {
		out.Orgs = append(out.Orgs, github.Org{Name: o.Name, Teams: o.Teams})
	}
	return out.Open(id, d.Log)
}

func (c *githubDoc) site(Deps) probe.Site {
	base := "https://" + cmp.Or(c.HostName, "github.com")
	return probe.Site{
		Base: base, Issuer: base, AuthURL: base + "/login/oauth/authorize", TokenURL: base + "/login/oauth/access_token",
		Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI}, RootCAs: nonEmpty(c.RootCA),
	}
}

type gitlabDoc struct {
	BaseURL      string   `json:"baseURL" rule:"url" doc:"address of the GitLab server; https://gitlab.com unless given"`
	ClientID     string   `json:"clientID" rule:"required" doc:"application ID"`
	ClientSecret string   `json:"clientSecret" rule:"required,secret" doc:"secret of the application"`
	RedirectURI  string   `json:"redirectURI" rule:"required,callback" doc:"the redirect URI registered with the application"`
	Groups       []string `json:"groups" doc:"groups whose members may sign in, by full path; anybody there unless given"`
	RootCAData   string   `json:"rootCAData" rule:"lines" doc:"CA certificates of baseURL, as PEM text or as base64 of it"`

	UseLoginAsID        bool `json:"useLoginAsID" doc:"identify people by their user name, which they can change, and not by their number"`
	GetGroupsPermission bool `json:"getGroupsPermission" doc:"add groups such as team:owner for a person's level in a group"`
	InheritedGroups     bool `json:"inheritedGroups" doc:"take groups too that a person is in through a group above them"`
}

func (c *gitlabDoc) open(id string, d Deps) (connector.Connector, error) {
	roots, err := pemText("rootCAData", c.RootCAData)
	if err != nil {
		return nil, err
	}
	out := gitlab.Config{
		BaseURL: c.BaseURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI, Groups: c.Groups,
		UseLoginAsID: c.UseLoginAsID, GetGroupsPermission: c.GetGroupsPermission, InheritedGroups: c.InheritedGroups, RootCAData: roots,
	}
	return out.Open(id, d.Log)
}

func (c *gitlabDoc) site(Deps) probe.Site {
	base := strings.TrimSuffix(cmp.Or(c.BaseURL, "https://gitlab.com"), "/")
	return probe.Site{
		Base: base, Issuer: base, AuthURL: base + "/oauth/authorize", TokenURL: base + "/oauth/token",
		Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI}, RootCAs: nonEmpty(c.RootCAData),
	}
}

// pemText takes PEM as it is, or base64 of it as Dex does.
func pemText(path, text string) ([]byte, error) {
	if text == "" || strings.Contains(text, "-----BEGIN") {
		return []byte(text), nil
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !strings.Contains(string(decoded), "-----BEGIN") {
		return nil, invalid(path, "%s is neither PEM nor base64 of it", path).
			Next("give the CA's certificate, beginning with -----BEGIN CERTIFICATE-----")
	}
	return decoded, nil
}

type giteaDoc struct {
	BaseURL       string      `json:"baseURL" rule:"url" doc:"address of the Gitea or Forgejo server; https://gitea.com unless given"`
	ClientID      string      `json:"clientID" rule:"required" doc:"client ID of the OAuth2 application"`
	ClientSecret  string      `json:"clientSecret" rule:"required,secret" doc:"client secret of the OAuth2 application"`
	RedirectURI   string      `json:"redirectURI" rule:"required,callback" doc:"the redirect URI registered with the application"`
	Orgs          []githubOrg `json:"orgs" doc:"organisations whose members may sign in; anybody there unless given"`
	LoadAllGroups bool        `json:"loadAllGroups" doc:"take the groups of all organisations, not of those in orgs only"`
	UseLoginAsID  bool        `json:"useLoginAsID" doc:"identify people by their login, which they can change, and not by their number"`
}

func (c *giteaDoc) open(id string, d Deps) (connector.Connector, error) {
	out := gitea.Config{
		BaseURL: c.BaseURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI, LoadAllGroups: c.LoadAllGroups, UseLoginAsID: c.UseLoginAsID,
	}
	for _, o := range c.Orgs {
		out.Orgs = append(out.Orgs, gitea.Org{Name: o.Name, Teams: o.Teams})
	}
	return out.Open(id, d.Log)
}

func (c *giteaDoc) site(Deps) probe.Site {
	base := strings.TrimSuffix(cmp.Or(c.BaseURL, "https://gitea.com"), "/")
	return probe.Site{
		Base: base, Issuer: base, AuthURL: base + "/login/oauth/authorize", TokenURL: base + "/login/oauth/access_token",
		Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI},
	}
}

type bitbucketDoc struct {
	ClientID                string   `json:"clientID" rule:"required" doc:"key of the OAuth consumer"`
	ClientSecret            string   `json:"clientSecret" rule:"required,secret" doc:"secret of the OAuth consumer"`
	RedirectURI             string   `json:"redirectURI" rule:"required,callback" doc:"the callback URL registered with the consumer"`
	Teams                   []string `json:"teams" doc:"workspaces whose members may sign in; anybody on Bitbucket unless given"`
	IncludeTeamGroups       bool     `json:"includeTeamGroups" doc:"without effect: Bitbucket has removed what it needs"`
	GetWorkspacePermissions bool     `json:"getWorkspacePermissions" doc:"add groups such as workspace:owner for a person's rights in a workspace"`
}

func (c *bitbucketDoc) open(id string, d Deps) (connector.Connector, error) {
	if c.IncludeTeamGroups {
		return nil, invalid("includeTeamGroups", "includeTeamGroups has no effect any more, Bitbucket has removed what it needs").
			Next("use getWorkspacePermissions")
	}
	out := bitbucketcloud.Config{ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI, Teams: c.Teams, GetWorkspacePermissions: c.GetWorkspacePermissions}
	return out.Open(id, d.Log)
}

func (c *bitbucketDoc) site(Deps) probe.Site {
	const base = "https://bitbucket.org"
	return probe.Site{
		Base: base, Issuer: base, AuthURL: base + "/site/oauth2/authorize", TokenURL: base + "/site/oauth2/access_token",
		Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI},
	}
}

type linkedinDoc struct {
	ClientID     string `json:"clientID" rule:"required" doc:"client ID of the application"`
	ClientSecret string `json:"clientSecret" rule:"required,secret" doc:"client secret of the application"`
	RedirectURI  string `json:"redirectURI" rule:"required,callback" doc:"the redirect URL registered with the application"`
}

func (c *linkedinDoc) open(id string, d Deps) (connector.Connector, error) {
	out := linkedin.Config{ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI}
	return out.Open(id, d.Log)
}

func (c *linkedinDoc) site(Deps) probe.Site {
	const base = "https://www.linkedin.com"
	return probe.Site{
		Base: base, Issuer: base, AuthURL: base + "/oauth/v2/authorization", TokenURL: base + "/oauth/v2/accessToken",
		Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI},
	}
}

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

func (c *microsoftDoc) open(id string, d Deps) (connector.Connector, error) {
	if (c.ClientSecret == "") == (c.ClientAssertion == "") {
		return nil, invalid("clientSecret", "give clientSecret, or clientAssertion with workload identity: one of them")
	}
	out := microsoft.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, ClientAssertion: c.ClientAssertion, RedirectURI: c.RedirectURI, Tenant: c.Tenant,
		OnlySecurityGroups: c.OnlySecurityGroups, Groups: c.Groups, GroupNameFormat: microsoft.GroupNameFormat(c.GroupNameFormat),
		UseGroupsAsWhitelist: c.UseGroupsAsWhitelist, EmailToLowercase: c.EmailToLowercase, BatchGroupLookups: c.BatchGroupLookups,
		APIURL: c.APIURL, GraphURL: c.GraphURL, PromptType: c.PromptType, DomainHint: c.DomainHint, Scopes: c.Scopes, PreferredUsernameField: c.PreferredUsernameField,
	}
	return out.Open(id, d.Log)
}

func (c *microsoftDoc) site(Deps) probe.Site {
	base := strings.TrimSuffix(cmp.Or(c.APIURL, "https://login.microsoftonline.com"), "/") + "/" + url.PathEscape(cmp.Or(c.Tenant, "common"))
	return probe.Site{
		Base: base, Issuer: base, AuthURL: base + "/oauth2/v2.0/authorize", TokenURL: base + "/oauth2/v2.0/token",
		Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI},
	}
}

type googleDoc struct {
	ClientID      string   `json:"clientID" rule:"required" doc:"client ID, ending in .apps.googleusercontent.com"`
	ClientSecret  string   `json:"clientSecret" rule:"required,secret" doc:"client secret"`
	RedirectURI   string   `json:"redirectURI" rule:"required,callback" doc:"the authorised redirect URI of the client"`
	HostedDomains []string `json:"hostedDomains" doc:"Workspace domains whose people may sign in; anybody with a Google account unless given"`
	Groups        []string `json:"groups" doc:"groups whose members may sign in; needs domainToAdminEmail"`
	Scopes        []string `json:"scopes" doc:"asked for beside openid; profile and email unless given"`

	ServiceAccountFilePath string            `json:"serviceAccountFilePath" rule:"file" doc:"file on the server with the key of a service account that may read groups"`
	AdminEmail             string            `json:"adminEmail" doc:"older form of domainToAdminEmail, for one domain"`
	DomainToAdminEmail     map[string]string `json:"domainToAdminEmail" doc:"for each domain, or *, the administrator that the service account acts for when it reads groups"`

	FetchTransitiveGroupMembership bool    `json:"fetchTransitiveGroupMembership" doc:"take groups of groups too"`
	PromptType                     *string `json:"promptType" doc:"sent as prompt; consent unless given"`
}

func (c *googleDoc) open(id string, d Deps) (connector.Connector, error) {
	switch {
	case len(c.Groups) > 0 && len(c.DomainToAdminEmail) == 0 && c.AdminEmail == "":
		return nil, invalid("groups", "groups can be read only with serviceAccountFilePath and domainToAdminEmail").
			Next("give both")
	case c.ServiceAccountFilePath != "" && len(c.DomainToAdminEmail) == 0 && c.AdminEmail == "":
		return nil, invalid("domainToAdminEmail", "serviceAccountFilePath needs domainToAdminEmail, such as {\"*\": admin@example.com}")
	}
	return &lazy{now: d.Now, verified: true, open: func() (connector.Connector, error) {
		out := google.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI, HostedDomains: c.HostedDomains, Groups: c.Groups, Scopes: c.Scopes,
			ServiceAccountFilePath: c.ServiceAccountFilePath, AdminEmail: c.AdminEmail, DomainToAdminEmail: c.DomainToAdminEmail, //nolint:staticcheck // AdminEmail is in documents that are in use
			FetchTransitiveGroupMembership: c.FetchTransitiveGroupMembership, PromptType: c.PromptType,
		}
		return out.Open(id, d.Log)
	}}, nil
}

func (c *googleDoc) site(Deps) probe.Site {
	const base = "https://accounts.google.com"
	return probe.Site{ //nolint:gosec // addresses that everybody knows
		Base: base, Issuer: base, AuthURL: base + "/o/oauth2/v2/auth", TokenURL: "https://oauth2.googleapis.com/token",
		Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI},
	}
}

type openshiftDoc struct {
	Issuer       string   `json:"issuer" rule:"required,url" doc:"address of the cluster's API server"`
	ClientID     string   `json:"clientID" rule:"required" doc:"OAuth client, or service account as system:serviceaccount:NAMESPACE:NAME"`
	ClientSecret string   `json:"clientSecret" rule:"required,secret" doc:"secret of the OAuth client, or token of the service account"`
	RedirectURI  string   `json:"redirectURI" rule:"required,callback" doc:"the redirect URI registered with the client"`
	Groups       []string `json:"groups" doc:"groups whose members may sign in; anybody in the cluster unless given"`
	InsecureCA   bool     `json:"insecureCA" doc:"accept any certificate, and so any impostor; for a first trial"`
	RootCA       string   `json:"rootCA" rule:"file" doc:"file on the server with the cluster's CA certificate, in PEM"`
}

func (c *openshiftDoc) open(id string, d Deps) (connector.Connector, error) { //nolint:unparam // as all documents
	return &lazy{now: d.Now, open: func() (connector.Connector, error) {
		out := openshift.Config{
			Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI, Groups: c.Groups, InsecureCA: c.InsecureCA, RootCA: c.RootCA,
		}
		return out.Open(id, d.Log)
	}}, nil
}

func (c *openshiftDoc) site(Deps) probe.Site {
	return probe.Site{Base: c.Issuer, Issuer: c.Issuer, Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI}, RootCAs: nonEmpty(c.RootCA), AnyCA: c.InsecureCA}
}

func checkVerified(id connector.Identity) error {
	if id.EmailVerified {
		return nil
	}
	return fault.New(fault.Denied, "the identity provider does not say that the e-mail address of this account is verified").
		Next("have it verified there, or, if all addresses there can be trusted and the type of the connector has it, set insecureSkipEmailVerified to true")
}

type keystoneDoc struct {
	Domain        string `json:"domain" rule:"required" doc:"domain of the people, by id or name; default is one"`
	Host          string `json:"keystoneHost" rule:"required,url" doc:"address of Keystone, such as https://keystone.example.com:5000"`
	AdminUsername string `json:"keystoneUsername" rule:"required" doc:"account that may read users and groups"`
	AdminPassword string `json:"keystonePassword" rule:"required,secret" doc:"its password"`
}

func (c *keystoneDoc) open(id string, d Deps) (connector.Connector, error) {
	out := keystone.Config{Domain: c.Domain, Host: c.Host, AdminUsername: c.AdminUsername, AdminPassword: c.AdminPassword}
	opened, err := out.Open(id, d.Log)
	if err != nil {
		return nil, err
	}
	return keystoneLogin{opened.(connector.PasswordConnector), opened.(connector.RefreshConnector)}, nil
}

// keystoneLogin knows a wrong password, which Dex's connector takes for a
// failure of the provider, so that nobody could try again.
type keystoneLogin struct {
	connector.PasswordConnector
	connector.RefreshConnector
}

func (k keystoneLogin) Login(ctx context.Context, s connector.Scopes, username, password string) (connector.Identity, bool, error) {
	id, valid, err := k.PasswordConnector.Login(ctx, s, username, password)
	if err != nil && err.Error() == fmt.Sprintf("keystone login: error %d", http.StatusUnauthorized) {
		return connector.Identity{}, false, nil
	}
	return id, valid, err
}

func (c *keystoneDoc) site(Deps) probe.Site { return probe.Site{Base: c.Host, Issuer: c.Host} }

type crowdDoc struct {
	BaseURL                string   `json:"baseURL" rule:"required,url" doc:"address of Crowd, such as https://crowd.example.com/crowd"`
	ClientID               string   `json:"clientID" rule:"required" doc:"name of the Crowd application"`
	ClientSecret           string   `json:"clientSecret" rule:"required,secret" doc:"password of the Crowd application"`
	Groups                 []string `json:"groups" doc:"groups whose members may sign in; anybody there unless given"`
	PreferredUsernameField string   `json:"preferredUsernameField" oneof:"key name email" doc:"field that is the short name"`
	UsernamePrompt         string   `json:"usernamePrompt" doc:"what the sign-in page calls the user name; Username unless given"`
}

func (c *crowdDoc) open(id string, d Deps) (connector.Connector, error) {
	out := atlassiancrowd.Config{
		BaseURL: c.BaseURL, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Groups: c.Groups, PreferredUsernameField: c.PreferredUsernameField, UsernamePrompt: c.UsernamePrompt,
	}
	return out.Open(id, d.Log)
}

func (c *crowdDoc) site(Deps) probe.Site { return probe.Site{Base: c.BaseURL, Issuer: c.BaseURL} }

func nonEmpty(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}
