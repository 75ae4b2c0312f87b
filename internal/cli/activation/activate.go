package activation

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pfs"
	"pachyderm/api/pps"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Commands are those of auth that switch authentication on and off, and say
// where people sign in.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{activate(k), deactivate(k), getConfig(k), setConfig(k), rotateRootToken(k)}
}

type activateOptions struct {
	supplyToken, onlyActivate, enterprise bool
	// configure is whether the sign-in is to be configured too. Without a word on
	// it pachd's own issuer and client are ready.
	configure                  bool
	issuer, redirect, clientID string
	peers, scopes              []string
	out                        string
}

func activate(k *kit.Kit) *cobra.Command {
	var o activateOptions
	c := &cobra.Command{
		Use: "activate", Short: "Switch authentication on, where it is off", Args: kit.Exactly(0),
		Long: `Switch authentication on. pachd has it on from its first start, unless it was
configured otherwise or deactivated; if it is on, that is said and nothing
changes. The root token is shown this once, and kept as your session.

People then sign in at pachd's own issuer. With any of --issuer, --redirect,
--client-id, --trusted-peers and --scopes a client for pachd is registered there
and used instead of the built-in one. With an enterprise context of its own it
is registered at that server, which becomes the issuer.`,
		Example: "  pachctl auth activate\n  pachctl auth activate --supply-root-token < root-token",
		RunE: func(c *cobra.Command, _ []string) error {
			o.configure = slices.ContainsFunc([]string{"issuer", "redirect", "client-id", "trusted-peers", "scopes"}, c.Flags().Changed)
			return o.run(c.Context(), k)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.supplyToken, "supply-root-token", false, "use the root token on standard input in place of a new one")
	f.BoolVar(&o.onlyActivate, "only-activate", false, "do not configure the sign-in")
	f.StringVar(&o.issuer, "issuer", "", "URL of the issuer; default: the one that pachd has")
	f.StringVar(&o.redirect, "redirect", "http://localhost:30657/authorization-code/callback", "redirect URI of pachd")
	f.StringVar(&o.clientID, "client-id", "pachd", "id of the OIDC client that pachd is")
	f.StringSliceVar(&o.peers, "trusted-peers", nil, "ids of clients that may request tokens for pachd")
	f.StringSliceVar(&o.scopes, "scopes", []string{"email", "profile", "groups", "openid"}, "scopes to request")
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

func (o activateOptions) run(ctx context.Context, k *kit.Kit) error {
	ctx, cancel := k.Limit(ctx)
	defer cancel()
	t, err := k.FindTarget(o.enterprise)
	if err != nil {
		return err
	}
	given := ""
	if o.supplyToken {
		if given, err = readRootToken(ctx, k, "Root token:"); err != nil {
			return err
		}
	}
	fresh, err := switchOn(ctx, k, t, given, o.out)
	if err != nil {
		return err
	}
	elsewhere, err := o.elsewhere(k, t)
	if err != nil {
		return err
	}
	if !fresh && !o.configure || o.onlyActivate {
		return nil
	}
	c, err := k.Dial(ctx, t, t.Token)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if fresh && !o.enterprise {
		if err := activateData(ctx, c); err != nil {
			return err
		}
	}
	if !o.configure && elsewhere == nil {
		return nil
	}
	idp := c
	if elsewhere != nil {
		if idp, err = k.Dial(ctx, elsewhere, elsewhere.Token); err != nil {
			return err
		}
		defer func() { _ = idp.Close() }()
	}
	return o.configureSignIn(ctx, c, idp, elsewhere != nil)
}

func readRootToken(ctx context.Context, k *kit.Kit, prompt string) (string, error) {
	token, err := k.ReadSecret(ctx, prompt)
	if err == nil && token == "" {
		err = fault.New(fault.Invalid, "no root token was given, and nothing was changed").Next("pass it on standard input")
	}
	return token, err
}

// elsewhere is the enterprise server if people are to sign in there, or nil.
func (o activateOptions) elsewhere(k *kit.Kit, t *kit.Target) (*kit.Target, error) {
	if o.enterprise {
		return nil, nil
	}
	e, err := k.FindTarget(true)
	if err != nil || e.Context == t.Context {
		return nil, err
	}
	return e, nil
}

// switchOn makes the session of the root token the context's. It reports false
// when there was nothing to switch on.
func switchOn(ctx context.Context, k *kit.Kit, t *kit.Target, given, out string) (bool, error) {
	c, err := k.Dial(ctx, t, "")
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close() }()
	if err := k.CheckCluster(ctx, c, t); err != nil {
		return false, err
	}
	r, err := c.Auth.Activate(ctx, &auth.ActivateRequest{RootToken: given})
	if status.Code(err) == codes.Unimplemented { // upstream's code for "already activated"
		return false, activeAlready(ctx, k, t, given)
	}
	if err != nil {
		return false, kit.Prefixed("error activating Pachyderm auth", err)
	}
	// Shown before it is kept: what is lost here is lost for good.
	err = printRootToken(k, out, "Pachyderm root token", r.GetPachToken())
	return true, errors.Join(err, k.SetToken(t, r.GetPachToken()))
}

func printRootToken(k *kit.Kit, out, title, token string) error {
	return k.PrintResult(out, map[string]string{"root_token": token}, func() {
		k.Printf("WARNING: Keep this token in a safe place: whoever has it may do everything, and\nit is not shown again.\n\n")
		k.Printf("%s:\n%s\n", title, token)
	})
}

// activeAlready is no failure: scripts activate again and go on. The token
// that they give becomes the session if it is the root token, as it would have.
func activeAlready(ctx context.Context, k *kit.Kit, t *kit.Target, given string) error {
	k.Notef("Authentication is active already.\n")
	if given == "" {
		return nil
	}
	c, err := k.Dial(ctx, t, given)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
	switch {
	case err == nil && who.GetUsername() == "pach:root":
		return k.SetToken(t, given)
	case err == nil || status.Code(err) == codes.Unauthenticated:
		k.Notef("The token that was given is not the root token, and nothing was changed; " +
			"to make it that: pachctl auth rotate-root-token --supply-token -\n")
		return nil
	}
	return err
}

// activateData tells the services for data and pipelines, where they exist.
func activateData(ctx context.Context, c *client.Client) error {
	_, err := c.PFS.ActivateAuth(ctx, &pfs.ActivateAuthRequest{})
	if err != nil && status.Code(err) != codes.Unimplemented {
		return kit.Prefixed("error configuring auth for existing PFS repos - run `pachctl auth activate` again", err)
	}
	_, err = c.PPS.ActivateAuth(ctx, &pps.ActivateAuthRequest{})
	if err != nil && status.Code(err) != codes.Unimplemented {
		return kit.Prefixed("error configuring auth for existing PPS pipelines - run `pachctl auth activate` again", err)
	}
	return nil
}

type deactivateOptions struct{ enterprise bool }

func deactivate(k *kit.Kit) *cobra.Command {
	var o deactivateOptions
	c := &cobra.Command{
		Use: "deactivate", Short: "Switch authentication off, and forget who may do what", Args: kit.Exactly(0),
		Long: `Switch authentication off. All roles, tokens, groups, connectors and OIDC clients
are deleted, and from then on everybody may do everything. It asks first.`,
		Example: "  pachctl auth deactivate",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	return c
}

func (o deactivateOptions) run(ctx context.Context, k *kit.Kit) error {
	err := k.Confirm(ctx, "Are you sure you want to delete ALL auth information (ACLs, roles, tokens, connectors) in this cluster? yN")
	if err != nil {
		return err
	}
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		if _, err := c.Identity.DeleteAll(ctx, &identity.DeleteAllRequest{}); err != nil {
			return err
		}
		if _, err := c.Auth.Deactivate(ctx, &auth.DeactivateRequest{}); err != nil {
			return kit.Prefixed("connectors and OIDC clients are deleted, but authentication is still active", err)
		}
		return k.SetToken(c.Target, "") // it is worth nothing any more
	})
}

type rotateOptions struct {
	token string // the new one, or - for standard input
	out   string
}

func rotateRootToken(k *kit.Kit) *cobra.Command {
	var o rotateOptions
	c := &cobra.Command{
		Use: "rotate-root-token", Short: "Replace the root token", Args: kit.Exactly(0),
		Long: `Replace the root token. The one in use ends at once; the new one is shown this
once, and becomes your session here if the old one was.`,
		Example: "  pachctl auth rotate-root-token\n  pachctl auth rotate-root-token --supply-token - < new-root-token",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	c.Flags().StringVar(&o.token, "supply-token", "",
		"the new root token; - reads it from standard input, which keeps it out of the list of processes")
	kit.OutputFlag(c, &o.out)
	return c
}

func (o rotateOptions) run(ctx context.Context, k *kit.Kit) (err error) {
	if o.token == "-" {
		if o.token, err = readRootToken(ctx, k, "New root token:"); err != nil {
			return err
		}
	}
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
		if err != nil {
			return err
		}
		r, err := c.Auth.RotateRootToken(ctx, &auth.RotateRootTokenRequest{RootToken: o.token})
		if err != nil {
			return err
		}
		// Shown before it is kept: what is lost here is lost for good.
		err = printRootToken(k, o.out, "Pachyderm auth token", r.GetRootToken())
		if who.GetUsername() == "pach:root" {
			err = errors.Join(err, k.SetToken(c.Target, r.GetRootToken()))
		}
		return err
	})
}
