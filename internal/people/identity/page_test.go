package identity_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/db"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

// pages reads a list in pages of two and returns the keys of all of it.
func pages[T any](t *testing.T, d *db.DB, read func(*db.Tx, db.Page) ([]T, string, error), key func(T) string) []string {
	t.Helper()
	var all []string
	for p := (db.Page{Limit: 2}); ; {
		err := d.View(t.Context(), func(tx *db.Tx) error {
			page, next, err := read(tx, p)
			if len(page) > 2 {
				t.Errorf("a page of %d", len(page))
			}
			for _, one := range page {
				all = append(all, key(one))
			}
			p.After = next
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if p.After == "" {
			break
		}
	}
	slices.Sort(all)
	return all
}

func TestPages_ReachEverybodyOnce(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		var people, members, groups []string
		for n := range 5 {
			in := alice()
			in.Subject, in.Email = fmt.Sprintf("subject-%d", n), fmt.Sprintf("person-%d@example.com", n)
			in.Groups = []string{"all", fmt.Sprintf("only-%d", n)}
			who := mustSignIn(t, d, in)
			people = append(people, fmt.Sprintf("%s %d %v", who.User, 1, []principal.Name{"group:all", principal.Name(fmt.Sprintf("group:only-%d", n))}))
			members = append(members, who.User.String())
			groups = append(groups, fmt.Sprintf("group:only-%d 1", n))
		}
		groups = append([]string{"group:all 5"}, groups...)

		if diff := cmp.Diff(people, pages(t, d, func(tx *db.Tx, p db.Page) ([]identity.Person, string, error) {
			return identity.People(t.Context(), tx, p)
		}, func(p identity.Person) string { return fmt.Sprintf("%s %d %v", p.Name, len(p.Accounts), p.Groups) })); diff != "" {
			t.Errorf("people (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(groups, pages(t, d, func(tx *db.Tx, p db.Page) ([]identity.GroupSize, string, error) {
			return identity.AllGroups(t.Context(), tx, p)
		}, func(g identity.GroupSize) string { return fmt.Sprintf("%s %d", g.Group, g.Members) })); diff != "" {
			t.Errorf("groups (-want +got):\n%s", diff)
		}
		for name, read := range map[string]func(*db.Tx, db.Page) ([]principal.Name, string, error){
			"of one group": func(tx *db.Tx, p db.Page) ([]principal.Name, string, error) {
				return identity.Members(t.Context(), tx, "group:all", p)
			},
			"of any": func(tx *db.Tx, p db.Page) ([]principal.Name, string, error) {
				return identity.MembersOfAny(t.Context(), tx, p)
			},
		} {
			if diff := cmp.Diff(members, pages(t, d, read, principal.Name.String)); diff != "" {
				t.Errorf("members %s (-want +got):\n%s", name, diff)
			}
		}
	})
}
