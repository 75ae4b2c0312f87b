package idp

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pachyderm/test/walk"
)

// Person is somebody whom the providers know.
type Person = walk.Person

// The people of every provider. Carol has left: directories mark her.
var (
	Alice = Person{Name: "alice", Password: "wonderland-1", Email: "alice@example.com", Groups: []string{"admins", "developers"}}
	Bob   = Person{Name: "bob", Password: "builder-2", Email: "bob@example.com", Groups: []string{"developers"}}
	Carol = Person{Name: "carol", Password: "christmas-3", Email: "carol@example.com", Groups: []string{"developers"}}
)

// display is what the directories keep as somebody's full name.
func display(p Person) string {
	return strings.ToUpper(p.Name[:1]) + p.Name[1:] + " Example"
}

// members are the names of those who are directly in a group.
func members(people []Person, group string) []string {
	var names []string
	for _, p := range people {
		for _, g := range p.Groups {
			if g == group {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

// ErrRefused is in the error of SignIn where the provider asks for the password
// again, or does not know the person.
var ErrRefused = walk.ErrRefused

// SignIn is walk.SignIn. CA.Client makes a client.
func SignIn(tb testing.TB, client *http.Client, start string, p Person, stop func(*url.URL) bool) (*url.URL, string, error) {
	tb.Helper()
	return walk.SignIn(tb.Context(), client, start, p, stop)
}
