package oidc

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/oidc/clientauth"
	"pachyderm/internal/connector/oidc/keyset"
	"pachyderm/internal/connector/refuse"
)

// Config is what stands under config: in a connector document of type oidc.
type Config struct {
	Issuer              string `json:"issuer" rule:"required,url,noquery" doc:"the issuer, exactly as in the discovery document, to the last slash"`
	ClientID            string `json:"clientID" rule:"required" doc:"client ID that the provider issued"`
	ClientSecret        string `json:"clientSecret" rule:"secret" doc:"client secret that the provider issued; required unless tokenEndpointAuthMethod is private_key_jwt"`
	NextClientSecret    string `json:"nextClientSecret" rule:"secret" doc:"client secret that will replace clientSecret: it is used where the provider refuses that one, and takes its place once it is seen to work"`
	ClientSecretExpires string `json:"clientSecretExpires" doc:"day on which the provider ends the client secret, such as 2027-05-31: list-connector and metrics warn before it comes"`
	RedirectURI         string `json:"redirectURI" rule:"required,web,noquery" doc:"our callback, registered there; pachctl idp callback prints it"`

	Scopes               []string `json:"scopes" doc:"scopes to request beside openid; default: profile and email"`
	ForwardedLoginParams []string `json:"forwardedLoginParams" doc:"query parameters of the login request to pass on, such as login_hint"`
	// Consent for a refresh token: OpenID Connect Core, 11.
	PromptType *string  `json:"promptType" doc:"sent as prompt; default: consent if a refresh token is requested, otherwise nothing"`
	AcrValues  []string `json:"acrValues" doc:"sent as acr_values"`

	PushedAuthorizationRequests bool `json:"pushedAuthorizationRequests" doc:"push authorization requests (PAR); default: if the provider demands it of every client"`

	GroupsRefresh             groupsRefresh `json:"groups"`
	InsecureEnableGroups      bool          `json:"insecureEnableGroups" doc:"read groups from the provider"`
	InsecureSkipEmailVerified bool          `json:"insecureSkipEmailVerified" doc:"accept e-mail addresses that are not said to be verified"`

	InsecureSkipIssuerCallbackDomainCheck bool `json:"insecureSkipIssuerCallbackDomainCheck" doc:"accept a redirectURI on another host"`

	GetUserInfo   bool         `json:"getUserInfo" doc:"call the UserInfo endpoint even if the ID token has all claims"`
	UserIDKey     string       `json:"userIDKey" doc:"claim that identifies a person; default: sub"`
	UserNameKey   string       `json:"userNameKey" doc:"claim with the display name; default: name"`
	ClaimMapping  claimMapping `json:"claimMapping"`
	AllowedGroups []string     `json:"allowedGroups" doc:"only members of these groups may sign in; default: everyone"`

	TokenEndpointAuthMethod string `json:"tokenEndpointAuthMethod" oneof:"client_secret_basic client_secret_post client_secret_jwt private_key_jwt" doc:"how to authenticate at the provider; default: the first of these that it offers"`

	BasicAuthUnsupported bool     `json:"basicAuthUnsupported" doc:"older form of tokenEndpointAuthMethod: client_secret_post"`
	RootCAs              []string `json:"rootCAs" rule:"file" doc:"CA certificates to trust beside the system's: PEM text or files"`
	SigningAlgorithms    []string `json:"signingAlgorithms" doc:"algorithms of ID tokens, such as RS256; default: all that are safe"`
}

// groupsRefresh says how groups are read.
type groupsRefresh struct {
	Refresh bool `json:"refresh" doc:"read groups again while people use Pachyderm, by a refresh token (scope offline_access), and end the sessions of those whom the provider does not let in any more"`
}

// claimMapping names the claims that hold what a provider keeps elsewhere than
// the standard says.
type claimMapping struct {
	Email             string `json:"email" doc:"claim with the e-mail address; default: email"`
	Groups            string `json:"groups" doc:"claim with the groups; default: groups"`
	PreferredUsername string `json:"preferred_username" doc:"claim with the short name; default: preferred_username"`
	Name              string `json:"name" doc:"claim with the display name; default: name"`
}

// Format keeps the client secret out of every %v, %+v and %#v.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "oidc connector of "+c.Issuer)
}

// LogValue does the same for structured logs.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// validate checks what the tags cannot say. The callback is our issuer +
// "/callback", where browsers come back to, or "" if that does not matter.
func (c Config) validate(callback string) error {
	if err := c.checkAuthMethod(); err != nil {
		return err
	}
	if err := c.checkLists(); err != nil || callback == "" {
		return err
	}
	if c.GroupsRefresh.Refresh && !c.InsecureEnableGroups {
		return refuse.Config("groups.refresh", "groups.refresh reads groups again, and insecureEnableGroups is not set, so that none are read").
			Next("set insecureEnableGroups to true, or leave groups.refresh out")
	}
	if err := c.checkExpires(); err != nil {
		return err
	}
	return c.checkRedirect(callback)
}

// checkExpires refuses what is no day.
func (c Config) checkExpires() error {
	if c.ClientSecretExpires == "" {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, c.ClientSecretExpires); err != nil {
		return refuse.Config("clientSecretExpires", "%q is no day", c.ClientSecretExpires).Next("write it as 2027-05-31")
	}
	return nil
}

func (c Config) checkAuthMethod() error {
	method := c.TokenEndpointAuthMethod
	switch {
	case c.ClientSecret == "" && method != clientauth.KeyJWT:
		return refuse.Config("clientSecret", "clientSecret is missing").
			Next("write it, or set tokenEndpointAuthMethod to private_key_jwt, which needs none")
	case c.BasicAuthUnsupported && method != "" && method != clientauth.Post:
		return refuse.Config("basicAuthUnsupported", "basicAuthUnsupported means client_secret_post, and tokenEndpointAuthMethod is %s", method).
			Next("set only one of them")
	}
	return nil
}

// authMethod is empty for what the provider offers.
func (c Config) authMethod() string {
	if c.BasicAuthUnsupported {
		return clientauth.Post
	}
	return c.TokenEndpointAuthMethod
}

func (c Config) checkLists() error {
	for i, name := range c.ForwardedLoginParams {
		at := fmt.Sprintf("forwardedLoginParams[%d]", i)
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return refuse.Config(at, "forwardedLoginParams: %q is not the name of a query parameter", name)
		}
		if isOwned(name) {
			return refuse.Config(at, "forwardedLoginParams: %s belongs to the protocol and cannot come from the login request", name).
				Next("remove it")
		}
	}
	for i, scope := range c.Scopes {
		// RFC 6749, 3.3.
		if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return refuse.Config(fmt.Sprintf("scopes[%d]", i), "scopes: %q is not a scope", scope).
				Next("write each scope as an item of the list")
		}
	}
	for i, alg := range c.SigningAlgorithms {
		if !slices.Contains(algorithms(), alg) {
			return refuse.Config(fmt.Sprintf("signingAlgorithms[%d]", i), "signingAlgorithms: %q is not accepted", alg).
				Next("choose from %s", strings.Join(algorithms(), ", "))
		}
	}
	if key := c.emailKey(); key != "email" && !c.InsecureSkipEmailVerified {
		return refuse.Config("claimMapping.email",
			"claimMapping.email is %q, but the provider vouches with email_verified only for the claim email", key).
			Next("if all that it puts into %q can be trusted, set insecureSkipEmailVerified to true", key)
	}
	if len(c.AllowedGroups) > 0 && !c.InsecureEnableGroups {
		return refuse.Config("allowedGroups", "allowedGroups needs groups, which are off").
			Next("set insecureEnableGroups to true")
	}
	if c.UserNameKey != "" && c.ClaimMapping.Name != "" && c.UserNameKey != c.ClaimMapping.Name {
		return refuse.Config("userNameKey", "userNameKey is %s and claimMapping.name is %s", c.UserNameKey, c.ClaimMapping.Name).
			Next("set only one of them")
	}
	return nil
}

// checkRedirect holds RedirectURI to where this server listens, so that the
// mistake is found when the connector is made and not at somebody's sign-in.
func (c Config) checkRedirect(callback string) error {
	if c.RedirectURI == callback {
		return nil
	}
	other := document.OtherCallback(c.RedirectURI, callback)
	if !c.InsecureSkipIssuerCallbackDomainCheck {
		return other.Next("use that and register it with the provider, " +
			"or, if a local set-up needs another host, set insecureSkipIssuerCallbackDomainCheck to true")
	}
	ours, err := url.Parse(callback)
	if err != nil {
		return fmt.Errorf("the server's callback: %w", err)
	}
	theirs, err := url.Parse(c.RedirectURI)
	if err != nil || theirs.EscapedPath() != ours.EscapedPath() {
		return other.Next("insecureSkipIssuerCallbackDomainCheck allows another host, not another path")
	}
	return nil
}

// isOwned says whether a parameter of the authorization request decides who asks,
// who is asked, for what, or where the answer goes.
func isOwned(param string) bool {
	switch param = strings.ToLower(param); param {
	case "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "request", "request_uri":
		return true
	}
	return strings.HasPrefix(param, "code_challenge") || strings.HasPrefix(param, "client_")
}

// algorithms are those a provider signs with and nobody else can: no none, and
// no HMAC, whose key would be the client secret.
func algorithms() (names []string) {
	for _, a := range keyset.Algorithms() {
		names = append(names, string(a))
	}
	return names
}
