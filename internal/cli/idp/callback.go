package idp

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
	"pachyderm/internal/webaddr"
)

func callback(k *kit.Kit) *cobra.Command {
	var keys bool
	c := &cobra.Command{
		Use: "callback", Short: "Print the callback URL to register at an identity provider", Args: kit.Exactly(0),
		Long: `Print the URL to which an identity provider sends people back, and nothing else,
for scripts. Register exactly this with the provider. You need not be signed in.

With --keys it is the URL of pachd's public keys, the jwks_uri of a client that
has token_endpoint_auth_method private_key_jwt at the provider.`,
		Example: `  pachctl idp callback
  pachctl idp callback --keys`,
		RunE: func(c *cobra.Command, _ []string) error { return runCallback(c.Context(), k, keys) },
	}
	c.Flags().BoolVar(&keys, "keys", false, "print the URL of the public keys for private_key_jwt instead")
	return c
}

func runCallback(ctx context.Context, k *kit.Kit, keys bool) error {
	u, err := callbackURL(ctx, k)
	if err != nil {
		return err
	}
	if keys {
		u = strings.TrimSuffix(u, "/callback") + "/connector-keys"
	}
	k.Printf("%s\n", u)
	return nil
}

// callbackURL asks pachd, which tells anybody.
func callbackURL(ctx context.Context, k *kit.Kit) (string, error) {
	t, err := k.FindTarget(kit.Identities)
	if err != nil {
		return "", err
	}
	ctx, cancel := k.Limit(ctx)
	defer cancel()
	c, err := k.Dial(ctx, t, "")
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	info, err := c.Pach.GetSignIn(ctx, &pach.GetSignInRequest{})
	if err != nil {
		return "", err
	}
	if !webaddr.IsOpenable(info.GetCallbackUrl()) {
		return "", fault.New(fault.Unavailable, "pachd does not say where its callback is").
			Next("ask an administrator for its public URL; the callback is that and /callback")
	}
	return info.GetCallbackUrl(), nil
}
