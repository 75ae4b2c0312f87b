package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

const (
	root      = principal.Root
	alice     = principal.Name("user:alice@example.com")
	bob       = principal.Name("user:bob@example.com")
	carol     = principal.Name("user:carol@example.com")
	robot     = principal.Name("robot:ci")
	engineers = principal.Name("group:engineers")
	admins    = principal.Name("group:admins")
)

var job7 = Resource{Type: Job, Name: "7"}

func cluster() Resource            { return Resource{Type: Cluster} }
func project(name string) Resource { return Resource{Type: Project, Name: name} }
func repo(name string) Resource    { return Resource{Type: Repo, Name: name} }
func spec(name string) Resource    { return Resource{Type: SpecRepo, Name: name} }

func bind(r Resource, who principal.Name, roles ...string) Binding {
	return Binding{Resource: r, Principal: who, Roles: roles}
}

func mustIndex(t testing.TB, bindings []Binding, known ...Resource) *Index {
	t.Helper()
	ix, err := newIndex(bindings, known...)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

// sample is a small organisation: alice by herself, bob by his group, robots by
// everybody's grant, and carol without anything of her own.
func sample(t testing.TB) *Index {
	return mustIndex(t, []Binding{
		bind(cluster(), root, "clusterAdmin"),
		bind(cluster(), principal.Everyone, "projectCreator"),
		bind(cluster(), admins, "clusterAdmin"),
		bind(cluster(), robot, "jobAdmin", "repoReader"),
		bind(project("default"), alice, "projectOwner"),
		bind(project("default"), principal.Everyone, "projectWriter"),
		bind(project("secret"), root, "projectOwner"),
		bind(repo("default/images"), engineers, "repoWriter"),
		bind(repo("default/images"), alice, "repoReader"),
		bind(repo("orphan/images"), bob, "repoOwner"),
	}, repo("default/empty"))
}

func TestDecide(t *testing.T) {
	ix := sample(t)
	need := func(p ...Permission) []Permission { return p }
	in := func(g ...principal.Name) []principal.Name { return g }
	for _, c := range []struct {
		name    string
		subject principal.Name
		groups  []principal.Name
		on      Resource
		need    []Permission
		missing []Permission
	}{
		{name: "root may do all on the cluster", subject: root, on: cluster(), need: allPermissions()[1:]},
		{name: "root reads a repository by the cluster", subject: root, on: repo("default/images"), need: need(RepoRead)},
		{name: "root reads what nobody has heard of", subject: root, on: repo("no/such"), need: need(RepoRead)},
		{name: "an admin by group", subject: carol, groups: in(engineers, admins), on: cluster(), need: need(ClusterDeleteAll)},
		{name: "everybody creates projects", subject: carol, on: cluster(), need: need(ProjectCreate)},
		{name: "everybody includes robots", subject: robot, on: cluster(), need: need(ProjectCreate)},
		{name: "everybody on a project", subject: carol, on: project("default"), need: need(ProjectCreateRepo, ProjectListRepo)},
		{name: "everybody elsewhere", subject: carol, on: project("secret"), need: need(ProjectListRepo), missing: need(ProjectListRepo)},
		{name: "a role on the project reaches its repositories", subject: alice, on: repo("default/images"), need: need(RepoDelete)},
		{name: "also those without a binding", subject: alice, on: repo("default/other"), need: need(RepoDelete)},
		{name: "but no other project", subject: alice, on: repo("secret/images"), need: need(RepoRead), missing: need(RepoRead)},
		{name: "a role on a repository by group", subject: bob, groups: in(engineers), on: repo("default/images"), need: need(RepoRead, RepoWrite)},
		{name: "not without the group", subject: bob, on: repo("default/images"), need: need(RepoRead), missing: need(RepoRead)},
		{name: "a role on a repository does not reach up", subject: bob, groups: in(engineers), on: project("default"), need: need(RepoRead), missing: need(RepoRead)},
		{name: "nor a role on a project", subject: alice, on: cluster(), need: need(ProjectDelete), missing: need(ProjectDelete)},
		{name: "a repository role on the cluster", subject: robot, on: repo("secret/images"), need: need(RepoRead)},
		{name: "half of what is needed", subject: bob, groups: in(engineers), on: repo("default/images"), need: need(RepoWrite, RepoDelete), missing: need(RepoDelete)},
		{name: "grants of several levels add up", subject: carol, groups: in(engineers), on: repo("default/images"), need: need(ProjectCreate, ProjectCreateRepo, RepoWrite)},
		{name: "a repository of an unknown project", subject: carol, on: repo("no/such"), need: need(RepoRead), missing: need(RepoRead)},
		{name: "a repository counts although its project is unknown", subject: bob, on: repo("orphan/images"), need: need(RepoDelete)},
		{name: "a known repository without bindings", subject: carol, on: repo("default/empty"), need: need(RepoRead), missing: need(RepoRead)},
		{name: "everybody reads specifications", subject: carol, on: spec("no/such"), need: need(RepoRead, RepoListCommit)},
		{name: "and writes them as the repository", subject: bob, groups: in(engineers), on: spec("default/images"), need: need(RepoRead, RepoWrite)},
		{name: "or not", subject: bob, on: spec("default/images"), need: need(RepoRead, RepoWrite), missing: need(RepoWrite)},
		{name: "a specification is written as its repository", subject: carol, on: spec("default/no"), need: need(RepoWrite), missing: need(RepoWrite)},
		{name: "a job by the cluster", subject: robot, on: job7, need: need(JobSkipCtx)},
		{name: "a job otherwise", subject: alice, on: job7, need: need(JobSkipCtx), missing: need(JobSkipCtx)},
		{name: "nothing is needed", subject: carol, on: project("no")},
		{name: "the unknown permission", subject: root, on: cluster(), need: need(PermissionUnknown, RepoRead), missing: need(PermissionUnknown)},
		{name: "a permission of a newer client", subject: root, on: cluster(), need: need(9999), missing: need(PermissionUnknown)},
		{name: "nobody is not everybody", on: spec("default/images"), need: need(RepoRead), missing: need(RepoRead)},
		{name: "no roles by membership in a user", subject: carol, groups: in(root, alice), on: repo("default/images"), need: need(RepoRead), missing: need(RepoRead)},
		{name: "a group itself", subject: engineers, on: repo("default/images"), need: need(RepoWrite)},
		{name: "everybody itself", subject: principal.Everyone, on: project("default"), need: need(ProjectCreateRepo)},
		{name: "a repository without a project has no parent", subject: alice, on: repo("default"), need: need(RepoRead), missing: need(RepoRead)},
		{name: "nor one with too many parts", subject: alice, on: repo("default/images/x"), need: need(RepoRead), missing: need(RepoRead)},
	} {
		wanted, missing := SetOf(c.need...), SetOf(c.missing...)
		want := Decision{Allowed: len(c.missing) == 0, Satisfied: wanted.minus(missing), Missing: missing}
		if diff := cmp.Diff(want, ix.Decide(c.subject, c.groups, c.on, wanted)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestDecide_AnyOfManyGroups(t *testing.T) {
	ix := sample(t)
	var groups []principal.Name
	for i := range 40 {
		groups = append(groups, principal.Name(fmt.Sprintf("group:g%d", i)))
	}
	for i := range groups {
		of := slices.Clone(groups)
		of[i] = engineers
		if !ix.Decide(bob, of, repo("default/images"), SetOf(RepoWrite)).Allowed {
			t.Errorf("group number %d of %d does not count", i+1, len(of))
		}
	}
	if ix.Decide(bob, groups, repo("default/images"), SetOf(RepoWrite)).Allowed {
		t.Error("groups without a binding count")
	}
}

func TestIndex_Empty(t *testing.T) {
	ix := mustIndex(t, nil)
	d := ix.Decide(root, nil, repo("default/images"), SetOf(RepoRead))
	if d.Allowed {
		t.Errorf("decision %+v", d)
	}
}

func TestEffective(t *testing.T) {
	ix := sample(t)
	for _, c := range []struct {
		name    string
		subject principal.Name
		groups  []principal.Name
		on      Resource
		want    string
	}{
		{"repository and project", alice, nil, repo("default/images"), "projectOwner repoReader"},
		{"the project alone", alice, nil, project("default"), "projectOwner projectWriter"},
		{"a repository by group", bob, []principal.Name{engineers}, repo("default/images"), "repoWriter"},
		{"projectWriter is not shown for a repository", carol, nil, repo("default/images"), ""},
		{"a specification as its repository", carol, nil, spec("default/images"), "repoReader"},
		{"repoReader is not shown for the cluster", robot, nil, cluster(), "jobAdmin projectCreator"},
		{"nor jobAdmin for a repository", robot, nil, repo("secret/images"), "repoReader"},
		{"clusterAdmin is shown for a repository", root, nil, repo("no/such"), "clusterAdmin"},
		{"nobody", "", nil, cluster(), ""},
	} {
		names, got := ix.Effective(c.subject, c.groups, c.on)
		if have := strings.Join(names, " "); have != c.want || names == nil {
			t.Errorf("%s: roles %q, want %q", c.name, have, c.want)
		}
		var want PermissionSet
		for _, name := range names {
			r := roleNamed(name)
			want = want.union(SetOf(r.Permissions...))
		}
		if got != want {
			t.Errorf("%s: permissions %v, want %v", c.name, got, want)
		}
	}
}

func TestDeniedError_TextClientsMatch(t *testing.T) {
	for _, c := range []struct {
		on   Resource
		need []Permission
		want string
	}{
		{
			repo("default/images"),
			[]Permission{RepoWrite, RepoRead},
			"user:alice@example.com is not authorized to perform this operation - needs permissions [REPO_WRITE REPO_READ] on REPO default/images. Run `pachctl auth roles-for-permission` to find roles that grant a given permission.",
		},
		{
			cluster(),
			[]Permission{ClusterDeleteAll},
			"user:alice@example.com is not authorized to perform this operation - needs permissions [CLUSTER_DELETE_ALL] on CLUSTER . Run `pachctl auth roles-for-permission` to find roles that grant a given permission.",
		},
	} {
		err := DeniedError(alice, c.on, c.need)
		if got := fault.Message(err); got != c.want || !fault.Is(err, fault.Denied) {
			t.Errorf("got  %s fault %q\nwant %q", fault.KindOf(err), got, c.want)
		}
	}
}

func TestDecide_DoesNotAllocate(t *testing.T) {
	ix := sample(t)
	groups := []principal.Name{"group:a", "group:b", "group:c", "group:d", engineers}
	for _, on := range []Resource{cluster(), project("default"), repo("default/images"), spec("default/images"), repo("no/such"), job7} {
		for _, p := range []Permission{RepoRead, ClusterDeleteAll} {
			need := SetOf(p)
			if n := testing.AllocsPerRun(100, func() { ix.Decide(bob, groups, on, need) }); n != 0 {
				t.Errorf("%s on %s: %v allocations", p, on, n)
			}
		}
	}
}

// newIndex builds an index. Bindings of the same principal on the same
// resource add up. The resources of all bindings are known; others that exist
// although nobody has a role on them are named by known.
func newIndex(bindings []Binding, known ...Resource) (*Index, error) {
	b := newBuilder()
	on := map[Resource]string{}
	for _, binding := range bindings {
		for _, role := range binding.Roles {
			on[binding.Resource] += fmt.Sprintf("%s %d %s", role, len(binding.Principal), binding.Principal)
		}
	}
	for r, roles := range on {
		if err := b.addAll(boundOn{r, roles}); err != nil {
			return nil, err
		}
	}
	for _, r := range known {
		if err := b.addAll(boundOn{resource: r}); err != nil {
			return nil, err
		}
	}
	return b.index(), nil
}
