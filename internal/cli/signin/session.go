package signin

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Commands are those of auth with which a person gets a session and ends it.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{login(k), logout(k), whoami(k), useAuthToken(k)}
}

// sessionOptions are those of the commands that show whose the session is.
type sessionOptions struct {
	enterprise bool
	out        string
}

func (o *sessionOptions) flags(c *cobra.Command) *cobra.Command {
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

func whoami(k *kit.Kit) *cobra.Command {
	var o sessionOptions
	return o.flags(&cobra.Command{
		Use: "whoami", Short: "Show who you are signed in as", Args: kit.Exactly(0),
		Long:    "Show who you are signed in as, and when the session ends if it does.",
		Example: "  pachctl auth whoami\n  pachctl auth whoami -o json",
		RunE:    func(c *cobra.Command, _ []string) error { return o.runWhoami(c.Context(), k) },
	})
}

func (o *sessionOptions) runWhoami(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
		if err != nil {
			return err
		}
		return printIdentity(k, o.out, who)
	})
}

type shownIdentity struct {
	Username   string     `json:"username"`
	Expiration *time.Time `json:"expiration,omitempty"`
}

func printIdentity(k *kit.Kit, out string, who *auth.WhoAmIResponse) error {
	return k.PrintResult(out, shownIdentity{who.GetUsername(), kit.TimeOrNil(who.GetExpiration())}, func() {
		k.Printf("You are %q\n", who.GetUsername())
		if e := who.GetExpiration(); e != nil {
			k.Printf("session expires: %s\n", e.AsTime().Format(time.RFC822))
		}
	})
}

func useAuthToken(k *kit.Kit) *cobra.Command {
	var o sessionOptions
	return o.flags(&cobra.Command{
		Use: "use-auth-token", Short: "Sign in with a token that you already have", Args: kit.Exactly(0),
		Long: `Sign in with a token that you already have, such as the root token or a
robot's. It is read from standard input, asked for at a terminal, and kept only
if pachd accepts it.`,
		Example: "  pachctl auth use-auth-token < root-token",
		RunE:    func(c *cobra.Command, _ []string) error { return o.runUseAuthToken(c.Context(), k) },
	})
}

func (o *sessionOptions) runUseAuthToken(ctx context.Context, k *kit.Kit) error {
	t, err := k.FindTarget(o.enterprise)
	if err != nil {
		return err
	}
	token, err := k.ReadSecret(ctx, "Please paste your Pachyderm auth token:")
	if err != nil {
		return err
	}
	if token == "" {
		return fault.New(fault.Invalid, "no token was given, and nothing was changed").Next("pass it on standard input")
	}
	ctx, cancel := k.Limit(ctx)
	defer cancel()
	who, err := saveToken(ctx, k, t, token)
	if err != nil {
		return err
	}
	return printIdentity(k, o.out, who)
}

// saveToken keeps a token once pachd has said whose it is.
func saveToken(ctx context.Context, k *kit.Kit, t *kit.Target, token string) (*auth.WhoAmIResponse, error) {
	c, err := k.Dial(ctx, t, token)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	if err := k.CheckCluster(ctx, c, t); err != nil {
		return nil, err
	}
	who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
	if status.Code(err) == codes.Unauthenticated {
		return nil, fault.New(fault.Unauthenticated, "pachd does not accept this token, and nothing was changed: %s", client.MessageOf(err))
	}
	if err != nil {
		return nil, err
	}
	return who, k.SetToken(t, token)
}

type logoutOptions struct{ enterprise bool }

func logout(k *kit.Kit) *cobra.Command {
	var o logoutOptions
	c := &cobra.Command{
		Use: "logout", Short: "Sign out", Example: "  pachctl auth logout", Args: kit.Exactly(0),
		Long: "Sign out: the session ends on the server, and its token is removed here.",
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	return c
}

// run forgets the token whatever the server says, but does not pretend that the
// session ended when it did not.
func (o logoutOptions) run(ctx context.Context, k *kit.Kit) error {
	t, err := k.FindTarget(o.enterprise)
	if err != nil {
		return err
	}
	if t.Token == "" {
		k.Notef("You were not signed in.\n")
		return nil
	}
	ended := endSession(ctx, k, t)
	if err := k.SetToken(t, ""); err != nil {
		return err
	}
	switch {
	case status.Code(ended) == codes.FailedPrecondition: // the root token
		k.Notef("The token is removed here, and stays valid: %s\n", client.MessageOf(ended))
		return nil
	case ended != nil:
		return fault.New(fault.Unavailable, "you are signed out here, but the session may still be valid on the server: %s",
			client.MessageOf(ended)).
			Next("an administrator can end it with: pachctl auth revoke")
	}
	return nil
}

func endSession(ctx context.Context, k *kit.Kit, t *kit.Target) error {
	ctx, cancel := k.Limit(ctx)
	defer cancel()
	c, err := k.Dial(ctx, t, t.Token)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, err = c.Auth.RevokeAuthToken(ctx, &auth.RevokeAuthTokenRequest{Token: t.Token})
	if status.Code(err) == codes.Unauthenticated {
		return nil // it had ended already
	}
	return err
}
