package auth

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/api/auth"
	"pachyderm/internal/access"
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
