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
	"pachyderm/internal/fault"
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
	// PKCE is left out where it is required.
	PKCE       string   `json:"pkce,omitempty" yaml:"pkce,omitempty"`
	Public     *bool    `json:"public,omitempty" yaml:"public,omitempty"`
	PostLogout []string `json:"post_logout_redirect_uris,omitempty" yaml:"post_logout_redirect_uris,omitempty"`
	// LogoutURI is nil where the document does not say, and empty to take it away.
	LogoutURI *string `json:"backchannel_logout_uri,omitempty" yaml:"backchannel_logout_uri,omitempty"`
}

// pkceByName are what a client may have to do about PKCE, as documents have it.
func pkceByName() map[string]pach.PKCE {
	return map[string]pach.PKCE{
		"required": pach.PKCE_PKCE_REQUIRED, "optional": pach.PKCE_PKCE_OPTIONAL, "until-used": pach.PKCE_PKCE_UNTIL_USED,
	}
}

func parsePKCE(text string) (pach.PKCE, error) {
	p, ok := pkceByName()[text]
	if !ok && text != "" {
		return p, fault.New(fault.Invalid, "pkce: %q is neither required nor optional", text).At("pkce")
	}
	return p, nil
}

// shownPKCE is empty where PKCE is required, and where pachd does not say.
func shownPKCE(p pach.PKCE) string {
	for name, known := range pkceByName() {
		if known == p && p != pach.PKCE_PKCE_REQUIRED {
			return name
		}
	}
	return ""
}

const clientHelp = `The document is YAML or JSON with the keys

  id             name of the application for programs
  name           name of the application for people
  redirect_uris  where the browser may be sent back to
  secret         default: a random one
  trusted_peers  ids of clients that may request tokens for this one
  allowed_connectors
                 ids of the connectors that people may sign in with; default:
                 all
  pkce           optional for an application that does not know PKCE; default:
                 required. A client that was made by a client of an older
                 version shows until-used: it may leave PKCE out until it has
                 used it once
  public         true for a program that cannot keep a secret, on people's
                 machines or in their browsers: it has none, and uses PKCE
  post_logout_redirect_uris
                 where people may be sent whom the application signs out
  backchannel_logout_uri
                 where the application hears of sign-ins that have ended`

// clientOf reads the document. A secret *** is one that get-client did not show.
func clientOf(d kit.Document) (doc clientDoc, pkce pach.PKCE, err error) {
	if err := d.Decode(&doc); err != nil {
		return doc, pkce, err
	}
	if doc.Secret == kit.Mask {
		doc.Secret = ""
	}
	if pkce, err = parsePKCE(doc.PKCE); err != nil {
		err = fault.Prefix(err, "%s", d.Name)
	}
	return doc, pkce, err
}

type createClientOptions struct {
	file string
	out  string
}

func createClient(k *kit.Kit) *cobra.Command {
	var o createClientOptions
	c := &cobra.Command{
		Use: "create-client", Short: "Register an application as OIDC client", Args: kit.Exactly(0),
		Long:    "Register an application that signs people in through Pachyderm. Its secret is\nshown this once.\n\n" + clientHelp,
		Example: "  pachctl idp create-client --config dashboard.yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	documentFlag(c, &o.file)
	kit.OutputFlag(c, &o.out)
	return c
}

func (o createClientOptions) run(ctx context.Context, k *kit.Kit) error {
	d, err := k.ReadDocument(o.file)
	if err != nil {
		return err
	}
	doc, pkce, err := clientOf(d)
	if err != nil {
		return err
	}
	req := &pach.CreateOIDCClientRequest{
		Client: &identity.OIDCClient{
			Id: doc.ID, Name: doc.Name, RedirectUris: doc.RedirectURIs, Secret: doc.Secret, TrustedPeers: doc.TrustedPeers,
		},
		AllowedConnectors: doc.Allowed, Pkce: pkce, PostLogoutRedirectUris: doc.PostLogout,
	}
	if doc.Public != nil {
		req.Public = *doc.Public
	}
	if doc.LogoutURI != nil {
		req.BackchannelLogoutUri = *doc.LogoutURI
	}
	return k.WithConn(ctx, enterprise, func(ctx context.Context, c *kit.Conn) error {
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

` + clientHelp,
		Example: "  pachctl idp update-client --config dashboard.yaml\n  pachctl idp update-client dashboard --new-secret\n" +
			"  pachctl idp update-client dashboard --pkce=optional",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	documentFlag(c, &o.file)
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
		if err := o.readDocument(); err != nil {
			return err
		}
	case !o.request.NewSecret && o.pkce == "":
		return kit.Usagef(c, "nothing to change: add --config FILE or --new-secret or --pkce")
	}
	if o.pkce != "" {
		if o.request.Pkce, err = parsePKCE(o.pkce); err != nil || o.request.GetPkce() == pach.PKCE_PKCE_UNTIL_USED {
			return kit.Usagef(c, "--pkce is %q: choose required or optional", o.pkce)
		}
	}
	if o.secret != "" && o.request.NewSecret {
		return kit.Usagef(c, "the document sets a secret and --new-secret generates another: choose one")
	}
	return takeID(c, "client", &o.request.Id, args)
}

func (o *updateClientOptions) readDocument() error {
	doc, pkce, err := clientOf(o.document)
	if err != nil {
		return err
	}
	o.secret, o.request.Id, o.request.Name, o.request.Pkce = doc.Secret, doc.ID, doc.Name, pkce
	o.request.Public, o.request.BackchannelLogoutUri = doc.Public, doc.LogoutURI
	for _, list := range []struct {
		given []string
		into  **pach.StringList
	}{
		{doc.Allowed, &o.request.AllowedConnectors},
		{doc.RedirectURIs, &o.request.RedirectUris},
		{doc.TrustedPeers, &o.request.TrustedPeers},
		{doc.PostLogout, &o.request.PostLogoutRedirectUris},
	} {
		if list.given != nil {
			*list.into = &pach.StringList{Values: list.given}
		}
	}
	return nil
}

func (o *updateClientOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, enterprise, func(ctx context.Context, c *kit.Conn) error {
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

func docOfClient(r *pach.GetOIDCClientResponse) clientDoc {
	c := r.GetClient()
	doc := clientDoc{
		ID: c.GetId(), Name: c.GetName(), Secret: c.GetSecret(), Allowed: r.GetAllowedConnectors(), PKCE: shownPKCE(r.GetPkce()),
		RedirectURIs: append([]string{}, c.GetRedirectUris()...), TrustedPeers: append([]string{}, c.GetTrustedPeers()...),
		PostLogout: r.GetPostLogoutRedirectUris(),
	}
	if r.GetPublic() {
		doc.Public = &r.Public
	}
	if r.GetBackchannelLogoutUri() != "" {
		doc.LogoutURI = &r.BackchannelLogoutUri
	}
	return doc
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
	return k.WithConn(ctx, enterprise, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.GetOIDCClient(ctx, &pach.GetOIDCClientRequest{Id: o.id})
		if status.Code(err) == codes.Unimplemented { // upstream's
			var theirs *identity.GetOIDCClientResponse
			theirs, err = c.Identity.GetOIDCClient(ctx, &identity.GetOIDCClientRequest{Id: o.id})
			r = &pach.GetOIDCClientResponse{Client: theirs.GetClient()}
		}
		if err != nil {
			return err
		}
		doc := docOfClient(r)
		return printYAML(k, o.out, doc, doc)
	})
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
	return k.WithConn(ctx, enterprise, func(ctx context.Context, c *kit.Conn) error {
		all, err := clients(ctx, c)
		if err != nil {
			return err
		}
		docs := []clientDoc{}
		for _, oidc := range all {
			docs = append(docs, docOfClient(oidc))
		}
		return k.PrintResult(o.out, docs, func() {
			for _, d := range docs {
				k.Printf("%s", d.ID)
				if d.PKCE == "optional" {
					k.Printf("  (PKCE: %s)", d.PKCE)
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
	return k.WithConn(ctx, enterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Identity.DeleteOIDCClient(ctx, &identity.DeleteOIDCClientRequest{Id: o.id})
		return err
	})
}
