package activation

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

// authConfig is where pachd lets people sign in, as people write it.
type authConfig struct {
	Issuer                   string   `json:"issuer,omitempty"`
	ClientID                 string   `json:"client_id,omitempty"`
	ClientSecret             string   `json:"client_secret,omitempty"`
	RedirectURI              string   `json:"redirect_uri,omitempty"`
	Scopes                   []string `json:"scopes,omitempty"`
	RequireEmailVerified     bool     `json:"require_email_verified,omitempty"`
	LocalhostIssuer          bool     `json:"localhost_issuer,omitempty"`
	UserAccessibleIssuerHost string   `json:"user_accessible_issuer_host,omitempty"`
}

type getConfigOptions struct {
	enterprise bool
	out        string
}

func getConfig(k *kit.Kit) *cobra.Command {
	var o getConfigOptions
	c := &cobra.Command{
		Use: "get-config", Short: "Show where people sign in, and as which client", Args: kit.Exactly(0),
		Long:    "Show the issuer at which people sign in, and the OIDC client that pachd is there,\nwith *** in place of its secret.",
		Example: "  pachctl auth get-config\n  pachctl auth get-config -o yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

func (o getConfigOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Auth.GetConfiguration(ctx, &auth.GetConfigurationRequest{})
		if err != nil {
			return err
		}
		oidc := r.GetConfiguration()
		doc := authConfig{
			Issuer: oidc.GetIssuer(), ClientID: oidc.GetClientId(), ClientSecret: oidc.GetClientSecret(), RedirectURI: oidc.GetRedirectUri(),
			Scopes: oidc.GetScopes(), RequireEmailVerified: oidc.GetRequireEmailVerified(), LocalhostIssuer: oidc.GetLocalhostIssuer(),
			UserAccessibleIssuerHost: oidc.GetUserAccessibleIssuerHost(),
		}
		// Of our own pachd it is masked; another one's is nobody's business.
		if doc.ClientSecret != "" {
			doc.ClientSecret = kit.Mask
		}
		text, err := json.MarshalIndent(doc, "", "  ") //nolint:gosec // the secret is *** here
		if err != nil {
			return err
		}
		return k.PrintResult(o.out, doc, func() {
			if oidc == nil {
				k.Printf("no auth config set\n")
				return
			}
			k.Printf("%s\n\n", kit.Lines(kit.EscapeJSON(text)))
		})
	})
}

type setConfigOptions struct {
	file       string
	enterprise bool
}

func setConfig(k *kit.Kit) *cobra.Command {
	var o setConfigOptions
	c := &cobra.Command{
		Use: "set-config", Short: "Set where people sign in, and as which client", Args: kit.Exactly(0),
		Long: `Set the issuer at which people sign in, and the OIDC client that pachd is there.
The document is YAML or JSON with the keys

  issuer                       URL of the issuer: pachd's own, or another server's
  client_id                    id of the client
  client_secret                its secret; *** keeps the stored one
  redirect_uri                 redirect URI of pachd
  scopes                       what to request, such as openid, email, profile, groups
  require_email_verified       refuse e-mail addresses that the issuer has not verified
  localhost_issuer             the issuer is this pachd
  user_accessible_issuer_host  host that browsers reach the issuer at

An empty document, {}, goes back to pachd's own issuer and client.`,
		Example: "  pachctl auth set-config -f auth.json",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.file == "" {
				return kit.Usagef(c, "must set input file (use \"-\" to read from stdin)")
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVarP(&o.file, "file", "f", "-", "file with the document; - is standard input")
	kit.EnterpriseFlag(c, &o.enterprise)
	return c
}

func (o setConfigOptions) run(ctx context.Context, k *kit.Kit) error {
	d, err := k.ReadDocument(o.file)
	if err != nil {
		return err
	}
	var doc authConfig
	if err := d.Decode(&doc); err != nil {
		return err
	}
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Auth.SetConfiguration(ctx, &auth.SetConfigurationRequest{Configuration: &auth.OIDCConfig{
			Issuer: doc.Issuer, ClientId: doc.ClientID, ClientSecret: doc.ClientSecret, RedirectUri: doc.RedirectURI, Scopes: doc.Scopes,
			RequireEmailVerified: doc.RequireEmailVerified, LocalhostIssuer: doc.LocalhostIssuer,
			UserAccessibleIssuerHost: doc.UserAccessibleIssuerHost,
		}})
		if err != nil {
			return d.Explain(err)
		}
		noteUnregistered(ctx, k, c, doc.ClientID)
		return nil
	})
}

// noteUnregistered says of a client that the issuer of this pachd does not know
// what that means.
func noteUnregistered(ctx context.Context, k *kit.Kit, c *kit.Conn, id string) {
	at, err := c.Pach.GetSignIn(ctx, &pach.GetSignInRequest{})
	if own := err == nil && at.GetAuthorizationEndpoint() != ""; !own || id == "" {
		return
	}
	_, err = c.Identity.GetOIDCClient(ctx, &identity.GetOIDCClientRequest{Id: id})
	if status.Code(err) == codes.NotFound {
		k.Notef("Note: client %q is not registered. Until it is, with pachctl idp create-client, upstream's clients cannot sign in.\n", id)
	}
}
