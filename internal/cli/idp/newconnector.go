package idp

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/client"
	"pachyderm/internal/cli/idp/preset"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

func presetHelp() string {
	var b strings.Builder
	b.WriteString(`Print a connector document for a provider, and on standard error what to register
there; with > FILE behind the command the document is kept and the rest is shown.
What to fill in stands in <brackets>.

--domain means, for

`)
	for _, p := range preset.All() {
		b.WriteString("  " + p.Key + strings.Repeat(" ", len("keycloak")+2-len(p.Key)) + p.Domain + "\n")
	}
	b.WriteString(`
Secrets need not be in the document: write ${env:NAME} or ${file:/path} for an
environment variable or a file of pachd's. docs/guides goes through each
provider step by step.`)
	return b.String()
}

type newConnectorOptions struct {
	preset preset.Preset
	values preset.Values
}

func newConnector(k *kit.Kit) *cobra.Command {
	var o newConnectorOptions
	c := &cobra.Command{
		Use: "new-connector " + strings.Join(preset.Names(), "|"), Short: "Write a connector document for a provider", Args: kit.Exactly(1),
		Long: presetHelp(),
		Example: "  pachctl idp new-connector auth0 --domain acme.eu.auth0.com\n" +
			"  pachctl idp new-connector ldap --domain ldap.example.com",
		ValidArgsFunction: kit.Completing(preset.Names),
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
	if v.Callback == "" && !o.preset.Offline {
		if v.Callback, err = callbackURL(ctx, k); err != nil {
			return withoutPachd(err)
		}
	}
	v.Issuer = strings.TrimSuffix(v.Callback, "/callback")
	document, err := o.preset.Render("document", v)
	if err != nil {
		return err
	}
	register, err := o.preset.Render("register", v)
	if err != nil {
		return err
	}
	k.Notef("%s", kit.Lines(register))
	k.Printf("%s", kit.Lines(document))
	return nil
}

func presetNamed(c *cobra.Command, name string) (preset.Preset, error) {
	if p, ok := preset.Named(name); ok {
		return p, nil
	}
	if near := kit.Nearest(name, preset.Names()); near != "" {
		return preset.Preset{}, kit.Usagef(c, "unknown provider %q: did you mean %s?", name, near)
	}
	return preset.Preset{}, kit.Usagef(c,
		"unknown provider %q: choose from %s; pachctl idp schema TYPE says what a document for others may hold",
		name, strings.Join(preset.Names(), ", "))
}

var connectorID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// complete checks what was given, which comes to stand in the document as it
// is, and adds what was not.
func (o *newConnectorOptions) complete(c *cobra.Command) error {
	p, v := o.preset, &o.values
	v.Type, v.ID, v.Name = p.Type, cmp.Or(v.ID, p.Key), cmp.Or(v.Name, p.Title)
	if !connectorID.MatchString(v.ID) {
		return kit.Usagef(c, "--id %q: use letters, digits, dots, dashes and underscores, at most 63", v.ID)
	}
	if v.Domain != "" {
		clean, ok := p.Clean(v.Domain)
		if v.Domain = clean; !ok {
			return kit.Usagef(c, "--domain %q: for %s it is the %s", v.Domain, p.Key, p.Domain)
		}
	}
	if v.Callback != "" {
		if u, err := url.Parse(v.Callback); err != nil || !preset.IsWebURL(v.Callback) || !strings.HasSuffix(u.Path, "/callback") {
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
