package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
)

type getGroupsOptions struct {
	principal  []string // none for oneself
	enterprise bool
	out        string
}

func getGroups(k *kit.Kit) *cobra.Command {
	var o getGroupsOptions
	c := &cobra.Command{
		Use: "get-groups [PRINCIPAL]", Short: "List the groups that you, or somebody else, are in", Args: kit.Between(0, 1),
		Example: "  pachctl auth get-groups\n  pachctl auth get-groups user:alice@example.com",
		RunE: func(c *cobra.Command, args []string) error {
			o.principal = args
			return o.run(c.Context(), k)
		},
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

func (o getGroupsOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		var r *auth.GetGroupsResponse
		var err error
		if len(o.principal) == 0 {
			r, err = c.Auth.GetGroups(ctx, &auth.GetGroupsRequest{})
		} else {
			r, err = c.Auth.GetGroupsForPrincipal(ctx, &auth.GetGroupsForPrincipalRequest{Principal: o.principal[0]})
		}
		if err != nil {
			return err
		}
		return k.PrintList(o.out, slices.Sorted(slices.Values(r.GetGroups())))
	})
}

type shownGroup struct {
	Name    string `json:"name"`
	Members int64  `json:"members"`
}

type listGroupsOptions struct {
	enterprise bool
	out        string
}

func listGroups(k *kit.Kit) *cobra.Command {
	var o listGroupsOptions
	c := &cobra.Command{
		Use: "list-groups", Short: "List the groups, and how many are in each", Args: kit.Exactly(0),
		Example: "  pachctl auth list-groups\n  pachctl auth list-groups -o json",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

func (o listGroupsOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		var all []*pach.Group
		err := client.Pages(func(page string) (string, error) {
			r, err := c.Pach.ListGroups(ctx, &pach.ListGroupsRequest{PageToken: page})
			all = append(all, r.GetGroups()...)
			return r.GetNextPageToken(), err
		})
		if err != nil {
			return err
		}
		slices.SortFunc(all, func(a, b *pach.Group) int { return strings.Compare(a.GetName(), b.GetName()) })
		groups, rows := []shownGroup{}, [][]string{}
		for _, g := range all {
			groups = append(groups, shownGroup{g.GetName(), g.GetMembers()})
			rows = append(rows, []string{g.GetName(), fmt.Sprint(g.GetMembers())})
		}
		return k.PrintResult(o.out, groups, func() { k.Table([]string{"GROUP", "MEMBERS"}, rows) })
	})
}

type getUsersOptions struct {
	group      string
	enterprise bool
	out        string
}

func getUsers(k *kit.Kit) *cobra.Command {
	var o getUsersOptions
	c := &cobra.Command{
		Use: "get-users GROUP", Short: "List who is in a group", Example: "  pachctl auth get-users group:engineers", Args: kit.Exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.group = withPrefix(args[0])
			return o.run(c.Context(), k)
		},
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	kit.OutputFlag(c, &o.out)
	return c
}

func (o getUsersOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Auth.GetUsers(ctx, &auth.GetUsersRequest{Group: o.group})
		if err != nil {
			return err
		}
		return k.PrintList(o.out, slices.Sorted(slices.Values(r.GetUsernames())))
	})
}

// withPrefix lets the prefix of a group be left out where only one can be meant.
func withPrefix(group string) string {
	if strings.HasPrefix(group, "group:") {
		return group
	}
	return "group:" + group
}

type membersOptions struct {
	group       string
	add, remove []string
	enterprise  bool
}

func createGroup(k *kit.Kit) *cobra.Command {
	return changesMembers(k, &cobra.Command{
		Use: "create-group GROUP [PRINCIPAL...]", Short: "Make a group, with or without members", Args: kit.AtLeast(1),
		Long: `Make a group of your own, beside those that identity providers know. What you put
into it stays there, whatever they say when people sign in.`,
		Example: "  pachctl auth create-group group:reviewers user:alice@example.com robot:ci",
	}, func(o *membersOptions) *[]string { return &o.add })
}

func addMember(k *kit.Kit) *cobra.Command {
	return changesMembers(k, &cobra.Command{
		Use: "add-member GROUP PRINCIPAL...", Short: "Put users or robots into a group", Args: kit.AtLeast(2),
		Example: "  pachctl auth add-member group:reviewers user:bob@example.com",
	}, func(o *membersOptions) *[]string { return &o.add })
}

func removeMember(k *kit.Kit) *cobra.Command {
	return changesMembers(k, &cobra.Command{
		Use: "remove-member GROUP PRINCIPAL...", Short: "Take users or robots out of a group", Args: kit.AtLeast(2),
		Long: `Take users or robots out of a group that an administrator has put them into. Whom
an identity provider puts there has to be taken out there.`,
		Example: "  pachctl auth remove-member group:reviewers user:bob@example.com",
	}, func(o *membersOptions) *[]string { return &o.remove })
}

// changesMembers completes a command that changes who is in a group.
func changesMembers(k *kit.Kit, c *cobra.Command, members func(*membersOptions) *[]string) *cobra.Command {
	var o membersOptions
	c.RunE = func(c *cobra.Command, args []string) error {
		o.group, *members(&o) = withPrefix(args[0]), args[1:]
		return o.run(c.Context(), k)
	}
	kit.EnterpriseFlag(c, &o.enterprise)
	return c
}

func (o membersOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Auth.ModifyMembers(ctx, &auth.ModifyMembersRequest{Group: o.group, Add: o.add, Remove: o.remove})
		return err
	})
}
