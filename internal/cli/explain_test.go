package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/api/license"
	"pachyderm/internal/access"
)

// The roles here are for suggestions; pachd has the table.
func TestRoleNamesAreThoseOfPachd(t *testing.T) {
	var want []string
	for _, r := range access.Roles() {
		want = append(want, r.Name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, roleNames()); diff != "" {
		t.Errorf("-pachd +pachctl:\n%s", diff)
	}
}

// What is meant to be pasted into a shell is one word there, whatever others
// have called themselves.
func TestQuote(t *testing.T) {
	for _, text := range []string{"user:alice@example.com", "", "a b", "$(reboot)", "it's", "a\nb", "`x`", "*", "group:demo/a;b", "~root", "!1"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+quote(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("%q is quoted as %s, which is %q: %v", text, quote(text), out, err)
		}
	}
	if got := quote("user:alice@example.com"); strings.Contains(got, "'") {
		t.Errorf("quoted without need: %s", got)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "less than a minute", time.Second: "less than a minute", time.Minute: "1 minute", 119 * time.Minute: "1 hour", 47 * time.Hour: "47 hours", 49 * time.Hour: "2 days",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%s) = %s, want %s", d, got, want)
		}
	}
}

func TestResourceOfAnArgument(t *testing.T) {
	for text, want := range map[string]string{
		"cluster": "cluster", "CLUSTER:": "cluster", "project:a": "project:a", "Repo:b": "repo:p/b", "repo:a/b": "repo:a/b", "spec_repo:b": "spec_repo:p/b",
		"images": "", "project:": "", "project": "", "repo:": "", "job:x": "", "cluster:x": "", "": "",
	} {
		r, err := parseResource(nil, text, "p")
		if (err == nil) != (want != "") || err == nil && resourceText(r) != want {
			t.Errorf("%q: %v, %v, want %q", text, r, err, want)
		}
	}
}

// A session never goes to another place than the one it was made at because
// the enterprise server says so.
func TestSyncedContextsKeepTheirSessionToThemselves(t *testing.T) {
	for name, test := range map[string]struct {
		info *license.UserClusterInfo
		want contextDoc
	}{
		"the same":           {&license.UserClusterInfo{Id: "c", Address: "a:1", ClusterDeploymentId: "d"}, contextDoc{Address: "grpc://a:1", DeploymentID: "d", Token: "t"}},
		"another address":    {&license.UserClusterInfo{Id: "c", Address: "evil:1", ClusterDeploymentId: "d"}, contextDoc{Address: "grpc://evil:1", DeploymentID: "d"}},
		"another deployment": {&license.UserClusterInfo{Id: "c", Address: "a:1", ClusterDeploymentId: "e"}, contextDoc{Address: "grpc://a:1", DeploymentID: "e"}},
		"nonsense":           {&license.UserClusterInfo{Id: "c", Address: "x://y/z", ClusterDeploymentId: "d"}, contextDoc{DeploymentID: "d"}},
	} {
		c := &configFile{V2: &configV2{Contexts: map[string]*contextDoc{"c": {Address: "grpc://a:1", DeploymentID: "d", Token: "t"}}}}
		c.sync(test.info)
		if diff := cmp.Diff(test.want, *c.V2.Contexts["c"], cmp.AllowUnexported(contextDoc{})); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}
