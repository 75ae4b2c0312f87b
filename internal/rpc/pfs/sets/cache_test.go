package sets

import (
	"testing"

	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
)

func TestAllowCache(t *testing.T) {
	for name, want := range map[principal.Name]bool{
		"pipeline:default/edges": true, "internal:pps": true, principal.Root: true, "user:ada@example.com": false, "robot:pipeline": false, "": false,
	} {
		if err := allowCache(session.NewContext(t.Context(), session.Caller{Name: name})); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		if allowCache(session.NewContext(t.Context(), session.Caller{Name: name, Unapproved: "new"})) == nil {
			t.Errorf("%s by the word of a connector that nobody has approved", name)
		}
	}
}
