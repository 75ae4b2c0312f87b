package people

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
)

type shownUser struct {
	Name       string          `json:"name"`
	Enabled    bool            `json:"enabled"`
	LastLogin  *time.Time      `json:"last_login,omitempty"`
	LastUsed   *time.Time      `json:"last_used,omitempty"`
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
		Name: u.GetName(), Enabled: u.GetEnabled(), LastLogin: kit.TimeOrNil(u.GetLastLogin()),
		LastUsed: kit.TimeOrNil(u.GetLastUsed()), Identities: []shownIdentity{},
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

type listUsersOptions struct {
	enterprise bool
	unused     string
	out        string
}

func listUsers(k *kit.Kit) *cobra.Command {
	var o listUsersOptions
	c := &cobra.Command{
		Use: "list-users", Short: "List everybody who has signed in", Args: kit.Exactly(0),
		Long: `List everybody who has signed in, and what proves that it is they: the identities
at their providers. One that is waiting was refused because another owns its
e-mail address; an administrator lets it in with "pachctl idp link".

With --unused-for, list those only who have not been here for so long: no sign-in,
and no use of a session, token or refresh token. Uses are known to the hour.`,
		Example: "  pachctl auth list-users\n  pachctl auth list-users -o json\n  pachctl auth list-users --unused-for 90d",
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		unused, err := parseUnused(c, o.unused)
		if err != nil {
			return err
		}
		return o.run(c.Context(), k, unused)
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	unusedFlag(c, &o.unused)
	kit.OutputFlag(c, &o.out)
	return c
}

func (o listUsersOptions) run(ctx context.Context, k *kit.Kit, unused *durationpb.Duration) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		var all []*pach.User
		err := client.Pages(func(page string) (string, error) {
			r, err := c.Pach.ListUsers(ctx, &pach.ListUsersRequest{PageToken: page, UnusedFor: unused})
			all = append(all, r.GetUsers()...)
			return r.GetNextPageToken(), err
		})
		if err != nil {
			return err
		}
		slices.SortFunc(all, func(a, b *pach.User) int { return strings.Compare(a.GetName(), b.GetName()) })
		users := []shownUser{}
		for _, u := range all {
			users = append(users, showUser(u))
		}
		return k.PrintResult(o.out, users, func() { printUsers(k, all) })
	})
}

// printUsers has a line for each identity, the user's own words on the first.
func printUsers(k *kit.Kit, users []*pach.User) {
	var rows [][]string
	for _, u := range users {
		state := "enabled"
		if !u.GetEnabled() {
			state = "disabled"
		}
		first := []string{u.GetName(), state, kit.FormatTime(u.GetLastLogin()), kit.FormatTime(u.GetLastUsed()), fmt.Sprint(u.GetLiveTokens())}
		if len(u.GetIdentities()) == 0 {
			rows = append(rows, append(first, "-", "-", "-"))
		}
		for _, i := range u.GetIdentities() {
			rows = append(rows, append(first, i.GetId(), i.GetConnector(), strings.ToLower(i.GetState().String())))
			first = []string{"", "", "", "", ""}
		}
	}
	k.Table([]string{"USER", "STATE", "LAST LOGIN", "LAST USED", "TOKENS", "IDENTITY", "CONNECTOR", "IDENTITY STATE"}, rows)
}

type enableOptions struct {
	user                string
	enabled, enterprise bool
}

func disableUser(k *kit.Kit) *cobra.Command {
	var all disableUnusedOptions
	c := enables(k, &cobra.Command{
		Use: "disable-user USER | --unused-for AGE", Short: "Keep a user out, from their next call on",
		Long: `Keep a user out: from their next call on all their tokens are refused, and so is
a new sign-in, until they are enabled again.

With --unused-for, keep everybody out whom "pachctl auth list-users --unused-for"
lists: it says who they are and asks first. You stay, and so does the cluster
administrator who can sign in and was here last. Robots and root are left alone.`,
		Example: "  pachctl auth disable-user user:alice@example.com\n  pachctl auth disable-user --unused-for 90d",
	}, false)
	one := c.RunE
	c.Args = func(c *cobra.Command, args []string) error {
		if all.unused != "" {
			return kit.Exactly(0)(c, args)
		}
		return kit.Exactly(1)(c, args)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		unused, err := parseUnused(c, all.unused)
		switch {
		case err != nil:
			return err
		case unused == nil:
			return one(c, args)
		}
		all.enterprise = c.Flag("enterprise").Value.String() == "true"
		return all.run(c.Context(), k, unused)
	}
	unusedFlag(c, &all.unused)
	c.Flags().BoolVarP(&all.yes, "yes", "y", false, "with --unused-for: do not ask")
	return c
}

func enableUser(k *kit.Kit) *cobra.Command {
	return enables(k, &cobra.Command{
		Use: "enable-user USER", Short: "Let a user in again", Example: "  pachctl auth enable-user user:alice@example.com",
	}, true)
}

// enables completes a command that lets a user in or keeps them out.
func enables(k *kit.Kit, c *cobra.Command, enabled bool) *cobra.Command {
	o := enableOptions{enabled: enabled}
	c.Args = kit.Exactly(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.user = args[0]
		return o.run(c.Context(), k)
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	return c
}

func (o enableOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.SetUserEnabled(ctx, &pach.SetUserEnabledRequest{User: o.user, Enabled: o.enabled})
		return err
	})
}
