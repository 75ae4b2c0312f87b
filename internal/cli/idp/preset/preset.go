package preset

import (
	"bytes"
	"embed"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
)

// Each preset is a file with two templates: document, and register, which says
// what the provider must be told.
//
//go:embed *.tmpl
var files embed.FS

// Preset is a provider that many organisations have.
type Preset struct {
	Key, Type, Title string
	Domain           string         // what the domain of Values is, for people
	shape            *regexp.Regexp // of the domain
	clean            func(string) string
	// Offline is for providers that send nobody back to a callback.
	Offline bool
}

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	hostPort = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?$`)
	webURL   = regexp.MustCompile(`^https?://[A-Za-z0-9][A-Za-z0-9.:-]*(?:/[A-Za-z0-9._~/?&=%+@:-]*)?$`)
	guid     = regexp.MustCompile(`^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	word     = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$`)
)

// bare takes what people copy from the address line down to the host.
func bare(text string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(text, "https://"), "http://"), "/")
}

func noSlash(text string) string { return strings.TrimSuffix(text, "/") }

func asGiven(text string) string { return text }

// All lists the presets.
func All() []Preset {
	return []Preset{
		{
			Key: "auth0", Type: "oidc", Title: "Auth0",
			Domain: "domain of the tenant, such as acme.eu.auth0.com", shape: hostPort, clean: bare,
		},
		{
			Key: "okta", Type: "oidc", Title: "Okta",
			Domain: "domain of the organisation, such as acme.okta.com", shape: hostPort, clean: bare,
		},
		{
			Key: "entra", Type: "oidc", Title: "Microsoft Entra ID",
			Domain: "directory (tenant) ID, such as 72f988bf-86f1-41af-91ab-2d7cd011db47", shape: guid, clean: asGiven,
		},
		{
			Key: "google", Type: "google", Title: "Google",
			Domain: "Workspace domain, such as example.com", shape: hostName, clean: bare,
		},
		{
			Key: "github", Type: "github", Title: "GitHub",
			Domain: "login of the organisation, such as acme", shape: word, clean: asGiven,
		},
		{
			Key: "gitlab", Type: "gitlab", Title: "GitLab",
			Domain: "host of the server, such as gitlab.com, which is the default", shape: hostPort, clean: bare,
		},
		{
			Key: "keycloak", Type: "oidc", Title: "Keycloak",
			Domain: "address of the realm, such as https://id.example.com/realms/acme", shape: webURL, clean: noSlash,
		},
		{
			Key: "oidc", Type: "oidc", Title: "OpenID Connect",
			Domain: "issuer of any other provider, such as https://id.example.com", shape: webURL, clean: asGiven,
		},
		{
			Key: "ldap", Type: "ldap", Title: "OpenLDAP",
			Domain: "host of the directory, such as ldap.example.com", shape: hostPort, clean: asGiven, Offline: true,
		},
		{
			Key: "ad", Type: "ldap", Title: "Active Directory",
			Domain: "DNS name of the domain, such as ad.example.com", shape: hostName, clean: asGiven, Offline: true,
		},
		{
			Key: "saml", Type: "saml", Title: "SAML",
			Domain: "address of the provider's metadata", shape: webURL, clean: asGiven,
		},
	}
}

// Names lists the keys of the presets.
func Names() []string {
	var names []string
	for _, p := range All() {
		names = append(names, p.Key)
	}
	return names
}

// Named finds a preset by its key.
func Named(key string) (Preset, bool) {
	all := All()
	if i := slices.IndexFunc(all, func(p Preset) bool { return p.Key == key }); i >= 0 {
		return all[i], true
	}
	return Preset{}, false
}

// Clean is a domain without what people copy along with it; it reports false
// for a text that cannot be one.
func (p Preset) Clean(domain string) (string, bool) {
	domain = p.clean(domain)
	return domain, p.shape.MatchString(domain)
}

// IsWebURL reports whether a text is an address that can stand in a document as it is.
func IsWebURL(text string) bool { return webURL.MatchString(text) }

// Values are what the templates have.
type Values struct {
	ID, Name, Type, Domain string
	Callback, Issuer       string
}

// BaseDN is the usual one of a DNS domain.
func (v Values) BaseDN() string { return "DC=" + strings.ReplaceAll(v.Domain, ".", ",DC=") }

// Render fills in one of the templates: document, or register.
func (p Preset) Render(what string, v Values) (string, error) {
	t, err := template.New(p.Key).Option("missingkey=error").Funcs(template.FuncMap{"yaml": yamlText}).
		ParseFS(files, p.Key+".tmpl")
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, what, v); err != nil {
		return "", err
	}
	return strings.TrimLeft(out.String(), "\n"), nil
}

// yamlText quotes a text where YAML would take it for something else.
func yamlText(text string) (string, error) {
	data, err := yaml.Marshal(text)
	return strings.TrimSuffix(string(data), "\n"), err
}
