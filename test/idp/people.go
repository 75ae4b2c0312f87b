package idp

import "strings"

// Person is somebody whom the providers know. Name is what is typed as the user
// name, and Groups are those that the person is directly in.
type Person struct {
	Name, Password, Email string
	Groups                []string
}

// The people of every provider. Carol has left: directories mark her.
var (
	Alice = Person{Name: "alice", Password: "wonderland-1", Email: "alice@example.com", Groups: []string{"admins", "developers"}}
	Bob   = Person{Name: "bob", Password: "builder-2", Email: "bob@example.com", Groups: []string{"developers"}}
	Carol = Person{Name: "carol", Password: "christmas-3", Email: "carol@example.com", Groups: []string{"developers"}}
)

// WithPassword is the same person who types something else.
func (p Person) WithPassword(password string) Person {
	p.Password = password
	return p
}

// display is what the directories keep as somebody's full name.
func (p Person) display() string {
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
