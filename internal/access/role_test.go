package access_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/access"
	"pachyderm/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What a role permits must not change unseen: this file is what a review looks
// at.
func TestRoles_Golden(t *testing.T) {
	var b strings.Builder
	for _, r := range access.Roles() {
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

func TestRoleNamed(t *testing.T) {
	for _, want := range access.Roles() {
		got, found := access.RoleNamed(want.Name)
		if diff := cmp.Diff(want, got); !found || diff != "" {
			t.Errorf("RoleNamed(%q) (-want +got):\n%s", want.Name, diff)
		}
	}
	if r, found := access.RoleNamed("clusterOwner"); found {
		t.Errorf("clusterOwner is %v", r)
	}
}

func TestRoles_Immutable(t *testing.T) {
	r, _ := access.RoleNamed(access.RepoReader)
	r.Permissions[0] = access.ClusterDeleteAll
	r.CanBeBoundTo[0] = access.Job
	access.Roles()[0].ReturnedFor[0] = access.Job
	access.RolesWith(access.RepoRead)[0].Permissions[0] = access.ClusterDeleteAll

	again, _ := access.RoleNamed(access.RepoReader)
	if again.Permissions[0] != access.RepoRead || again.CanBeBoundTo[0] != access.Cluster || again.ReturnedFor[0] != access.Repo {
		t.Errorf("the table holds %v", again)
	}
}

func TestRolesWith(t *testing.T) {
	for p, want := range map[access.Permission]string{
		access.RepoRead:           "repoReader repoWriter repoOwner projectOwner clusterAdmin",
		access.ProjectCreateRepo:  "projectWriter projectOwner clusterAdmin",
		access.JobSkipCtx:         "jobAdmin clusterAdmin",
		access.ClusterGetLokiLogs: "debugger lokiLogReader clusterAdmin",
		access.ClusterDeleteAll:   "clusterAdmin",
		access.PermissionUnknown:  "",
		106:                       "",
	} {
		var names []string
		for _, r := range access.RolesWith(p) {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("RolesWith(%s) = %q, want %q", p, got, want)
		}
	}
}

func TestCheckBindable(t *testing.T) {
	for _, c := range []struct {
		role string
		t    access.ResourceType
		want string // part of the refusal, or "" when it is allowed
	}{
		{"repoReader", access.Cluster, ""},
		{"repoReader", access.Project, ""},
		{"repoReader", access.Repo, ""},
		{"repoReader", access.SpecRepo, ""},
		{"repoReader", access.Job, "CLUSTER or PROJECT or REPO"},
		{"projectOwner", access.Project, ""},
		{"projectOwner", access.Repo, `role "projectOwner" cannot be bound to a REPO: bind it to CLUSTER or PROJECT`},
		{"projectOwner", access.SpecRepo, "CLUSTER or PROJECT"},
		{"clusterAdmin", access.Cluster, ""},
		{"clusterAdmin", access.Project, `role "clusterAdmin" cannot be bound to a PROJECT: bind it to CLUSTER`},
		{"jobAdmin", access.Job, ""},
		{"jobAdmin", access.UnknownResource, "JOB or CLUSTER"},
		{"clusterOwner", access.Cluster, `unknown role "clusterOwner": use one of repoReader, repoWriter`},
	} {
		err := access.CheckBindable(c.role, c.t)
		if c.want == "" {
			if err != nil {
				t.Errorf("CheckBindable(%s, %s) = %v", c.role, c.t, err)
			}
			continue
		}
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("CheckBindable(%s, %s) = %v, want %q", c.role, c.t, err, c.want)
		}
	}
}
