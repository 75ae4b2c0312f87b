package auth

import (
	"cmp"
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

// title names the kind in a sentence.
func (on kind) title() string {
	switch {
	case on.enterprise:
		return "the enterprise server"
	case on.arg == "":
		return "the cluster"
	}
	return "a " + on.name
}

// example is a command line about the kind.
func (on kind) example(verb, rest string) string {
	words := []string{"  pachctl auth", verb, on.name}
	if on.arg != "" {
		words = append(words, map[string]string{"project": "default", "repo": "images"}[on.name])
	}
	return strings.TrimSpace(strings.Join(append(words, rest), " "))
}

func (on kind) exampleRole() string {
	if on.arg == "" {
		return "clusterAdmin"
	}
	return on.name + "Owner"
}

// bindingOptions are what a command about the roles on a resource is given.
type bindingOptions struct {
	kind          kind
	name, project string // of the resource
	roles         []string
	principal     []string // none for oneself
	out           string
}

// command begins a command about a kind of resource; more are the arguments
// behind the resource, the last of which may be in brackets.
func (o *bindingOptions) command(c *cobra.Command, more ...string) *cobra.Command {
	use, most := []string{o.kind.name}, len(more)
	if o.kind.arg != "" {
		use, most = append(use, o.kind.arg), most+1
	}
	least := most
	if most > 0 && len(more) > 0 && strings.HasPrefix(more[len(more)-1], "[") {
		least--
	}
	c.Use = strings.Join(append(use, more...), " ")
	c.Args = kit.Between(least, most)
	if o.kind.alias != "" {
		c.Aliases = []string{o.kind.alias}
	}
	if o.kind.typ == auth.ResourceType_REPO {
		c.Flags().StringVar(&o.project, "project", "", "the project of the repo, in place of the context's")
	}
	return c
}

// takeName takes the resource from the arguments and returns the rest.
func (o *bindingOptions) takeName(args []string) []string {
	if o.kind.arg == "" {
		return args
	}
	o.name = args[0]
	return args[1:]
}

// resource takes a repo with its project before it, as it is printed, for what it says.
func (o *bindingOptions) resource(t *kit.Target) *auth.Resource {
	r := &auth.Resource{Type: o.kind.typ, Name: o.name}
	if o.kind.typ == auth.ResourceType_REPO && (o.project != "" || !strings.Contains(o.name, "/")) {
		r.Name = cmp.Or(o.project, t.Project) + "/" + o.name
	}
	return r
}

func getBinding(k *kit.Kit, on kind) *cobra.Command {
	o := bindingOptions{kind: on}
	c := o.command(&cobra.Command{Short: "Show who has which roles on " + on.title(), Example: "  " + on.example("get", "")})
	c.RunE = func(c *cobra.Command, args []string) error {
		o.takeName(args)
		return o.runGet(c.Context(), k)
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o *bindingOptions) runGet(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.kind.enterprise, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Auth.GetRoleBinding(ctx, &auth.GetRoleBindingRequest{Resource: o.resource(c.Target)})
		if err != nil {
			return err
		}
		entries := map[string][]string{}
		for principal, roles := range r.GetBinding().GetEntries() {
			entries[principal] = slices.Sorted(maps.Keys(roles.GetRoles()))
		}
		return k.PrintResult(o.out, entries, func() {
			for _, principal := range slices.Sorted(maps.Keys(entries)) {
				k.Printf("%s: %v\n", principal, entries[principal])
			}
		})
	})
}

func setBinding(k *kit.Kit, on kind) *cobra.Command {
	o := bindingOptions{kind: on}
	c := o.command(&cobra.Command{
		Short: "Set the roles of a user, group or robot on " + on.title(),
		Long: "Set the roles of a user, group or robot on " + on.title() + `. They replace all that
it has there; none removes it. Several roles are separated by commas. PRINCIPAL
has its prefix, such as user:alice@example.com, group:engineers, robot:ci, or is
allClusterUsers.`,
		Example: "  " + on.example("set", on.exampleRole()+" user:alice@example.com") + "\n  " +
			on.example("set", "none user:alice@example.com"),
		ValidArgsFunction: kit.Completing(roleNames),
	}, "ROLES|none", "PRINCIPAL")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		rest := o.takeName(args)
		if o.roles, err = parseRoles(c, rest[0]); err != nil {
			return err
		}
		o.principal = rest[1:]
		return o.runSet(c.Context(), k)
	}
	return c
}

func (o *bindingOptions) runSet(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.kind.enterprise, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Auth.ModifyRoleBinding(ctx, &auth.ModifyRoleBindingRequest{
			Resource: o.resource(c.Target), Principal: o.principal[0], Roles: o.roles,
		})
		if err != nil {
			return suggestRole(err, o.roles)
		}
		return o.noteMisplaced(ctx, k, c)
	})
}

// noteMisplaced says of roles that are meant for another kind of resource what
// they give on this one.
func (o *bindingOptions) noteMisplaced(ctx context.Context, k *kit.Kit, c *kit.Conn) error {
	about := map[auth.ResourceType][]auth.Permission{
		auth.ResourceType_PROJECT: {auth.Permission_REPO_READ, auth.Permission_PROJECT_LIST_REPO},
		auth.ResourceType_REPO:    {auth.Permission_REPO_READ},
	}[o.kind.typ]
	if len(o.roles) == 0 || about == nil {
		return nil
	}
	known := map[string]*auth.Role{}
	for _, p := range about {
		r, err := c.Auth.GetRolesForPermission(ctx, &auth.GetRolesForPermissionRequest{Permission: p})
		if err != nil {
			return kit.Prefixed("the roles are set, but not what they are meant for is known", err)
		}
		for _, role := range r.GetRoles() {
			known[role.GetName()] = role
		}
	}
	for _, name := range o.roles {
		switch role := known[name]; {
		case role == nil:
			k.Notef("Note: %s gives nothing on %s.\n", name, o.kind.title())
		case !slices.Contains(role.GetCanBeBoundTo(), o.kind.typ):
			k.Notef("Note: %s on %s gives only what can be done there.\n", name, o.kind.title())
		}
	}
	return nil
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
	o := bindingOptions{kind: on}
	c := o.command(&cobra.Command{
		Short:   "Show what you, or somebody else, may do on " + on.title(),
		Example: "  " + on.example("check", "") + "\n  " + on.example("check", "robot:ci"),
	}, "[PRINCIPAL]")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.principal = o.takeName(args)
		return o.runCheck(c.Context(), k)
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o *bindingOptions) runCheck(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, o.kind.enterprise, func(ctx context.Context, c *kit.Conn) error {
		var r *auth.GetPermissionsResponse
		var err error
		if on := o.resource(c.Target); len(o.principal) == 0 {
			r, err = c.Auth.GetPermissions(ctx, &auth.GetPermissionsRequest{Resource: on})
		} else {
			r, err = c.Auth.GetPermissionsForPrincipal(ctx, &auth.GetPermissionsForPrincipalRequest{Resource: on, Principal: o.principal[0]})
		}
		if err != nil {
			return err
		}
		g := granted{Roles: append([]string{}, r.GetRoles()...), Permissions: []string{}}
		for _, p := range r.GetPermissions() {
			g.Permissions = append(g.Permissions, p.String())
		}
		return k.PrintResult(o.out, g, func() { k.Printf("Roles: %v\nPermissions: %v\n", g.Roles, g.Permissions) })
	})
}
