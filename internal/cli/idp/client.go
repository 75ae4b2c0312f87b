package idp

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
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

// clientOf reads the document. A secret *** is one that get-client did not show.
func clientOf(d kit.Document) (*identity.OIDCClient, []string, error) {
	var doc clientDoc
	if err := d.Decode(&doc); err != nil {
		return nil, nil, err
	}
	if doc.Secret == kit.Mask {
		doc.Secret = ""
	}
	return &identity.OIDCClient{Id: doc.ID, Name: doc.Name, RedirectUris: doc.RedirectURIs, Secret: doc.Secret, TrustedPeers: doc.TrustedPeers}, doc.Allowed, nil
}

func createClient(k *kit.Kit) *cobra.Command {
	var file string
	var out kit.Format
	c := &cobra.Command{
		Use: "create-client", Short: "Register an application as OIDC client", Args: kit.Exactly(0),
		Long:    "Register an application that signs people in through Pachyderm. Its secret is\nshown this once.\n\n" + clientHelp,
		Example: "  pachctl idp create-client --config dashboard.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := k.ReadDocument(file)
			if err != nil {
				return err
			}
			oidc, allowed, err := clientOf(d)
			if err != nil {
				return err
			}
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				made, err := register(ctx, c.Client, oidc, allowed)
				if err != nil {
					return d.Explain(err)
				}
				return k.PrintResult(out, map[string]string{"secret": made}, func() { k.Printf("Client secret: %q\n", made) })
			})
		},
	}
	configFlag(c, &file)
	kit.OutputFlag(c, &out)
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

func updateClient(k *kit.Kit) *cobra.Command {
	var file string
	var newSecret bool
	var out kit.Format
	c := &cobra.Command{
		Use: "update-client [ID]", Short: "Change an OIDC client, or give it a new secret", Args: kit.Between(0, 1),
		Long: `Change what the document gives of an OIDC client: what is absent stays, and a list
that is given empty becomes empty. With --new-secret the secret is made anew and
shown this once; the old one ends, as it does when the document gives one. With
an ID and --new-secret alone only that changes.

` + clientHelp,
		Example: "  pachctl idp update-client --config dashboard.yaml\n  pachctl idp update-client dashboard --new-secret",
		RunE: func(c *cobra.Command, args []string) error {
			d, request, secret, err := readUpdate(k, c, args, file, newSecret)
			if err != nil {
				return err
			}
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Pach.UpdateOIDCClient(ctx, request)
				if err == nil && secret != "" {
					_, err = c.Identity.UpdateOIDCClient(ctx, &identity.UpdateOIDCClientRequest{Client: &identity.OIDCClient{Id: request.Id, Secret: secret}})
				}
				if err != nil || r.GetSecret() == "" {
					return d.Explain(err)
				}
				return k.PrintResult(out, map[string]string{"secret": r.GetSecret()}, func() { k.Printf("Client secret: %q\n", r.GetSecret()) })
			})
		},
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&newSecret, "new-secret", false, "make the secret anew and show it")
	kit.OutputFlag(c, &out)
	return c
}

// readUpdate is what the arguments and the document ask for.
func readUpdate(k *kit.Kit, c *cobra.Command, args []string, file string, newSecret bool) (d kit.Document, request *pach.UpdateOIDCClientRequest, secret string, err error) {
	request = &pach.UpdateOIDCClientRequest{NewSecret: newSecret}
	switch {
	case c.Flags().Changed("config") || len(args) == 0:
		if d, err = k.ReadDocument(file); err != nil {
			return d, nil, "", err
		}
		if secret, err = readClientUpdate(d, request); err != nil {
			return d, nil, "", err
		}
	case !newSecret:
		return d, nil, "", kit.Usagef(c, "nothing to change is given: add --config FILE or --new-secret")
	}
	if secret != "" && newSecret {
		return d, nil, "", kit.Usagef(c, "the document gives a secret and --new-secret asks for another: choose one")
	}
	if len(args) > 0 {
		if request.Id != "" && request.Id != args[0] {
			return d, nil, "", kit.Usagef(c, "the document is for client %q and the command for %q: give one of them", request.Id, args[0])
		}
		request.Id = args[0]
	}
	return d, request, secret, nil
}

// readClientUpdate reads the document into a request, which has no place for the
// secret.
func readClientUpdate(d kit.Document, request *pach.UpdateOIDCClientRequest) (secret string, err error) {
	oidc, allowed, err := clientOf(d)
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

func getClient(k *kit.Kit) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: "get-client ID", Short: "Show an OIDC client, without its secret", Example: "  pachctl idp get-client dashboard", Args: kit.Exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
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
					return k.Show(out, doc)
				}
				return k.PrintYAML(doc)
			})
		},
	}
	kit.OutputFlag(c, &out)
	return c
}

func listClient(k *kit.Kit) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: "list-client", Short: "List the OIDC clients", Example: "  pachctl idp list-client", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Identity.ListOIDCClients(ctx, &identity.ListOIDCClientsRequest{})
				if err != nil {
					return err
				}
				docs := []clientDoc{}
				for _, oidc := range r.GetClients() {
					docs = append(docs, docOfClient(oidc))
				}
				if out != "" {
					return k.Show(out, docs)
				}
				for _, d := range docs {
					k.Printf("%s\n", d.ID)
				}
				return nil
			})
		},
	}
	kit.OutputFlag(c, &out)
	return c
}

func deleteClient(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "delete-client ID", Short: "Remove an OIDC client", Example: "  pachctl idp delete-client dashboard", Args: kit.Exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				_, err := c.Identity.DeleteOIDCClient(ctx, &identity.DeleteOIDCClientRequest{Id: args[0]})
				return err
			})
		},
	}
}
