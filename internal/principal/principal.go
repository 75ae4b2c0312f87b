package principal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"pachyderm/internal/fault"
)

// Name is a checked principal in its wire form. The zero value is nobody.
type Name string

// Names that are not made from a kind and a name of the user's choice.
const (
	// Root is the administrator of last resort, who signs in with the root token.
	Root Name = "pach:root"
	// AuthServer is pachd acting on its own behalf.
	AuthServer Name = "internal:auth-server"
	// Everyone stands for each principal with a valid token.
	Everyone Name = "allClusterUsers"
)

// Topic is what db.Watch calls a change of who a principal is: its tokens, its
// groups, whether it may act. The key is its name.
const Topic = "principal"

// Kind is what stands before the colon.
type Kind string

// The kinds that upstream knows.
const (
	User     Kind = "user"
	Robot    Kind = "robot"
	Group    Kind = "group"
	Pipeline Kind = "pipeline"
	Pach     Kind = "pach"
	System   Kind = "internal"
)

// maxLength is the longest principal accepted, in bytes: an e-mail address may
// have 254 (RFC 5321, 4.5.3.1.3), a group of a directory more.
const maxLength = 512

// Parse checks s and gives the one form that all spellings of it have: addresses
// of users in lower case with their domain as DNS has it, all names composed
// (Unicode NFC). An empty name ("user:"), an unknown kind, white space at either
// end, control and invisible characters, and a word of letters of several scripts,
// which is how a name passes for another, are refused. Fault: Invalid.
func Parse(s string) (Name, error) {
	if s == string(Everyone) {
		return Everyone, nil
	}
	kind, name, found := strings.Cut(s, ":")
	if !found {
		return "", fault.New(fault.Invalid, "%q: subject has no prefix, must be of the form <type>:<name>, for example user:alice@example.com", s)
	}
	switch Kind(kind) {
	case User, Robot, Group, Pipeline, Pach, System:
	default:
		return "", fault.New(fault.Invalid, "subject has unrecognized prefix: %s: (use user, robot, group or pipeline)", kind)
	}
	err := checkText(s, name)
	if err == nil {
		name, err = canonical(Kind(kind), name)
	}
	if err == nil {
		err = checkText(kind+":"+name, name)
	}
	if err != nil {
		return "", err
	}
	return Name(kind + ":" + name), nil
}

func checkText(whole, name string) error {
	switch {
	case name == "":
		return fault.New(fault.Invalid, "%q: the name after the colon is empty", whole)
	case len(whole) > maxLength:
		return fault.New(fault.Invalid, "the principal is %d bytes long; at most %d are allowed", len(whole), maxLength)
	case !utf8.ValidString(whole):
		return fault.New(fault.Invalid, "the principal is not valid UTF-8")
	case strings.TrimSpace(name) != name:
		return fault.New(fault.Invalid, "%q: the name begins or ends with white space", whole)
	}
	for _, r := range name {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return fault.New(fault.Invalid, "%q: the name contains the invisible character %U", whole, r)
		}
	}
	if word, scripts := mixedScripts(name); word != "" {
		return fault.New(fault.Invalid, "%q: %q mixes letters of %s, so it passes for another name", whole, word, strings.Join(scripts, " and ")).
			Next("write each word of a name in one script")
	}
	return nil
}

// OfUser names the person with the given e-mail address.
func OfUser(email string) (Name, error) { return Parse(string(User) + ":" + email) }

// OfGroup names a group, with or without its prefix.
func OfGroup(name string) (Name, error) {
	return Parse(string(Group) + ":" + strings.TrimPrefix(name, string(Group)+":"))
}

// OfRobot names a robot, with or without its prefix; its name has no colon.
func OfRobot(name string) (Name, error) {
	name = strings.TrimPrefix(name, string(Robot)+":")
	if strings.Contains(name, ":") {
		return "", fault.New(fault.Invalid, "robot names cannot contain colons (':')")
	}
	return Parse(string(Robot) + ":" + name)
}

// Kind is the kind of n, or "" for Everyone and the zero Name.
func (n Name) Kind() Kind {
	kind, _, found := strings.Cut(string(n), ":")
	if !found {
		return ""
	}
	return Kind(kind)
}

// Local is the part after the colon.
func (n Name) Local() string {
	_, local, _ := strings.Cut(string(n), ":")
	return local
}

// String is the wire form.
func (n Name) String() string { return string(n) }
