package auth

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/access"
)

// The roles here are for suggestions; pachd has the table.
func TestRoleNames_SameAsPachd(t *testing.T) {
	var want []string
	for _, r := range access.Roles() {
		want = append(want, r.Name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, roleNames()); diff != "" {
		t.Errorf("-pachd +pachctl:\n%s", diff)
	}
}
