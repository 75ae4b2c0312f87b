package idp

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/identity"
	"pachyderm/internal/cli/kit"
)

// identityConfig is how pachd signs people in, as people write it.
type identityConfig struct {
	Issuer              string `json:"issuer,omitempty" yaml:"issuer,omitempty"`
	IDTokenExpiry       string `json:"id_token_expiry,omitempty" yaml:"id_token_expiry,omitempty"`
	RotationTokenExpiry string `json:"rotation_token_expiry,omitempty" yaml:"rotation_token_expiry,omitempty"`
}

type setConfigOptions struct{ file string }

func setConfig(k *kit.Kit) *cobra.Command {
	var o setConfigOptions
	c := &cobra.Command{
		Use: "set-config", Short: "Set the issuer and how long its tokens live", Args: kit.Exactly(0),
		Long: `Set how pachd signs people in. The document is YAML or JSON with the keys

  issuer                 address that browsers reach pachd at
  id_token_expiry        how long an ID token lives, such as 24h
  rotation_token_expiry  how long a refresh token lives while it is not used`,
		Example: "  pachctl idp set-config --config identity.yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.DocumentFlag(c, &o.file)
	return c
}

func (o setConfigOptions) run(ctx context.Context, k *kit.Kit) error {
	d, err := k.ReadDocument(o.file)
	if err != nil {
		return err
	}
	var doc identityConfig
	if err := d.Decode(&doc); err != nil {
		return err
	}
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Identity.SetIdentityServerConfig(ctx, &identity.SetIdentityServerConfigRequest{Config: &identity.IdentityServerConfig{
			Issuer: doc.Issuer, IdTokenExpiry: doc.IDTokenExpiry, RotationTokenExpiry: doc.RotationTokenExpiry,
		}})
		return d.Explain(err)
	})
}

type getConfigOptions struct{ out string }

func getConfig(k *kit.Kit) *cobra.Command {
	var o getConfigOptions
	c := &cobra.Command{
		Use: "get-config", Short: "Show the issuer and how long its tokens live", Example: "  pachctl idp get-config", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o getConfigOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Identity.GetIdentityServerConfig(ctx, &identity.GetIdentityServerConfigRequest{})
		if err != nil {
			return err
		}
		config := r.GetConfig()
		doc := identityConfig{
			Issuer: config.GetIssuer(), IDTokenExpiry: config.GetIdTokenExpiry(), RotationTokenExpiry: config.GetRotationTokenExpiry(),
		}
		return k.PrintYAML(o.out, doc, doc)
	})
}
