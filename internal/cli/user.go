package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/client"
)

type shownUser struct {
	Name       string          `json:"name"`
	Enabled    bool            `json:"enabled"`
	LastLogin  *time.Time      `json:"last_login,omitempty"`
	Identities []shownIdentity `json:"identities"`
	Groups     []string        `json:"groups"`
	LiveTokens int64           `json:"live_tokens"`
}

type shownIdentity struct {
	ID        string     `json:"id"`
	Connector string     `json:"connector"`
	Issuer    string     `json:"issuer"`
	Subject   string     `json:"subject"`
	Email     string     `json:"email"`
	State     string     `json:"state"`
	LastLogin *time.Time `json:"last_login,omitempty"`
}

func showUser(u *pach.User) shownUser {
	s := shownUser{
		Name: u.GetName(), Enabled: u.GetEnabled(), LastLogin: instant(u.GetLastLogin()), Identities: []shownIdentity{},
		Groups: append([]string{}, u.GetGroups()...), LiveTokens: u.GetLiveTokens(),
	}
	for _, i := range u.GetIdentities() {
		s.Identities = append(s.Identities, shownIdentity{
			ID: i.GetId(), Connector: i.GetConnector(), Issuer: i.GetIssuer(), Subject: i.GetSubject(), Email: i.GetEmail(),
			State: strings.ToLower(i.GetState().String()), LastLogin: instant(i.GetLastLogin()),
		})
	}
	return s
}

func (a *app) listUsers() *cobra.Command {
	var enterprise bool
	var out format
	c := &cobra.Command{
		Use: "list-users", Short: "List everybody who has signed in", Args: exactly(0),
		Long: `List everybody who has signed in, and what proves that it is they: the identities
at their providers. One that is waiting was refused because another owns its
e-mail address; an administrator lets it in with "pachctl idp link".`,
		Example: "  pachctl auth list-users\n  pachctl auth list-users -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), enterprise, func(ctx context.Context, c *client.Client, _ *place) error {
				r, err := c.Pach.ListUsers(ctx, &pach.ListUsersRequest{})
				if err != nil {
					return err
				}
				users := []shownUser{}
				for _, u := range r.GetUsers() {
					users = append(users, showUser(u))
				}
				return a.answer(out, users, func() { a.tableOfUsers(r.GetUsers()) })
			})
		},
	}
	enterpriseFlag(c, &enterprise)
	outputFlag(c, &out)
	return c
}

// tableOfUsers has a line for each identity, the user's own words on the first.
func (a *app) tableOfUsers(users []*pach.User) {
	var rows [][]string
	for _, u := range users {
		state := "enabled"
		if !u.GetEnabled() {
			state = "disabled"
		}
		first := []string{u.GetName(), state, moment(u.GetLastLogin()), fmt.Sprint(u.GetLiveTokens())}
		if len(u.GetIdentities()) == 0 {
			rows = append(rows, append(first, "-", "-", "-"))
		}
		for _, i := range u.GetIdentities() {
			rows = append(rows, append(first, i.GetId(), i.GetConnector(), strings.ToLower(i.GetState().String())))
			first = []string{"", "", "", ""}
		}
	}
	a.table([]string{"USER", "STATE", "LAST LOGIN", "TOKENS", "IDENTITY", "CONNECTOR", "IDENTITY STATE"}, rows)
}

func (a *app) disableUser() *cobra.Command {
	return a.enables(&cobra.Command{
		Use: "disable-user USER", Short: "Keep a user out, from their next call on",
		Long: `Keep a user out: from their next call on all their tokens are refused, and so is
a new sign-in, until they are enabled again.`,
		Example: "  pachctl auth disable-user user:alice@example.com",
	}, false)
}

func (a *app) enableUser() *cobra.Command {
	return a.enables(&cobra.Command{
		Use: "enable-user USER", Short: "Let a user in again", Example: "  pachctl auth enable-user user:alice@example.com",
	}, true)
}

func (a *app) enables(c *cobra.Command, enabled bool) *cobra.Command {
	var enterprise bool
	c.Args = exactly(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), enterprise, func(ctx context.Context, c *client.Client, _ *place) error {
			_, err := c.Pach.SetUserEnabled(ctx, &pach.SetUserEnabledRequest{User: args[0], Enabled: enabled})
			return err
		})
	}
	enterpriseFlag(c, &enterprise)
	return c
}

func (a *app) linkIdentity() *cobra.Command {
	return &cobra.Command{
		Use: "link USER IDENTITY", Short: "Let a waiting identity sign in as a user", Args: exactly(2),
		Long: `Let an identity that was refused, because another owns its e-mail address, sign
in as that user. First make sure that both are the same person. The identity is
named in the refusal and in "pachctl auth list-users".`,
		Example: "  pachctl idp link user:alice@example.com 3f2a9c",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withIDP(c.Context(), func(ctx context.Context, c *client.Client) error {
				_, err := c.Pach.LinkIdentity(ctx, &pach.LinkIdentityRequest{User: args[0], IdentityId: args[1]})
				return err
			})
		},
	}
}

func (a *app) unlinkIdentity() *cobra.Command {
	return &cobra.Command{
		Use: "unlink USER IDENTITY", Short: "Take an identity away from a user", Args: exactly(2),
		Long: `Take an identity away from a user. What it has signed in to ends, and it can
no longer sign in as that user.`,
		Example: "  pachctl idp unlink user:alice@example.com 3f2a9c",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withIDP(c.Context(), func(ctx context.Context, c *client.Client) error {
				_, err := c.Pach.UnlinkIdentity(ctx, &pach.UnlinkIdentityRequest{User: args[0], IdentityId: args[1]})
				return err
			})
		},
	}
}
