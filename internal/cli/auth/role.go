package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/internal/cli/kit"
)

func rolesForPermission(k *kit.Kit) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: "roles-for-permission PERMISSION", Short: "List the roles that grant a permission", Args: kit.Exactly(1),
		Example: "  pachctl auth roles-for-permission REPO_READ",
		RunE: func(c *cobra.Command, args []string) error {
			permission, err := parsePermission(args[0])
			if err != nil {
				return err
			}
			return k.WithConn(c.Context(), false, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Auth.GetRolesForPermission(ctx, &auth.GetRolesForPermissionRequest{Permission: permission})
				if err != nil {
					return err
				}
				names := []string{}
				for _, role := range r.GetRoles() {
					names = append(names, role.GetName())
				}
				slices.Sort(names)
				if out != "" {
					return k.Show(out, names)
				}
				for _, name := range names {
					k.Printf("%s\n", name)
				}
				return nil
			})
		},
	}
	c.ValidArgsFunction = kit.Completing(permissionNames)
	kit.OutputFlag(c, &out)
	return c
}

func parsePermission(text string) (auth.Permission, error) {
	if n := auth.Permission_value[strings.ToUpper(text)]; n != 0 {
		return auth.Permission(n), nil
	}
	return 0, unknownPermission(text)
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

func unknownPermission(name string) error {
	all := permissionNames()
	if near := kit.Nearest(strings.ToUpper(name), all); near != "" {
		return fmt.Errorf("unknown permission %q: did you mean %s?", name, near)
	}
	return fmt.Errorf("unknown permission %q: choose from %s", name, strings.Join(all, ", "))
}

// roleNames are the roles that there are; those of a later pachd may be more.
func roleNames() []string {
	return []string{
		"clusterAdmin", "debugger", "identityAdmin", "idpAdmin", "jobAdmin", "licenseAdmin", "lokiLogReader", "oidcAppAdmin", "pachdLogReader",
		"projectCreator", "projectOwner", "projectViewer", "projectWriter", "repoOwner", "repoReader", "repoWriter", "robotUser", "secretAdmin",
	}
}

// nearestRole adds to pachd's refusal what a misspelt role may have been.
func nearestRole(err error, roles []string) error {
	if status.Code(err) != codes.InvalidArgument {
		return err
	}
	for _, role := range roles {
		if near := kit.Nearest(role, roleNames()); near != "" && !slices.Contains(roleNames(), role) {
			return kit.Failf(err, "unknown role %q: did you mean %s?", role, near)
		}
	}
	return err
}
