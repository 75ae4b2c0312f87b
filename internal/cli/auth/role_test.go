package auth

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/api/auth"
	"pachyderm/internal/access"
	"pachyderm/internal/cli/kit"
)

// The roles here are for suggestions; pachd has the table.
func TestRoleNames_SameAsPachd(t *testing.T) {
	var want []string
	for p := range auth.Permission_name {
		for _, r := range access.RolesWith(access.Permission(p)) {
			want = append(want, r.Name)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(slices.Compact(want), roleNames()); diff != "" {
		t.Errorf("-pachd +pachctl:\n%s", diff)
	}
}

func TestResource_ReposWithAndWithoutTheirProject(t *testing.T) {
	for _, c := range []struct{ name, project, want string }{
		{"images", "", "current/images"},
		{"images", "other", "other/images"},
		{"other/images", "", "other/images"},
		{"other/images", "third", "third/other/images"}, // which pachd refuses
	} {
		o := bindingOptions{kind: onRepo(), name: c.name, project: c.project}
		if got := o.resource(&kit.Target{Project: "current"}).GetName(); got != c.want {
			t.Errorf("%s in %q: got %s, wanted %s", c.name, c.project, got, c.want)
		}
	}
}
