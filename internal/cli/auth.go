package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/client"
)

func (a *app) authCommands() *cobra.Command {
	return group("auth", "Sign in and out, and manage roles, robots and tokens", "",
		"  pachctl auth login\n  pachctl auth whoami\n  pachctl auth get cluster",
		a.login(), a.logout(), a.whoami(), a.useAuthToken(), a.getRobotToken(), a.revoke(), a.getGroups(), a.rolesForPermission(),
		group("get", "Show who has which roles on a resource", "", "  pachctl auth get cluster\n  pachctl auth get repo images",
			a.getBinding(onCluster()), a.getBinding(onProject()), a.getBinding(onRepo()), a.getBinding(onEnterprise())),
		group("set", "Set the roles of a user, group or robot on a resource", "", "  pachctl auth set cluster clusterAdmin user:alice@example.com",
			a.setBinding(onCluster()), a.setBinding(onProject()), a.setBinding(onRepo()), a.setBinding(onEnterprise())),
		group("check", "Show what you, or somebody else, may do on a resource", "", "  pachctl auth check repo images",
			a.checkAccess(onProject()), a.checkAccess(onRepo())),
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
				if out != "" {
					answer := whoami{Username: who.GetUsername()}
					if e := who.GetExpiration(); e != nil {
						t := e.AsTime().Truncate(time.Second)
						answer.Expiration = &t
					}
					return a.show(out, answer)
				}
				a.sayWho(who)
				return nil
			})
		},
	}
	enterpriseFlag(c, &enterprise)
	outputFlag(c, &out)
	return c
}

func (a *app) sayWho(who *auth.WhoAmIResponse) {
	a.printf("You are %q\n", who.GetUsername())
	if e := who.GetExpiration(); e != nil {
		a.printf("session expires: %s\n", e.AsTime().Format(time.RFC822))
	}
}

func (a *app) useAuthToken() *cobra.Command {
	var enterprise bool
	c := &cobra.Command{
		Use: "use-auth-token", Short: "Sign in with a token that you already have", Args: exactly(0),
		Long: `Sign in with a token that you already have, such as the root token or a
robot's. It is read from standard input, asked for at a terminal, and kept only
if pachd accepts it.`,
		Example: "  pachctl auth use-auth-token < root-token",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.runUseAuthToken(c.Context(), enterprise)
		},
	}
	enterpriseFlag(c, &enterprise)
	return c
}

func (a *app) runUseAuthToken(ctx context.Context, enterprise bool) error {
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
	return a.adopt(ctx, p, token)
}

// adopt keeps a token once pachd has said whose it is.
func (a *app) adopt(ctx context.Context, p *place, token string) error {
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
	a.sayWho(who)
	return nil
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

func (a *app) getRobotToken() *cobra.Command {
	var enterprise, quiet bool
	var ttl string
	c := &cobra.Command{
		Use: "get-robot-token ROBOT", Short: "Make a token for a robot", Args: exactly(1),
		Long:    "Make a token for a robot, a program that works with Pachyderm. Without --ttl it never expires.",
		Example: "  pachctl auth get-robot-token ci --ttl 720h\n  pachctl auth get-robot-token ci --quiet",
		RunE: func(c *cobra.Command, args []string) error {
			seconds, err := robotTTL(c, ttl)
			if err != nil {
				return err
			}
			return a.withClient(c.Context(), enterprise, func(ctx context.Context, c *client.Client, _ *place) error {
				r, err := c.Auth.GetRobotToken(ctx, &auth.GetRobotTokenRequest{Robot: args[0], Ttl: seconds})
				switch {
				case err != nil:
					return err
				case quiet:
					a.printf("%s\n", r.GetToken())
				default:
					a.printf("Token: %s\n", r.GetToken())
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&ttl, "ttl", "", "how long the token lives, such as 24h; empty means for ever")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the token alone")
	enterpriseFlag(c, &enterprise)
	return c
}

// robotTTL refuses what the wire, which counts whole seconds and takes zero
// for ever, would make something else of.
func robotTTL(c *cobra.Command, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, usagef(c, "could not parse duration %q: write it as 90s, 30m or 24h", text)
	}
	if d < time.Second {
		return 0, usagef(c, "a token cannot live for %s: give a second or more, or no --ttl for one that never expires", text)
	}
	return int64(d / time.Second), nil
}

func (a *app) revoke() *cobra.Command {
	var enterprise bool
	var token, user string
	c := &cobra.Command{
		Use: "revoke", Short: "Revoke a token, or all tokens of a user or robot", Args: exactly(0),
		Example: "  pachctl auth revoke --token - < token\n  pachctl auth revoke --user robot:ci",
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case token == "" && user == "":
				return usagef(c, "one of --token or --user must be set")
			case token != "" && user != "":
				return usagef(c, "only one of --token or --user may be set")
			case token == "-":
				var err error
				if token, err = a.readSecret(c.Context(), "Token to revoke:"); err != nil {
					return err
				}
			}
			return a.withClient(c.Context(), enterprise, func(ctx context.Context, c *client.Client, _ *place) error {
				n, err := revoked(ctx, c, token, user)
				if err != nil {
					return err
				}
				a.printf("%s\n", plural(n, "auth token")+" revoked")
				return nil
			})
		},
	}
	c.Flags().StringVar(&token, "token", "", "the token to revoke; - reads it from standard input, which keeps it out of the list of processes")
	c.Flags().StringVar(&user, "user", "", "whose tokens to revoke, with prefix, such as user:alice@example.com")
	enterpriseFlag(c, &enterprise)
	return c
}

func revoked(ctx context.Context, c *client.Client, token, user string) (int64, error) {
	if user != "" {
		r, err := c.Auth.RevokeAuthTokensForUser(ctx, &auth.RevokeAuthTokensForUserRequest{Username: user})
		if err == nil && r.GetNumber() == 0 {
			err = fmt.Errorf("%s has no token: nothing was revoked", user)
		}
		return r.GetNumber(), err
	}
	r, err := c.Auth.RevokeAuthToken(ctx, &auth.RevokeAuthTokenRequest{Token: token})
	if err == nil && r.GetNumber() == 0 {
		err = errors.New("there is no such token: nothing was revoked")
	}
	return r.GetNumber(), err
}

// plural counts things in English: 1 token, 1,234 tokens.
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " " + thing + "s"
}

func (a *app) getGroups() *cobra.Command {
	var enterprise bool
	var out format
	c := &cobra.Command{
		Use: "get-groups [PRINCIPAL]", Short: "List the groups that you, or somebody else, are in", Args: between(0, 1),
		Example: "  pachctl auth get-groups\n  pachctl auth get-groups user:alice@example.com",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c.Context(), enterprise, func(ctx context.Context, c *client.Client, _ *place) error {
				var r *auth.GetGroupsResponse
				var err error
				if len(args) == 0 {
					r, err = c.Auth.GetGroups(ctx, &auth.GetGroupsRequest{})
				} else {
					r, err = c.Auth.GetGroupsForPrincipal(ctx, &auth.GetGroupsForPrincipalRequest{Principal: args[0]})
				}
				if err != nil {
					return err
				}
				groups := slices.Sorted(slices.Values(r.GetGroups()))
				if out != "" {
					return a.show(out, append([]string{}, groups...))
				}
				for _, g := range groups {
					a.printf("%s\n", g)
				}
				return nil
			})
		},
	}
	enterpriseFlag(c, &enterprise)
	outputFlag(c, &out)
	return c
}

func (a *app) rolesForPermission() *cobra.Command {
	var out format
	c := &cobra.Command{
		Use: "roles-for-permission PERMISSION", Short: "List the roles that grant a permission", Args: exactly(1),
		Example: "  pachctl auth roles-for-permission REPO_READ",
		RunE: func(c *cobra.Command, args []string) error {
			name := strings.ToUpper(args[0])
			permission, ok := auth.Permission_value[name]
			if !ok || permission == 0 {
				return unknownPermission(args[0])
			}
			return a.withClient(c.Context(), false, func(ctx context.Context, c *client.Client, _ *place) error {
				r, err := c.Auth.GetRolesForPermission(ctx, &auth.GetRolesForPermissionRequest{Permission: auth.Permission(permission)})
				if err != nil {
					return err
				}
				names := []string{}
				for _, role := range r.GetRoles() {
					names = append(names, role.GetName())
				}
				slices.Sort(names)
				if out != "" {
					return a.show(out, names)
				}
				for _, name := range names {
					a.printf("%s\n", name)
				}
				return nil
			})
		},
	}
	outputFlag(c, &out)
	return c
}

func unknownPermission(name string) error {
	var all []string
	for known, n := range auth.Permission_value {
		if n != 0 {
			all = append(all, known)
		}
	}
	slices.Sort(all)
	if near := nearest(strings.ToUpper(name), all); near != "" {
		return fmt.Errorf("unknown permission %q: did you mean %s?", name, near)
	}
	return fmt.Errorf("unknown permission %q: choose from %s", name, strings.Join(all, ", "))
}
