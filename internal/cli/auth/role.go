package auth

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

type rolesOptions struct {
	permission auth.Permission
	out        string
}

func rolesForPermission(k *kit.Kit) *cobra.Command {
	var o rolesOptions
	c := &cobra.Command{
		Use: "roles-for-permission PERMISSION", Short: "List the roles that grant a permission", Args: kit.Exactly(1),
		Example:           "  pachctl auth roles-for-permission REPO_READ",
		ValidArgsFunction: kit.Completing(permissionNames),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.permission, err = parsePermission(args[0]); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o rolesOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Auth.GetRolesForPermission(ctx, &auth.GetRolesForPermissionRequest{Permission: o.permission})
		if err != nil {
			return err
		}
		var names []string
		for _, role := range r.GetRoles() {
			names = append(names, role.GetName())
		}
		slices.Sort(names)
		return k.PrintList(o.out, names)
	})
}

func parsePermission(name string) (auth.Permission, error) {
	if n := auth.Permission_value[strings.ToUpper(name)]; n != 0 {
		return auth.Permission(n), nil
	}
	unknown, all := fault.New(fault.Invalid, "unknown permission %q", name), permissionNames()
	if near := kit.Nearest(strings.ToUpper(name), all); near != "" {
		return 0, unknown.Next("did you mean %s?", near)
	}
	return 0, unknown.Next("choose from %s", strings.Join(all, ", "))
}

func permissionNames() []string {
	var all []string
	for name, n := range auth.Permission_value {
		if n != 0 {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// roleNames are the roles that there are; those of a later pachd may be more.
func roleNames() []string {
	return []string{
		"clusterAdmin", "debugger", "identityAdmin", "idpAdmin", "jobAdmin", "licenseAdmin", "lokiLogReader", "oidcAppAdmin", "pachdLogReader",
		"projectCreator", "projectOwner", "projectViewer", "projectWriter", "repoOwner", "repoReader", "repoWriter", "robotUser", "secretAdmin",
	}
}

// suggestRole adds to pachd's refusal what a misspelt role may have been.
func suggestRole(err error, roles []string) error {
	if status.Code(err) != codes.InvalidArgument {
		return err
	}
	for _, role := range roles {
		if near := kit.Nearest(role, roleNames()); near != "" && !slices.Contains(roleNames(), role) {
			return fault.New(fault.Invalid, "unknown role %q", role).Next("did you mean %s?", near)
		}
	}
	return err
}
