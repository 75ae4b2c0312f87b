package access

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/fault"
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

func TestCheckBindable(t *testing.T) {
	for _, c := range []struct {
		role string
		t    ResourceType
		want string // part of the refusal, or "" when it is allowed
	}{
		{"repoReader", Cluster, ""},
		{"repoReader", Project, ""},
		{"repoReader", Repo, ""},
		{"repoReader", SpecRepo, ""},
		{"repoReader", Job, "CLUSTER or PROJECT or REPO"},
		{"projectOwner", Project, ""},
		{"projectOwner", Repo, `role "projectOwner" cannot be bound to a REPO: bind it to CLUSTER or PROJECT`},
		{"projectOwner", SpecRepo, "CLUSTER or PROJECT"},
		{"clusterAdmin", Cluster, ""},
		{"clusterAdmin", Project, `role "clusterAdmin" cannot be bound to a PROJECT: bind it to CLUSTER`},
		{"jobAdmin", Job, ""},
		{"jobAdmin", UnknownResource, "JOB or CLUSTER"},
		{"clusterOwner", Cluster, `unknown role "clusterOwner": use one of repoReader, repoWriter`},
	} {
		err := checkBindable(c.role, c.t)
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
