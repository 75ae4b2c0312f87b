package auth

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/auth"
	"pachyderm/internal/cli/kit"
)

// kind is a sort of resource that roles are bound on, as a command names it.
type kind struct {
	name, alias, arg string
	typ              auth.ResourceType
	enterprise       bool
}

func onCluster() kind { return kind{name: "cluster", typ: auth.ResourceType_CLUSTER} }
func onEnterprise() kind {
	return kind{name: "enterprise", typ: auth.ResourceType_CLUSTER, enterprise: true}
}

func onProject() kind {
	return kind{name: "project", alias: "projects", arg: "PROJECT", typ: auth.ResourceType_PROJECT}
}

func onRepo() kind {
	return kind{name: "repo", alias: "repos", arg: "REPO", typ: auth.ResourceType_REPO}
}

// what names the kind in a sentence.
func (r kind) what() string {
	switch {
	case r.enterprise:
		return "the enterprise server"
	case r.arg == "":
		return "the cluster"
	}
	return "a " + r.name
}

// command begins a command about a kind; more are the arguments behind the
// resource, the last of which may be in brackets.
func (r kind) command(c *cobra.Command, more ...string) (cmd *cobra.Command, project *string) {
	use, most := []string{r.name}, len(more)
	if r.arg != "" {
		use, most = append(use, r.arg), most+1
	}
	least := most
	if most > 0 && len(more) > 0 && strings.HasPrefix(more[len(more)-1], "[") {
		least--
	}
	c.Use = strings.Join(append(use, more...), " ")
	c.Args = kit.Between(least, most)
	if r.alias != "" {
		c.Aliases = []string{r.alias}
	}
	project = new(string)
	if r.typ == auth.ResourceType_REPO {
		c.Flags().StringVar(project, "project", "", "the project of the repo, in place of the context's")
	}
	return c, project
}

// resource takes the resource from the arguments and returns the rest.
func (r kind) resource(t *kit.Target, project string, args []string) (*auth.Resource, []string) {
	res := &auth.Resource{Type: r.typ}
	if r.arg == "" {
		return res, args
	}
	res.Name = args[0]
	if r.typ == auth.ResourceType_REPO {
		if project == "" {
			project = t.Project
		}
		res.Name = project + "/" + res.Name
	}
	return res, args[1:]
}

// example is a command line about the kind.
func (r kind) example(verb, rest string) string {
	words := []string{"  pachctl auth", verb, r.name}
	if r.arg != "" {
		words = append(words, map[string]string{"project": "default", "repo": "images"}[r.name])
	}
	return strings.TrimSpace(strings.Join(append(words, rest), " "))
}

func getBinding(k *kit.Kit, on kind) *cobra.Command {
	var out kit.Format
	c, project := on.command(&cobra.Command{Short: "Show who has which roles on " + on.what(), Example: "  " + on.example("get", "")})
	c.RunE = func(c *cobra.Command, args []string) error {
		return k.WithConn(c.Context(), on.enterprise, func(ctx context.Context, c *kit.Conn) error {
			what, _ := on.resource(c.Target, *project, args)
			r, err := c.Auth.GetRoleBinding(ctx, &auth.GetRoleBindingRequest{Resource: what})
			if err != nil {
				return err
			}
			entries := map[string][]string{}
			for who, roles := range r.GetBinding().GetEntries() {
				entries[who] = slices.Sorted(maps.Keys(roles.GetRoles()))
			}
			if out != "" {
				return k.Show(out, entries)
			}
			for _, who := range slices.Sorted(maps.Keys(entries)) {
				k.Printf("%s: %v\n", who, entries[who])
			}
			return nil
		})
	}
	kit.OutputFlag(c, &out)
	return c
}

func setBinding(k *kit.Kit, on kind) *cobra.Command {
	c, project := on.command(&cobra.Command{
		Short: "Set the roles of a user, group or robot on " + on.what(),
		Long: "Set the roles of a user, group or robot on " + on.what() + `. They replace all that
it has there; none removes it. Several roles are separated by commas. PRINCIPAL
has its prefix, such as user:alice@example.com, group:engineers, robot:ci, or is
allClusterUsers.`,
		Example:           "  " + on.example("set", on.exampleRole()+" user:alice@example.com") + "\n  " + on.example("set", "none user:alice@example.com"),
		ValidArgsFunction: kit.Completing(roleNames),
	}, "ROLES|none", "PRINCIPAL")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		roles, err := parseRoles(cmd, args[len(args)-2])
		if err != nil {
			return err
		}
		return k.WithConn(cmd.Context(), on.enterprise, func(ctx context.Context, c *kit.Conn) error {
			what, rest := on.resource(c.Target, *project, args)
			_, err := c.Auth.ModifyRoleBinding(ctx, &auth.ModifyRoleBindingRequest{Resource: what, Principal: rest[1], Roles: roles})
			return nearestRole(err, roles)
		})
	}
	return c
}

func (r kind) exampleRole() string {
	if r.arg == "" {
		return "clusterAdmin"
	}
	return r.name + "Owner"
}

func parseRoles(c *cobra.Command, text string) ([]string, error) {
	if text == "none" {
		return nil, nil
	}
	var roles []string
	for role := range strings.SplitSeq(text, ",") {
		role = strings.TrimSpace(role)
		if role == "" {
			return nil, kit.Usagef(c, "%q names an empty role: write them as role1,role2, or none to remove all", text)
		}
		roles = append(roles, role)
	}
	return roles, nil
}

type granted struct {
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

func checkAccess(k *kit.Kit, on kind) *cobra.Command {
	var out kit.Format
	c, project := on.command(&cobra.Command{
		Short: "Show what you, or somebody else, may do on " + on.what(), Example: "  " + on.example("check", "") + "\n  " + on.example("check", "robot:ci"),
	}, "[PRINCIPAL]")
	c.RunE = func(c *cobra.Command, args []string) error {
		return k.WithConn(c.Context(), false, func(ctx context.Context, c *kit.Conn) error {
			what, rest := on.resource(c.Target, *project, args)
			var r *auth.GetPermissionsResponse
			var err error
			if len(rest) == 0 {
				r, err = c.Auth.GetPermissions(ctx, &auth.GetPermissionsRequest{Resource: what})
			} else {
				r, err = c.Auth.GetPermissionsForPrincipal(ctx, &auth.GetPermissionsForPrincipalRequest{Resource: what, Principal: rest[0]})
			}
			if err != nil {
				return err
			}
			g := granted{Roles: append([]string{}, r.GetRoles()...), Permissions: []string{}}
			for _, p := range r.GetPermissions() {
				g.Permissions = append(g.Permissions, p.String())
			}
			if out != "" {
				return k.Show(out, g)
			}
			k.Printf("Roles: %v\nPermissions: %v\n", g.Roles, g.Permissions)
			return nil
		})
	}
	kit.OutputFlag(c, &out)
	return c
}
