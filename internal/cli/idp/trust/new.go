package trust

import (
	"context"
	"embed"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
	"pachyderm/internal/webaddr"
)

// Each preset is a document that says where the token of a workload comes from.
//
//go:embed *.yaml
var presets embed.FS

// names are those of the presets.
func names() []string { return []string{"github", "gitlab", "kubernetes"} }

type newOptions struct{ preset string }

func newTrust(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "new " + strings.Join(names(), "|"), Short: "Write the document of a trust", Args: kit.Exactly(1),
		Long: `Print the document of a trust in a platform, with what to write there. What to
fill in stands in <brackets>.`,
		Example:           "  pachctl idp trust new github",
		ValidArgsFunction: kit.Completing(names),
		RunE: func(c *cobra.Command, args []string) error {
			for _, name := range names() {
				if name == args[0] {
					return newOptions{name}.run(c.Context(), k)
				}
			}
			return kit.Usagef(c, "unknown platform %q: choose from %s; the help of create says what a document for others holds",
				args[0], strings.Join(names(), ", "))
		},
	}
}

// run takes the issuer as audience: only tokens that are meant for this pachd
// have it.
func (o newOptions) run(ctx context.Context, k *kit.Kit) error {
	text, err := presets.ReadFile(o.preset + ".yaml")
	if err != nil {
		return err
	}
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		info, err := c.Pach.GetSignIn(ctx, &pach.GetSignInRequest{})
		if err != nil {
			return err
		}
		if !webaddr.IsOpenable(info.GetIssuer()) {
			return fault.New(fault.Unavailable, "pachd does not say which issuer it is").Next("ask an administrator")
		}
		k.Printf("%s", kit.Lines(strings.ReplaceAll(string(text), "AUDIENCE", info.GetIssuer())))
		return nil
	})
}
