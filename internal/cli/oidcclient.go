package cli

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/client"
)

// clientDoc is an OIDC client as people write it.
type clientDoc struct {
	ID           string   `json:"id" yaml:"id"`
	Name         string   `json:"name" yaml:"name"`
	RedirectURIs []string `json:"redirect_uris" yaml:"redirect_uris"`
	Secret       string   `json:"secret,omitempty" yaml:"secret,omitempty"`
	TrustedPeers []string `json:"trusted_peers" yaml:"trusted_peers"`
	// Allowed is nil where pachd was not asked for it.
	Allowed []string `json:"allowed_connectors,omitempty" yaml:"allowed_connectors,omitempty"`
}

const clientHelp = `The document is YAML or JSON with the keys

  id             name of the application for programs
  name           name of the application for people
  redirect_uris  where people may be sent back to
  secret         made up unless given
  trusted_peers  ids of clients that may ask for tokens for this one
  allowed_connectors
                 ids of the only connectors people may come through; all when
                 there are none`

// client reads the document. A secret *** is one that get-client did not show.
func (d document) client() (*identity.OIDCClient, []string, error) {
	var doc clientDoc
	if err := d.decode(&doc); err != nil {
		return nil, nil, err
	}
	if doc.Secret == mask {
		doc.Secret = ""
	}
	return &identity.OIDCClient{Id: doc.ID, Name: doc.Name, RedirectUris: doc.RedirectURIs, Secret: doc.Secret, TrustedPeers: doc.TrustedPeers}, doc.Allowed, nil
}

func (a *app) createClient() *cobra.Command {
	var file string
	var out format
	c := &cobra.Command{
		Use: "create-client", Short: "Register an application as OIDC client", Args: exactly(0),
		Long:    "Register an application that signs people in through Pachyderm. Its secret is\nshown this once.\n\n" + clientHelp,
		Example: "  pachctl idp create-client --config dashboard.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := a.readDocument(file)
			if err != nil {
				return err
			}
			oidc, allowed, err := d.client()
			if err != nil {
				return err
			}
			return a.withIDP(c.Context(), func(ctx context.Context, c *client.Client) error {
				made, err := register(ctx, c, oidc, allowed)
				if err != nil {
					return d.explain(err)
				}
				return a.answer(out, map[string]string{"secret": made}, func() { a.printf("Client secret: %q\n", made) })
			})
		},
	}
	configFlag(c, &file)
	outputFlag(c, &out)
	return c
}

// register asks a pachd of ours only for what upstream's does not know.
func register(ctx context.Context, c *client.Client, oidc *identity.OIDCClient, allowed []string) (secret string, err error) {
	if len(allowed) == 0 {
		r, err := c.Identity.CreateOIDCClient(ctx, &identity.CreateOIDCClientRequest{Client: oidc})
		return r.GetClient().GetSecret(), err
	}
	r, err := c.Pach.CreateOIDCClient(ctx, &pach.CreateOIDCClientRequest{Client: oidc, AllowedConnectors: allowed})
	return r.GetClient().GetSecret(), err
}

func (a *app) updateClient() *cobra.Command {
	var file string
	var newSecret bool
	var out format
	c := &cobra.Command{
		Use: "update-client [ID]", Short: "Change an OIDC client, or give it a new secret", Args: between(0, 1),
		Long: `Change what the document gives of an OIDC client: what is absent stays, and a list
that is given empty becomes empty. With --new-secret the secret is made anew and
shown this once; the old one ends, as it does when the document gives one. With
an ID and --new-secret alone only that changes.

` + clientHelp,
		Example: "  pachctl idp update-client --config dashboard.yaml\n  pachctl idp update-client dashboard --new-secret",
		RunE: func(c *cobra.Command, args []string) error {
			d, request, secret, err := a.readUpdate(c, args, file, newSecret)
			if err != nil {
				return err
			}
			return a.withIDP(c.Context(), func(ctx context.Context, c *client.Client) error {
				r, err := c.Pach.UpdateOIDCClient(ctx, request)
				if err == nil && secret != "" {
					_, err = c.Identity.UpdateOIDCClient(ctx, &identity.UpdateOIDCClientRequest{Client: &identity.OIDCClient{Id: request.Id, Secret: secret}})
				}
				if err != nil || r.GetSecret() == "" {
					return d.explain(err)
				}
				return a.answer(out, map[string]string{"secret": r.GetSecret()}, func() { a.printf("Client secret: %q\n", r.GetSecret()) })
			})
		},
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&newSecret, "new-secret", false, "make the secret anew and show it")
	outputFlag(c, &out)
	return c
}

// readUpdate is what the arguments and the document ask for.
func (a *app) readUpdate(c *cobra.Command, args []string, file string, newSecret bool) (d document, request *pach.UpdateOIDCClientRequest, secret string, err error) {
	request = &pach.UpdateOIDCClientRequest{NewSecret: newSecret}
	switch {
	case c.Flags().Changed("config") || len(args) == 0:
		if d, err = a.readDocument(file); err != nil {
			return d, nil, "", err
		}
		if secret, err = d.clientUpdate(request); err != nil {
			return d, nil, "", err
		}
	case !newSecret:
		return d, nil, "", usagef(c, "nothing to change is given: add --config FILE or --new-secret")
	}
	if secret != "" && newSecret {
		return d, nil, "", usagef(c, "the document gives a secret and --new-secret asks for another: choose one")
	}
	if len(args) > 0 {
		if request.Id != "" && request.Id != args[0] {
			return d, nil, "", usagef(c, "the document is for client %q and the command for %q: give one of them", request.Id, args[0])
		}
		request.Id = args[0]
	}
	return d, request, secret, nil
}

// clientUpdate reads the document into a request, which has no place for the
// secret.
func (d document) clientUpdate(request *pach.UpdateOIDCClientRequest) (secret string, err error) {
	oidc, allowed, err := d.client()
	if err != nil {
		return "", err
	}
	if allowed != nil {
		request.AllowedConnectors = &pach.StringList{Values: allowed}
	}
	request.Id, request.Name = oidc.GetId(), oidc.GetName()
	if oidc.RedirectUris != nil {
		request.RedirectUris = &pach.StringList{Values: oidc.GetRedirectUris()}
	}
	if oidc.TrustedPeers != nil {
		request.TrustedPeers = &pach.StringList{Values: oidc.GetTrustedPeers()}
	}
	return oidc.GetSecret(), nil
}

func docOfClient(c *identity.OIDCClient) clientDoc {
	return clientDoc{
		ID: c.GetId(), Name: c.GetName(), Secret: c.GetSecret(),
		RedirectURIs: append([]string{}, c.GetRedirectUris()...), TrustedPeers: append([]string{}, c.GetTrustedPeers()...),
	}
}

func (a *app) getClient() *cobra.Command {
	var out format
	c := &cobra.Command{
		Use: "get-client ID", Short: "Show an OIDC client, without its secret", Example: "  pachctl idp get-client dashboard", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withIDP(c.Context(), func(ctx context.Context, c *client.Client) error {
				r, err := c.Pach.GetOIDCClient(ctx, &pach.GetOIDCClientRequest{Id: args[0]})
				if status.Code(err) == codes.Unimplemented { // upstream's
					var theirs *identity.GetOIDCClientResponse
					theirs, err = c.Identity.GetOIDCClient(ctx, &identity.GetOIDCClientRequest{Id: args[0]})
					r = &pach.GetOIDCClientResponse{Client: theirs.GetClient()}
				}
				if err != nil {
					return err
				}
				doc := docOfClient(r.GetClient())
				doc.Allowed = r.GetAllowedConnectors()
				if out != "" {
					return a.show(out, doc)
				}
				return a.printYAML(doc)
			})
		},
	}
	outputFlag(c, &out)
	return c
}

func (a *app) listClient() *cobra.Command {
	var out format
	c := &cobra.Command{
		Use: "list-client", Short: "List the OIDC clients", Example: "  pachctl idp list-client", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withIDP(c.Context(), func(ctx context.Context, c *client.Client) error {
				r, err := c.Identity.ListOIDCClients(ctx, &identity.ListOIDCClientsRequest{})
				if err != nil {
					return err
				}
				docs := []clientDoc{}
				for _, oidc := range r.GetClients() {
					docs = append(docs, docOfClient(oidc))
				}
				if out != "" {
					return a.show(out, docs)
				}
				for _, d := range docs {
					a.printf("%s\n", d.ID)
				}
				return nil
			})
		},
	}
	outputFlag(c, &out)
	return c
}

func (a *app) deleteClient() *cobra.Command {
	return &cobra.Command{
		Use: "delete-client ID", Short: "Remove an OIDC client", Example: "  pachctl idp delete-client dashboard", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withIDP(c.Context(), func(ctx context.Context, c *client.Client) error {
				_, err := c.Identity.DeleteOIDCClient(ctx, &identity.DeleteOIDCClientRequest{Id: args[0]})
				return err
			})
		},
	}
}
