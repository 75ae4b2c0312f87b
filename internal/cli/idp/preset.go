package idp

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Each preset is a file with two templates: document, and register, which says
// what the provider must be told.
//
//go:embed preset/*.tmpl
var presetFiles embed.FS

// preset is a provider that many organisations have.
type preset struct {
	key, typ, title string
	domain          string         // what --domain is, for people
	shape           *regexp.Regexp // of --domain
	clean           func(string) string
	// offline is for providers that send nobody back to a callback.
	offline bool
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

func presets() []preset {
	return []preset{
		{
			key: "auth0", typ: "oidc", title: "Auth0",
			domain: "domain of the tenant, such as acme.eu.auth0.com", shape: hostPort, clean: bare,
		},
		{
			key: "okta", typ: "oidc", title: "Okta",
			domain: "domain of the organisation, such as acme.okta.com", shape: hostPort, clean: bare,
		},
		{
			key: "entra", typ: "oidc", title: "Microsoft Entra ID",
			domain: "directory (tenant) ID, such as 72f988bf-86f1-41af-91ab-2d7cd011db47", shape: guid, clean: asGiven,
		},
		{
			key: "google", typ: "google", title: "Google",
			domain: "Workspace domain, such as example.com", shape: hostName, clean: bare,
		},
		{
			key: "github", typ: "github", title: "GitHub",
			domain: "login of the organisation, such as acme", shape: word, clean: asGiven,
		},
		{
			key: "gitlab", typ: "gitlab", title: "GitLab",
			domain: "host of the server, such as gitlab.com, which is the default", shape: hostPort, clean: bare,
		},
		{
			key: "keycloak", typ: "oidc", title: "Keycloak",
			domain: "address of the realm, such as https://id.example.com/realms/acme", shape: webURL, clean: noSlash,
		},
		{
			key: "ldap", typ: "ldap", title: "OpenLDAP",
			domain: "host of the directory, such as ldap.example.com", shape: hostPort, clean: asGiven, offline: true,
		},
		{
			key: "ad", typ: "ldap", title: "Active Directory",
			domain: "DNS name of the domain, such as ad.example.com", shape: hostName, clean: asGiven, offline: true,
		},
		{
			key: "saml", typ: "saml", title: "SAML",
			domain: "address of the provider's metadata", shape: webURL, clean: asGiven,
		},
	}
}

func presetNames() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.key)
	}
	return names
}

// presetValues are what the templates have.
type presetValues struct {
	ID, Name, Type, Domain string
	Callback, Issuer       string
}

// BaseDN is the usual one of a DNS domain.
func (v presetValues) BaseDN() string { return "DC=" + strings.ReplaceAll(v.Domain, ".", ",DC=") }

func (p preset) render(what string, v presetValues) (string, error) {
	t, err := template.New(p.key).Option("missingkey=error").Funcs(template.FuncMap{"yaml": yamlText}).
		ParseFS(presetFiles, "preset/"+p.key+".tmpl")
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

func presetHelp() string {
	var b strings.Builder
	b.WriteString(`Print a connector document for a provider, and on standard error what to register
there; with > FILE behind the command the document is kept and the rest is shown.
What to fill in stands in <brackets>.

--domain means, for

`)
	for _, p := range presets() {
		b.WriteString("  " + p.key + strings.Repeat(" ", len("keycloak")+2-len(p.key)) + p.domain + "\n")
	}
	b.WriteString(`
Secrets need not be in the document: write ${env:NAME} or ${file:/path} for an
environment variable or a file of pachd's. docs/guides goes through each
provider step by step.`)
	return b.String()
}

type newConnectorOptions struct {
	preset preset
	values presetValues
}

func newConnector(k *kit.Kit) *cobra.Command {
	var o newConnectorOptions
	c := &cobra.Command{
		Use: "new-connector " + strings.Join(presetNames(), "|"), Short: "Write a connector document for a provider", Args: kit.Exactly(1),
		Long: presetHelp(),
		Example: "  pachctl idp new-connector auth0 --domain acme.eu.auth0.com\n" +
			"  pachctl idp new-connector ldap --domain ldap.example.com",
		ValidArgsFunction: kit.Completing(presetNames),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.preset, err = presetNamed(c, args[0]); err != nil {
				return err
			}
			if err := o.complete(c); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.values.ID, "id", "", "name of the connector in commands; default: the preset's")
	c.Flags().StringVar(&o.values.Name, "name", "", "name that people see when they sign in; default: the provider's")
	c.Flags().StringVar(&o.values.Domain, "domain", "", "which tenant, organisation, realm or host; see above")
	c.Flags().StringVar(&o.values.Callback, "callback", "", "pachd's callback URL; default: the one that pachd reports")
	return c
}

func (o newConnectorOptions) run(ctx context.Context, k *kit.Kit) (err error) {
	v := o.values
	if v.Callback == "" && !o.preset.offline {
		if v.Callback, err = callbackURL(ctx, k); err != nil {
			return withoutPachd(err)
		}
	}
	v.Issuer = strings.TrimSuffix(v.Callback, "/callback")
	document, err := o.preset.render("document", v)
	if err != nil {
		return err
	}
	register, err := o.preset.render("register", v)
	if err != nil {
		return err
	}
	k.Notef("%s", register)
	k.Printf("%s", document)
	return nil
}

func presetNamed(c *cobra.Command, name string) (preset, error) {
	all := presets()
	if i := slices.IndexFunc(all, func(p preset) bool { return p.key == name }); i >= 0 {
		return all[i], nil
	}
	if near := kit.Nearest(name, presetNames()); near != "" {
		return preset{}, kit.Usagef(c, "unknown provider %q: did you mean %s?", name, near)
	}
	return preset{}, kit.Usagef(c, "unknown provider %q: choose from %s; pachctl idp schema TYPE says what a document for others may hold",
		name, strings.Join(presetNames(), ", "))
}

var connectorID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// complete checks what was given, which comes to stand in the document as it
// is, and adds what was not.
func (o *newConnectorOptions) complete(c *cobra.Command) error {
	p, v := o.preset, &o.values
	v.Type, v.ID, v.Name = p.typ, cmp.Or(v.ID, p.key), cmp.Or(v.Name, p.title)
	if !connectorID.MatchString(v.ID) {
		return kit.Usagef(c, "--id %q: use letters, digits, dots, dashes and underscores, at most 63", v.ID)
	}
	if v.Domain != "" {
		v.Domain = p.clean(v.Domain)
		if !p.shape.MatchString(v.Domain) {
			return kit.Usagef(c, "--domain %q: for %s it is the %s", v.Domain, p.key, p.domain)
		}
	}
	if v.Callback != "" {
		if u, err := url.Parse(v.Callback); err != nil || !webURL.MatchString(v.Callback) || !strings.HasSuffix(u.Path, "/callback") {
			return kit.Usagef(c, "--callback %q: it is a URL that ends in /callback, as pachctl idp callback prints it", v.Callback)
		}
	}
	return nil
}

// withoutPachd says that the callback can be given where pachd does not answer.
func withoutPachd(err error) error {
	var unreachable *client.UnreachableError
	if errors.As(err, &unreachable) {
		return fault.New(fault.Unavailable, "%s", client.MessageOf(err)).Next("start it, or set its callback URL with --callback")
	}
	return err
}
