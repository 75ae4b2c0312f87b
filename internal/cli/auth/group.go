package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

func getGroups(k *kit.Kit) *cobra.Command {
	var enterprise bool
	var out kit.Format
	c := &cobra.Command{
		Use: "get-groups [PRINCIPAL]", Short: "List the groups that you, or somebody else, are in", Args: kit.Between(0, 1),
		Example: "  pachctl auth get-groups\n  pachctl auth get-groups user:alice@example.com",
		RunE: func(c *cobra.Command, args []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
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
					return k.Show(out, append([]string{}, groups...))
				}
				for _, g := range groups {
					k.Printf("%s\n", g)
				}
				return nil
			})
		},
	}
	kit.EnterpriseFlag(c, &enterprise)
	kit.OutputFlag(c, &out)
	return c
}

type shownGroup struct {
	Name    string `json:"name"`
	Members int64  `json:"members"`
}

func listGroups(k *kit.Kit) *cobra.Command {
	var enterprise bool
	var out kit.Format
	c := &cobra.Command{
		Use: "list-groups", Short: "List the groups, and how many are in each", Example: "  pachctl auth list-groups\n  pachctl auth list-groups -o json", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Pach.ListGroups(ctx, &pach.ListGroupsRequest{})
				if err != nil {
					return err
				}
				groups, rows := []shownGroup{}, [][]string{}
				for _, g := range r.GetGroups() {
					groups = append(groups, shownGroup{g.GetName(), g.GetMembers()})
					rows = append(rows, []string{g.GetName(), fmt.Sprint(g.GetMembers())})
				}
				return k.PrintResult(out, groups, func() { k.Table([]string{"GROUP", "MEMBERS"}, rows) })
			})
		},
	}
	kit.EnterpriseFlag(c, &enterprise)
	kit.OutputFlag(c, &out)
	return c
}

func getUsers(k *kit.Kit) *cobra.Command {
	var enterprise bool
	var out kit.Format
	c := &cobra.Command{
		Use: "get-users GROUP", Short: "List who is in a group", Example: "  pachctl auth get-users group:engineers", Args: kit.Exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Auth.GetUsers(ctx, &auth.GetUsersRequest{Group: asGroup(args[0])})
				if err != nil {
					return err
				}
				users := append([]string{}, slices.Sorted(slices.Values(r.GetUsernames()))...)
				return k.PrintResult(out, users, func() {
					for _, u := range users {
						k.Printf("%s\n", u)
					}
				})
			})
		},
	}
	kit.EnterpriseFlag(c, &enterprise)
	kit.OutputFlag(c, &out)
	return c
}

// asGroup lets the prefix of a group be left out where only one can be meant.
func asGroup(name string) string {
	if strings.HasPrefix(name, "group:") {
		return name
	}
	return "group:" + name
}

func createGroup(k *kit.Kit) *cobra.Command {
	return changesMembers(k, &cobra.Command{
		Use: "create-group GROUP [PRINCIPAL...]", Short: "Make a group, with or without members", Args: kit.AtLeast(1),
		Long: `Make a group of your own, beside those that identity providers know. What you put
into it stays there, whatever they say when people sign in.`,
		Example: "  pachctl auth create-group group:reviewers user:alice@example.com robot:ci",
	}, func(members []string) (add, remove []string) { return members, nil })
}

func addMember(k *kit.Kit) *cobra.Command {
	return changesMembers(k, &cobra.Command{
		Use: "add-member GROUP PRINCIPAL...", Short: "Put users or robots into a group", Args: kit.AtLeast(2),
		Example: "  pachctl auth add-member group:reviewers user:bob@example.com",
	}, func(members []string) (add, remove []string) { return members, nil })
}

func removeMember(k *kit.Kit) *cobra.Command {
	return changesMembers(k, &cobra.Command{
		Use: "remove-member GROUP PRINCIPAL...", Short: "Take users or robots out of a group", Args: kit.AtLeast(2),
		Long: `Take users or robots out of a group that an administrator has put them into. Whom
an identity provider puts there has to be taken out there.`,
		Example: "  pachctl auth remove-member group:reviewers user:bob@example.com",
	}, func(members []string) (add, remove []string) { return nil, members })
}

// changesMembers completes a command that changes who is in a group.
func changesMembers(k *kit.Kit, c *cobra.Command, split func(members []string) (add, remove []string)) *cobra.Command {
	var enterprise bool
	c.RunE = func(c *cobra.Command, args []string) error {
		add, remove := split(args[1:])
		return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
			_, err := c.Auth.ModifyMembers(ctx, &auth.ModifyMembersRequest{Group: asGroup(args[0]), Add: add, Remove: remove})
			return err
		})
	}
	kit.EnterpriseFlag(c, &enterprise)
	return c
}
