package oidcclient

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

// Commands are those of this package.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{createClient(k), updateClient(k), getClient(k), listClient(k), deleteClient(k)}
}

// idOptions are those of a command about one client.
type idOptions struct{ id, out string }

type createClientOptions struct {
	file string
	out  string
}

func createClient(k *kit.Kit) *cobra.Command {
	var o createClientOptions
	c := &cobra.Command{
		Use: "create-client", Short: "Register an application as OIDC client", Args: kit.Exactly(0),
		Long:    "Register an application that signs people in through Pachyderm. Its secret is\nshown this once.\n\n" + Help,
		Example: "  pachctl idp create-client --config dashboard.yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.DocumentFlag(c, &o.file)
	kit.OutputFlag(c, &o.out)
	return c
}

func (o createClientOptions) run(ctx context.Context, k *kit.Kit) error {
	d, err := k.ReadDocument(o.file)
	if err != nil {
		return err
	}
	doc, err := Read(d)
	if err != nil {
		return err
	}
	req := doc.Create()
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		secret, err := register(ctx, c, req)
		if err != nil {
			return d.Explain(err)
		}
		return printSecret(k, o.out, secret)
	})
}

// printSecret shows a secret; a public client has none.
func printSecret(k *kit.Kit, out string, secret string) error {
	if secret == "" {
		return nil
	}
	return k.PrintResult(out, map[string]string{"secret": secret}, func() { k.Printf("Client secret: %q\n", secret) })
}

// register asks upstream's pachd for what it knows.
func register(ctx context.Context, c *kit.Conn, req *pach.CreateOIDCClientRequest) (secret string, err error) {
	r, err := c.Pach.CreateOIDCClient(ctx, req)
	beyond := len(req.GetAllowedConnectors()) > 0 || req.GetPkce() != pach.PKCE_PKCE_UNKNOWN || req.GetPublic() ||
		len(req.GetPostLogoutRedirectUris()) > 0 || req.GetBackchannelLogoutUri() != ""
	if status.Code(err) != codes.Unimplemented || beyond {
		return r.GetClient().GetSecret(), err
	}
	theirs, err := c.Identity.CreateOIDCClient(ctx, &identity.CreateOIDCClientRequest{Client: req.GetClient()})
	return theirs.GetClient().GetSecret(), err
}

type updateClientOptions struct {
	file     string
	out      string
	document kit.Document // none if only the secret changes
	request  pach.UpdateOIDCClientRequest
	secret   string // in the document; the request has no place for it
	pkce     string
}

func updateClient(k *kit.Kit) *cobra.Command {
	var o updateClientOptions
	c := &cobra.Command{
		Use: "update-client [ID]", Short: "Change an OIDC client, or renew its secret", Args: kit.Between(0, 1),
		Long: `Change the settings of an OIDC client that are in the document: those that are
absent stay, and an empty list empties the stored one. With --new-secret a new
secret is generated and shown this once; the old one ends, as it does when the
document sets one. With --pkce=optional the client may sign people in without
PKCE (RFC 7636). With an ID and flags alone only what they say changes.

` + Help,
		Example: "  pachctl idp update-client --config dashboard.yaml\n  pachctl idp update-client dashboard --new-secret\n" +
			"  pachctl idp update-client dashboard --pkce=optional",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	kit.DocumentFlag(c, &o.file)
	c.Flags().BoolVar(&o.request.NewSecret, "new-secret", false, "generate a new secret and show it")
	c.Flags().StringVar(&o.pkce, "pkce", "", "whether the client must use PKCE: required or optional")
	kit.OutputFlag(c, &o.out)
	return c
}

// read makes one request of the document, the id and --new-secret.
func (o *updateClientOptions) read(c *cobra.Command, k *kit.Kit, args []string) (err error) {
	switch {
	case c.Flags().Changed("config") || len(args) == 0:
		if o.document, err = k.ReadDocument(o.file); err != nil {
			return err
		}
		doc, err := Read(o.document)
		if err != nil {
			return err
		}
		o.secret = doc.Secret
		doc.Change(&o.request)
	case !o.request.NewSecret && o.pkce == "":
		return kit.Usagef(c, "nothing to change: add --config FILE or --new-secret or --pkce")
	}
	if o.pkce != "" {
		if o.request.Pkce, err = ParsePKCE(o.pkce); err != nil || o.request.GetPkce() == pach.PKCE_PKCE_UNTIL_USED {
			return kit.Usagef(c, "--pkce is %q: choose required or optional", o.pkce)
		}
	}
	if o.secret != "" && o.request.NewSecret {
		return kit.Usagef(c, "the document sets a secret and --new-secret generates another: choose one")
	}
	return kit.TakeID(c, "client", &o.request.Id, args)
}

func (o *updateClientOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.UpdateOIDCClient(ctx, &o.request)
		if err == nil && o.secret != "" {
			change := &identity.OIDCClient{Id: o.request.Id, Secret: o.secret}
			_, err = c.Identity.UpdateOIDCClient(ctx, &identity.UpdateOIDCClientRequest{Client: change})
		}
		if err != nil || r.GetSecret() == "" {
			return o.document.Explain(err)
		}
		return printSecret(k, o.out, r.GetSecret())
	})
}

func getClient(k *kit.Kit) *cobra.Command {
	var o idOptions
	c := &cobra.Command{
		Use: "get-client ID", Short: "Show an OIDC client, without its secret", Args: kit.Exactly(1),
		Example: "  pachctl idp get-client dashboard",
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			return o.runGetClient(c.Context(), k)
		},
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o idOptions) runGetClient(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.GetOIDCClient(ctx, &pach.GetOIDCClientRequest{Id: o.id})
		if status.Code(err) == codes.Unimplemented { // upstream's
			var theirs *identity.GetOIDCClientResponse
			theirs, err = c.Identity.GetOIDCClient(ctx, &identity.GetOIDCClientRequest{Id: o.id})
			r = &pach.GetOIDCClientResponse{Client: theirs.GetClient()}
		}
		if err != nil {
			return err
		}
		if r.GetManaged() {
			k.Notef("client %s is managed by pachd's configuration\n", o.id)
		}
		doc := Of(r)
		return k.PrintYAML(o.out, doc, doc)
	})
}

// listedClient is a client, and whether pachd's configuration declares it.
type listedClient struct {
	Document `yaml:",inline"`
	Managed  bool `json:"managed,omitempty" yaml:"managed,omitempty"`
}

type listClientOptions struct{ out string }

func listClient(k *kit.Kit) *cobra.Command {
	var o listClientOptions
	c := &cobra.Command{
		Use: "list-client", Short: "List the OIDC clients", Example: "  pachctl idp list-client", Args: kit.Exactly(0),
		Long: `List the OIDC clients, one id per line. Behind those that an administrator has
exempted from PKCE (RFC 7636) that is said; -o json and -o yaml also tell which
may leave it out until they have used it once.`,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o listClientOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		all, err := clients(ctx, c)
		if err != nil {
			return err
		}
		docs := []listedClient{}
		for _, oidc := range all {
			docs = append(docs, listedClient{Of(oidc), oidc.GetManaged()})
		}
		return k.PrintResult(o.out, docs, func() {
			for _, d := range docs {
				k.Printf("%s", d.ID)
				if d.PKCE == "optional" {
					k.Printf("  (PKCE: %s)", d.PKCE)
				}
				if d.Managed {
					k.Printf("  (managed by pachd's configuration)")
				}
				k.Printf("\n")
			}
		})
	})
}

// clients asks upstream's pachd for what it knows.
func clients(ctx context.Context, c *kit.Conn) (all []*pach.GetOIDCClientResponse, err error) {
	err = client.Pages(func(page string) (string, error) {
		r, err := c.Pach.ListOIDCClients(ctx, &pach.ListOIDCClientsRequest{PageToken: page})
		all = append(all, r.GetClients()...)
		return r.GetNextPageToken(), err
	})
	if status.Code(err) != codes.Unimplemented {
		return all, err
	}
	theirs, err := c.Identity.ListOIDCClients(ctx, &identity.ListOIDCClientsRequest{})
	for _, oidc := range theirs.GetClients() {
		all = append(all, &pach.GetOIDCClientResponse{Client: oidc})
	}
	return all, err
}

func deleteClient(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "delete-client ID", Short: "Remove an OIDC client", Example: "  pachctl idp delete-client dashboard", Args: kit.Exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return idOptions{id: args[0]}.runDeleteClient(c.Context(), k)
		},
	}
}

func (o idOptions) runDeleteClient(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Identity.DeleteOIDCClient(ctx, &identity.DeleteOIDCClientRequest{Id: o.id})
		return err
	})
}
