package table_test

import (
	"fmt"
	"testing"

	"pachyderm/internal/access/table"
)

// A name that reads like more of the text is a name.
func TestEachRole_NamesAreOnlyNames(t *testing.T) {
	evil := "group:x clusterAdmin 8 user:eve"
	got := ""
	err := table.EachRole(fmt.Sprintf("repoReader 6 user:arepoOwner %d %srepoReader 7 user:\u00e9", len(evil), evil), func(role, name string) error {
		got += fmt.Sprintf("%s=%q ", role, name)
		return nil
	})
	want := fmt.Sprintf("repoReader=%q repoOwner=%q repoReader=%q ", "user:a", evil, "user:\u00e9")
	if err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for _, broken := range []string{"repoReader", "repoReader 7 user:a", "repoReader -1 user:a", "repoReader x user:a"} {
		if err := table.EachRole(broken, func(string, string) error { return nil }); err == nil {
			t.Errorf("%q was read", broken)
		}
	}
}
