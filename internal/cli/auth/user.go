package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
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
		Name: u.GetName(), Enabled: u.GetEnabled(), LastLogin: kit.TimeOrNil(u.GetLastLogin()), Identities: []shownIdentity{},
		Groups: append([]string{}, u.GetGroups()...), LiveTokens: u.GetLiveTokens(),
	}
	for _, i := range u.GetIdentities() {
		s.Identities = append(s.Identities, shownIdentity{
			ID: i.GetId(), Connector: i.GetConnector(), Issuer: i.GetIssuer(), Subject: i.GetSubject(), Email: i.GetEmail(),
			State: strings.ToLower(i.GetState().String()), LastLogin: kit.TimeOrNil(i.GetLastLogin()),
		})
	}
	return s
}

func listUsers(k *kit.Kit) *cobra.Command {
	var enterprise bool
	var out kit.Format
	c := &cobra.Command{
		Use: "list-users", Short: "List everybody who has signed in", Args: kit.Exactly(0),
		Long: `List everybody who has signed in, and what proves that it is they: the identities
at their providers. One that is waiting was refused because another owns its
e-mail address; an administrator lets it in with "pachctl idp link".`,
		Example: "  pachctl auth list-users\n  pachctl auth list-users -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Pach.ListUsers(ctx, &pach.ListUsersRequest{})
				if err != nil {
					return err
				}
				users := []shownUser{}
				for _, u := range r.GetUsers() {
					users = append(users, showUser(u))
				}
				return k.PrintResult(out, users, func() { tableOfUsers(k, r.GetUsers()) })
			})
		},
	}
	kit.EnterpriseFlag(c, &enterprise)
	kit.OutputFlag(c, &out)
	return c
}

// tableOfUsers has a line for each identity, the user's own words on the first.
func tableOfUsers(k *kit.Kit, users []*pach.User) {
	var rows [][]string
	for _, u := range users {
		state := "enabled"
		if !u.GetEnabled() {
			state = "disabled"
		}
		first := []string{u.GetName(), state, kit.FormatTime(u.GetLastLogin()), fmt.Sprint(u.GetLiveTokens())}
		if len(u.GetIdentities()) == 0 {
			rows = append(rows, append(first, "-", "-", "-"))
		}
		for _, i := range u.GetIdentities() {
			rows = append(rows, append(first, i.GetId(), i.GetConnector(), strings.ToLower(i.GetState().String())))
			first = []string{"", "", "", ""}
		}
	}
	k.Table([]string{"USER", "STATE", "LAST LOGIN", "TOKENS", "IDENTITY", "CONNECTOR", "IDENTITY STATE"}, rows)
}

func disableUser(k *kit.Kit) *cobra.Command {
	return enables(k, &cobra.Command{
		Use: "disable-user USER", Short: "Keep a user out, from their next call on",
		Long: `Keep a user out: from their next call on all their tokens are refused, and so is
a new sign-in, until they are enabled again.`,
		Example: "  pachctl auth disable-user user:alice@example.com",
	}, false)
}

func enableUser(k *kit.Kit) *cobra.Command {
	return enables(k, &cobra.Command{
		Use: "enable-user USER", Short: "Let a user in again", Example: "  pachctl auth enable-user user:alice@example.com",
	}, true)
}

func enables(k *kit.Kit, c *cobra.Command, enabled bool) *cobra.Command {
	var enterprise bool
	c.Args = kit.Exactly(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
			_, err := c.Pach.SetUserEnabled(ctx, &pach.SetUserEnabledRequest{User: args[0], Enabled: enabled})
			return err
		})
	}
	kit.EnterpriseFlag(c, &enterprise)
	return c
}
