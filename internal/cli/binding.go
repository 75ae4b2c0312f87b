package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/auth"
	"pachyderm/client"
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
func (k kind) what() string {
	switch {
	case k.enterprise:
		return "the enterprise server"
	case k.arg == "":
		return "the cluster"
	}
	return "a " + k.name
}

// command begins a command about a kind; more are the arguments behind the
// resource, the last of which may be in brackets.
func (k kind) command(c *cobra.Command, more ...string) (cmd *cobra.Command, project *string) {
	use, most := []string{k.name}, len(more)
	if k.arg != "" {
		use, most = append(use, k.arg), most+1
	}
	least := most
	if most > 0 && len(more) > 0 && strings.HasPrefix(more[len(more)-1], "[") {
		least--
	}
	c.Use = strings.Join(append(use, more...), " ")
	c.Args = between(least, most)
	if k.alias != "" {
		c.Aliases = []string{k.alias}
	}
	project = new(string)
	if k.typ == auth.ResourceType_REPO {
		c.Flags().StringVar(project, "project", "", "the project of the repo, in place of the context's")
	}
	return c, project
}

// resource takes the resource from the arguments and returns the rest.
func (k kind) resource(p *place, project string, args []string) (*auth.Resource, []string) {
	r := &auth.Resource{Type: k.typ}
	if k.arg == "" {
		return r, args
	}
	r.Name = args[0]
	if k.typ == auth.ResourceType_REPO {
		if project == "" {
			project = p.project()
		}
		r.Name = project + "/" + r.Name
	}
	return r, args[1:]
}

// example is a command line about the kind.
func (k kind) example(verb, rest string) string {
	words := []string{"  pachctl auth", verb, k.name}
	if k.arg != "" {
		words = append(words, map[string]string{"project": "default", "repo": "images"}[k.name])
	}
	return strings.TrimSpace(strings.Join(append(words, rest), " "))
}

func (a *app) getBinding(k kind) *cobra.Command {
	var out format
	c, project := k.command(&cobra.Command{Short: "Show who has which roles on " + k.what(), Example: "  " + k.example("get", "")})
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), k.enterprise, func(ctx context.Context, c *client.Client, p *place) error {
			on, _ := k.resource(p, *project, args)
			r, err := c.Auth.GetRoleBinding(ctx, &auth.GetRoleBindingRequest{Resource: on})
			if err != nil {
				return err
			}
			entries := map[string][]string{}
			for who, roles := range r.GetBinding().GetEntries() {
				entries[who] = slices.Sorted(maps.Keys(roles.GetRoles()))
			}
			if out != "" {
				return a.show(out, entries)
			}
			for _, who := range slices.Sorted(maps.Keys(entries)) {
				a.printf("%s: %v\n", who, entries[who])
			}
			return nil
		})
	}
	outputFlag(c, &out)
	return c
}

func (a *app) setBinding(k kind) *cobra.Command {
	c, project := k.command(&cobra.Command{
		Short: "Set the roles of a user, group or robot on " + k.what(),
		Long: "Set the roles of a user, group or robot on " + k.what() + `. They replace all that
it has there; none removes it. Several roles are separated by commas. PRINCIPAL
has its prefix, such as user:alice@example.com, group:engineers, robot:ci, or is
allClusterUsers.`,
		Example:           "  " + k.example("set", k.exampleRole()+" user:alice@example.com") + "\n  " + k.example("set", "none user:alice@example.com"),
		ValidArgsFunction: completing(roleNames),
	}, "ROLES|none", "PRINCIPAL")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		roles, err := parseRoles(cmd, args[len(args)-2])
		if err != nil {
			return err
		}
		return a.withClient(cmd.Context(), k.enterprise, func(ctx context.Context, c *client.Client, p *place) error {
			on, rest := k.resource(p, *project, args)
			_, err := c.Auth.ModifyRoleBinding(ctx, &auth.ModifyRoleBindingRequest{Resource: on, Principal: rest[1], Roles: roles})
			return nearestRole(err, roles)
		})
	}
	return c
}

func (k kind) exampleRole() string {
	if k.arg == "" {
		return "clusterAdmin"
	}
	return k.name + "Owner"
}

func parseRoles(c *cobra.Command, text string) ([]string, error) {
	if text == "none" {
		return nil, nil
	}
	var roles []string
	for role := range strings.SplitSeq(text, ",") {
		role = strings.TrimSpace(role)
		if role == "" {
			return nil, usagef(c, "%q names an empty role: write them as role1,role2, or none to remove all", text)
		}
		roles = append(roles, role)
	}
	return roles, nil
}

type granted struct {
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

func (a *app) checkAccess(k kind) *cobra.Command {
	var out format
	c, project := k.command(&cobra.Command{
		Short: "Show what you, or somebody else, may do on " + k.what(), Example: "  " + k.example("check", "") + "\n  " + k.example("check", "robot:ci"),
	}, "[PRINCIPAL]")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), false, func(ctx context.Context, c *client.Client, p *place) error {
			on, rest := k.resource(p, *project, args)
			var r *auth.GetPermissionsResponse
			var err error
			if len(rest) == 0 {
				r, err = c.Auth.GetPermissions(ctx, &auth.GetPermissionsRequest{Resource: on})
			} else {
				r, err = c.Auth.GetPermissionsForPrincipal(ctx, &auth.GetPermissionsForPrincipalRequest{Resource: on, Principal: rest[0]})
			}
			if err != nil {
				return err
			}
			g := granted{Roles: append([]string{}, r.GetRoles()...), Permissions: []string{}}
			for _, p := range r.GetPermissions() {
				g.Permissions = append(g.Permissions, p.String())
			}
			if out != "" {
				return a.show(out, g)
			}
			a.printf("Roles: %v\nPermissions: %v\n", g.Roles, g.Permissions)
			return nil
		})
	}
	outputFlag(c, &out)
	return c
}
