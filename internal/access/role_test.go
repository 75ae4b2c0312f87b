package access

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What a role permits must not change unseen: this file is what a review looks
// at.
func TestRoles_Golden(t *testing.T) {
	var b strings.Builder
	for _, r := range roleTable {
		fmt.Fprintf(&b, "%s  bound to %v  returned for %v\n", r.Name, r.CanBeBoundTo, r.ReturnedFor)
		for _, p := range r.Permissions {
			fmt.Fprintf(&b, "  %s\n", p)
		}
	}
	const golden = "testdata/roles.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("the roles have changed (-golden +now):\n%s", diff)
	}
}

func roleNamed(name string) Role { return roleTable[indexOfRole(name)] }

func TestRoles_Immutable(t *testing.T) {
	r := RolesWith(RepoRead)[0]
	r.Permissions[0], r.CanBeBoundTo[0], r.ReturnedFor[0] = ClusterDeleteAll, Job, Job

	again := RolesWith(RepoRead)[0]
	if again.Name != repoReader || again.Permissions[0] != RepoRead || again.CanBeBoundTo[0] != Cluster || again.ReturnedFor[0] != Repo {
		t.Errorf("the table holds %v", again)
	}
}

func TestRolesWith(t *testing.T) {
	for p, want := range map[Permission]string{
		RepoRead:           "repoReader repoWriter repoOwner projectOwner clusterAdmin",
		ProjectCreateRepo:  "projectWriter projectOwner clusterAdmin",
		JobSkipCtx:         "jobAdmin clusterAdmin",
		ClusterGetLokiLogs: "debugger lokiLogReader clusterAdmin",
		ClusterDeleteAll:   "clusterAdmin",
		PermissionUnknown:  "",
		106:                "",
	} {
		var names []string
		for _, r := range RolesWith(p) {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("RolesWith(%s) = %q, want %q", p, got, want)
		}
	}
}

// The table is by hand: what can be done on a project or a repo, and nothing else.
func TestBinding_GivesNothingBeyondItsResource(t *testing.T) {
	onRepo := []Permission{
		RepoRead, RepoWrite, RepoModifyBindings, RepoDelete, RepoInspectCommit, RepoListCommit, RepoDeleteCommit, RepoCreateBranch, RepoListBranch,
		RepoDeleteBranch, RepoInspectFile, RepoListFile, RepoAddPipelineReader, RepoRemovePipelineReader, RepoAddPipelineWriter, PipelineListJob,
	}
	onProject := append([]Permission{ProjectSetDefaults, ProjectDelete, ProjectListRepo, ProjectCreateRepo, ProjectModifyBindings}, onRepo...)
	for _, c := range []struct {
		at   Resource
		most []Permission
	}{{project("p"), onProject}, {repo("p/a"), onRepo}} {
		for _, role := range roleTable {
			ix := mustIndex(t, []Binding{bind(c.at, alice, role.Name)})
			for _, on := range []Resource{cluster(), project("p"), repo("p/a"), project("q"), repo("q/a"), job7} {
				var want PermissionSet
				if inside := on == c.at || on == repo("p/a"); inside {
					want = SetOf(role.Permissions...).intersection(SetOf(c.most...))
				}
				if got := ix.Decide(alice, nil, on, SetOf(allPermissions()...)).Satisfied; got != want {
					t.Errorf("%s on %s gives %v on %s, want %v", role.Name, c.at, got.List(), on, want.List())
				}
				names, shown := ix.Effective(alice, nil, on)
				if !want.contains(shown) {
					t.Errorf("%s on %s is shown as %v on %s: %v", role.Name, c.at, names, on, shown.List())
				}
			}
		}
	}
}
