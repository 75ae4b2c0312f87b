package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/client"
)

func (a *app) authCommands() *cobra.Command {
	return group("auth", "Sign in and out, and manage who may do what", "",
		"  pachctl auth login\n  pachctl auth whoami\n  pachctl auth get cluster",
		a.login(), a.logout(), a.whoami(), a.useAuthToken(), a.getRobotToken(), a.revoke(), a.listTokens(), a.listSessions(),
		a.getGroups(), a.listGroups(), a.getUsers(), a.createGroup(), a.addMember(), a.removeMember(),
		a.listUsers(), a.disableUser(), a.enableUser(), a.rolesForPermission(), a.explainCommand(),
		a.activate(), a.deactivate(), a.getAuthConfig(), a.setAuthConfig(), a.rotateRootToken(),
		group("get", "Show who has which roles on a resource", "", "  pachctl auth get cluster\n  pachctl auth get repo images",
			a.getBinding(onCluster()), a.getBinding(onProject()), a.getBinding(onRepo()), a.getBinding(onEnterprise())),
		group("set", "Set the roles of a user, group or robot on a resource", "", "  pachctl auth set cluster clusterAdmin user:alice@example.com",
			a.setBinding(onCluster()), a.setBinding(onProject()), a.setBinding(onRepo()), a.setBinding(onEnterprise())),
		group("check", "Show what you, or somebody else, may do on a resource", "", "  pachctl auth check repo images",
			a.checkAccess(onCluster()), a.checkAccess(onProject()), a.checkAccess(onRepo())),
	)
}

// enterpriseFlag adds --enterprise to a command.
func enterpriseFlag(c *cobra.Command, on *bool) {
	c.Flags().BoolVar(on, "enterprise", false, "use the enterprise context")
}

type whoami struct {
	Username   string     `json:"username"`
	Expiration *time.Time `json:"expiration,omitempty"`
}

func (a *app) whoami() *cobra.Command {
	var enterprise bool
	var out format
	c := &cobra.Command{
		Use: "whoami", Short: "Show who you are signed in as", Example: "  pachctl auth whoami\n  pachctl auth whoami -o json", Args: exactly(0),
		Long: "Show who you are signed in as, and when the session ends if it does.",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), enterprise, func(ctx context.Context, c *client.Client, _ *place) error {
				who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
				if err != nil {
					return err
				}
				return a.showWho(out, who)
			})
		},
	}
	enterpriseFlag(c, &enterprise)
	outputFlag(c, &out)
	return c
}

func (a *app) showWho(out format, who *auth.WhoAmIResponse) error {
	return a.answer(out, whoami{who.GetUsername(), instant(who.GetExpiration())}, func() { a.sayWho(who) })
}

func (a *app) sayWho(who *auth.WhoAmIResponse) {
	a.printf("You are %q\n", who.GetUsername())
	if e := who.GetExpiration(); e != nil {
		a.printf("session expires: %s\n", e.AsTime().Format(time.RFC822))
	}
}

func (a *app) useAuthToken() *cobra.Command {
	var enterprise bool
	var out format
	c := &cobra.Command{
		Use: "use-auth-token", Short: "Sign in with a token that you already have", Args: exactly(0),
		Long: `Sign in with a token that you already have, such as the root token or a
robot's. It is read from standard input, asked for at a terminal, and kept only
if pachd accepts it.`,
		Example: "  pachctl auth use-auth-token < root-token",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.runUseAuthToken(c.Context(), enterprise, out)
		},
	}
	enterpriseFlag(c, &enterprise)
	outputFlag(c, &out)
	return c
}

func (a *app) runUseAuthToken(ctx context.Context, enterprise bool, out format) error {
	p, err := a.place(enterprise)
	if err != nil {
		return err
	}
	token, err := a.readSecret(ctx, "Please paste your Pachyderm auth token:")
	if err != nil {
		return err
	}
	if token == "" {
		return errors.New("no token was given, and nothing was changed: pass it on standard input")
	}
	ctx, cancel := a.limit(ctx)
	defer cancel()
	return a.adopt(ctx, p, token, out)
}

// adopt keeps a token once pachd has said whose it is.
func (a *app) adopt(ctx context.Context, p *place, token string, out format) error {
	c, err := a.dial(ctx, p, token)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := a.greet(ctx, c, p); err != nil {
		return err
	}
	who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
	if status.Code(err) == codes.Unauthenticated {
		return failf(err, "pachd does not accept this token, and nothing was changed: %s", client.MessageOf(err))
	}
	if err != nil {
		return err
	}
	if err := a.remember(p, token); err != nil {
		return err
	}
	return a.showWho(out, who)
}

func (a *app) logout() *cobra.Command {
	var enterprise bool
	c := &cobra.Command{
		Use: "logout", Short: "Sign out", Example: "  pachctl auth logout", Args: exactly(0),
		Long: "Sign out: the session ends on the server, and its token is removed here.",
		RunE: func(c *cobra.Command, _ []string) error { return a.runLogout(c.Context(), enterprise) },
	}
	enterpriseFlag(c, &enterprise)
	return c
}

// runLogout forgets the token whatever the server says, but does not pretend
// that the session ended when it did not.
func (a *app) runLogout(ctx context.Context, enterprise bool) error {
	p, err := a.place(enterprise)
	if err != nil {
		return err
	}
	if p.doc.Token == "" {
		a.notef("You were not signed in.\n")
		return nil
	}
	ended := a.endSession(ctx, p)
	if err := a.remember(p, ""); err != nil {
		return err
	}
	switch {
	case status.Code(ended) == codes.FailedPrecondition: // the root token
		a.notef("The token is removed here, and stays valid: %s\n", client.MessageOf(ended))
		return nil
	case ended != nil:
		return failf(ended, "you are signed out here, but the session may still be valid on the server: %s: an administrator can end it with: pachctl auth revoke", client.MessageOf(ended))
	}
	return nil
}

func (a *app) endSession(ctx context.Context, p *place) error {
	ctx, cancel := a.limit(ctx)
	defer cancel()
	c, err := a.dial(ctx, p, p.doc.Token)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, err = c.Auth.RevokeAuthToken(ctx, &auth.RevokeAuthTokenRequest{Token: p.doc.Token})
	if status.Code(err) == codes.Unauthenticated {
		return nil // it had ended already
	}
	return err
}
