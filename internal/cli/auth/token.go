package auth

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

type robotTokenOptions struct {
	robot             string
	ttl               int64 // in seconds; 0 means for ever
	quiet, enterprise bool
	out               string
}

func getRobotToken(k *kit.Kit) *cobra.Command {
	var o robotTokenOptions
	var ttl string
	c := &cobra.Command{
		Use: "get-robot-token ROBOT", Short: "Make a token for a robot", Args: kit.Exactly(1),
		Long:    "Make a token for a robot, a program that works with Pachyderm. Without --ttl it never expires.",
		Example: "  pachctl auth get-robot-token ci --ttl 720h\n  pachctl auth get-robot-token ci --quiet",
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.ttl, err = parseTTL(c, ttl); err != nil {
				return err
			}
			o.robot = args[0]
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&ttl, "ttl", "", "how long the token lives, such as 24h; default: it never expires")
	c.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "print the token alone")
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

// parseTTL refuses what the wire, which counts whole seconds and takes zero
// for ever, would make something else of.
func parseTTL(c *cobra.Command, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, kit.Usagef(c, "could not parse duration %q: write it as 90s, 30m or 24h", text)
	}
	if d < time.Second {
		return 0, kit.Usagef(c, "a token cannot live for %s: use a second or more, or omit --ttl for a token that never expires", text)
	}
	return int64(d / time.Second), nil
}

func (o robotTokenOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Auth.GetRobotToken(ctx, &auth.GetRobotTokenRequest{Robot: o.robot, Ttl: o.ttl})
		if err != nil {
			return err
		}
		return k.PrintResult(o.out, map[string]string{"token": r.GetToken()}, func() {
			if !o.quiet {
				k.Printf("Token: ")
			}
			k.Printf("%s\n", r.GetToken())
		})
	})
}

type revokeOptions struct {
	token, user, allOf, session string
	enterprise                  bool
	out                         string
}

func revoke(k *kit.Kit) *cobra.Command {
	var o revokeOptions
	c := &cobra.Command{
		Use: "revoke", Short: "Revoke a token, or all that a user or robot has", Args: kit.Exactly(0),
		Long: `Revoke a token, all tokens of a user or robot, or with --all-of the refresh
tokens of their applications as well, so that nothing signs in by itself. With
--session end one session, or what one application has, by the ID of list-sessions;
everybody may do so with their own. Nothing to revoke is a failure.`,
		Example: "  pachctl auth revoke --token - < token\n  pachctl auth revoke --user robot:ci\n" +
			"  pachctl auth revoke --all-of user:alice@example.com\n  pachctl auth revoke --session 3f1c0a9b27de",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(c); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.token, "token", "",
		"the token to revoke; - reads it from standard input, which keeps it out of the list of processes")
	c.Flags().StringVar(&o.user, "user", "", "whose tokens to revoke, with prefix, such as user:alice@example.com")
	c.Flags().StringVar(&o.allOf, "all-of", "", "whose tokens, sessions and refresh tokens of applications to revoke, with prefix")
	c.Flags().StringVar(&o.session, "session", "", "the session, token or refresh token to revoke, by the ID of list-sessions or list-tokens")
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

func (o revokeOptions) check(c *cobra.Command) error {
	given := 0
	for _, flag := range []string{o.token, o.user, o.allOf, o.session} {
		if flag != "" {
			given++
		}
	}
	switch given {
	case 0:
		return kit.Usagef(c, "one of --token or --user must be set, or --all-of or --session")
	case 1:
		return nil
	}
	return kit.Usagef(c, "only one of --token or --user may be set, or --all-of or --session")
}

func (o revokeOptions) run(ctx context.Context, k *kit.Kit) (err error) {
	if o.token == "-" {
		if o.token, err = k.ReadSecret(ctx, "Token to revoke:"); err != nil {
			return err
		}
		if o.token == "" {
			return fault.New(fault.Invalid, "no token was given, and nothing was revoked").Next("pass it on standard input")
		}
	}
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		if o.session != "" {
			if _, err := c.Pach.RevokeSession(ctx, &pach.RevokeSessionRequest{Id: o.session}); err != nil {
				return err
			}
			return k.PrintResult(o.out, map[string]string{"revoked": o.session}, func() { k.Printf("%s revoked\n", o.session) })
		}
		tokens, refresh, err := o.revoke(ctx, c)
		if err != nil {
			return err
		}
		return k.PrintResult(o.out, map[string]int64{"tokens": tokens, "refresh_tokens": refresh}, func() {
			text := plural(tokens, "auth token")
			if o.allOf != "" {
				text += " and " + plural(refresh, "refresh token") + " of applications"
			}
			k.Printf("%s revoked\n", text)
		})
	})
}

// revoke takes nothing to revoke for a mistake: whoever revokes wants to know
// that something ended.
func (o revokeOptions) revoke(ctx context.Context, c *kit.Conn) (tokens, refresh int64, err error) {
	switch {
	case o.allOf != "":
		r, err := c.Pach.RevokeAll(ctx, &pach.RevokeAllRequest{Principal: o.allOf})
		if err == nil && r.GetTokens()+r.GetRefreshTokens() == 0 {
			err = errNoToken(o.allOf)
		}
		return r.GetTokens(), r.GetRefreshTokens(), err
	case o.user != "":
		r, err := c.Auth.RevokeAuthTokensForUser(ctx, &auth.RevokeAuthTokensForUserRequest{Username: o.user})
		if err == nil && r.GetNumber() == 0 {
			err = errNoToken(o.user)
		}
		return r.GetNumber(), 0, err
	}
	r, err := c.Auth.RevokeAuthToken(ctx, &auth.RevokeAuthTokenRequest{Token: o.token})
	if err == nil && r.GetNumber() == 0 {
		err = fault.New(fault.NotFound, "there is no such token: nothing was revoked")
	}
	return r.GetNumber(), 0, err
}

func errNoToken(principal string) error {
	return fault.New(fault.NotFound, "%s has no token: nothing was revoked", principal).Next("list the tokens with: pachctl auth list-tokens")
}

type shownToken struct {
	ID        string     `json:"id"`
	Principal string     `json:"principal"`
	Created   *time.Time `json:"created,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
	Used      *time.Time `json:"used,omitempty"` // last
	Connector string     `json:"connector,omitempty"`
	Trust     string     `json:"trust,omitempty"` // that a robot's token came from
	// Application has a refresh token; empty for all else.
	Application string `json:"application,omitempty"`
}

type listTokensOptions struct {
	principal            string
	sessions, enterprise bool
	out                  string
}

func listTokens(k *kit.Kit) *cobra.Command {
	return listsTokens(k, &cobra.Command{
		Use: "list-tokens [PRINCIPAL]", Short: "List the tokens that work, without their values", Args: kit.Between(0, 1),
		Long: `List the tokens that work now: whose they are, when they end, and to within an hour
when they were last used, as far as that is known. Their values are not kept by
pachd and cannot be shown. Everybody may ask for their own.`,
		Example: "  pachctl auth list-tokens\n  pachctl auth list-tokens robot:ci -o json",
	}, false)
}

func listSessions(k *kit.Kit) *cobra.Command {
	return listsTokens(k, &cobra.Command{
		Use: "list-sessions [PRINCIPAL]", Short: "List the sessions of people who have signed in", Args: kit.Between(0, 1),
		Long: `List the sessions of people who have signed in, and the applications that sign
them in by themselves with a refresh token: whose they are, through which identity
provider, and when they end. Who may not see everybody's sees their own. One ends
with pachctl auth revoke --session ID.`,
		Example: "  pachctl auth list-sessions\n  pachctl auth list-sessions user:alice@example.com",
	}, true)
}

// listsTokens completes a command that shows tokens.
func listsTokens(k *kit.Kit, c *cobra.Command, sessions bool) *cobra.Command {
	o := listTokensOptions{sessions: sessions}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			o.principal = args[0]
		}
		return o.run(c.Context(), k)
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

func (o listTokensOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		tokens, err := o.list(ctx, c)
		if o.sessions && o.principal == "" && status.Code(err) == codes.PermissionDenied {
			if o.principal, err = ownName(ctx, c); err != nil {
				return err
			}
			k.Notef("These are your own; to see all needs CLUSTER_AUTH_EXTRACT_TOKENS.\n")
			tokens, err = o.list(ctx, c)
		}
		if err == nil && o.sessions {
			var more []shownToken
			more, err = o.listApplications(ctx, c)
			tokens = append(tokens, more...)
		}
		if err != nil {
			return err
		}
		slices.SortStableFunc(tokens, func(a, b shownToken) int { return strings.Compare(a.Principal, b.Principal) })
		head, rows := []string{"ID", "PRINCIPAL", "CONNECTOR", "CREATED", "EXPIRES", "LAST USED"}, [][]string{}
		if o.sessions {
			head = append(head, "APPLICATION")
		}
		for _, t := range tokens {
			row := []string{
				t.ID, t.Principal, kit.OrDash(t.Connector), formatTime(t.Created, "-"), formatTime(t.Expires, "never"), formatTime(t.Used, "-"),
			}
			if o.sessions {
				row = append(row, kit.OrDash(t.Application))
			}
			rows = append(rows, row)
		}
		return k.PrintResult(o.out, tokens, func() { k.Table(head, rows) })
	})
}

func ownName(ctx context.Context, c *kit.Conn) (string, error) {
	who, err := c.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
	return who.GetUsername(), err
}

func (o listTokensOptions) list(ctx context.Context, c *kit.Conn) ([]shownToken, error) {
	all := []shownToken{}
	err := client.Pages(func(page string) (string, error) {
		r, err := c.Pach.ListTokens(ctx, &pach.ListTokensRequest{Principal: o.principal, Sessions: o.sessions, PageToken: page})
		for _, t := range r.GetTokens() {
			all = append(all, shownToken{
				ID: t.GetId(), Principal: t.GetPrincipal(), Created: kit.TimeOrNil(t.GetCreated()), Expires: kit.TimeOrNil(t.GetExpires()),
				Used: kit.TimeOrNil(t.GetUsed()), Connector: t.GetConnector(), Trust: t.GetTrust(),
			})
		}
		return r.GetNextPageToken(), err
	})
	return all, err
}

func (o listTokensOptions) listApplications(ctx context.Context, c *kit.Conn) (all []shownToken, err error) {
	err = client.Pages(func(page string) (string, error) {
		r, err := c.Pach.ListRefreshTokens(ctx, &pach.ListRefreshTokensRequest{Principal: o.principal, PageToken: page})
		for _, t := range r.GetRefreshTokens() {
			all = append(all, shownToken{
				ID: t.GetId(), Principal: t.GetPrincipal(), Created: kit.TimeOrNil(t.GetCreated()), Expires: kit.TimeOrNil(t.GetExpires()),
				Used: kit.TimeOrNil(t.GetUsed()), Connector: t.GetConnector(), Application: t.GetClient(),
			})
		}
		return r.GetNextPageToken(), err
	})
	return all, err
}

func formatTime(t *time.Time, absent string) string {
	if t == nil {
		return absent
	}
	return kit.FormatTime(timestamppb.New(*t))
}
