package managed

import (
	"context"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// Kind is a kind of object that can be declared. The values are stored: do not
// change them.
type Kind string

// The kinds. Of the last two there is one object each, without an id.
const (
	Connector   Kind = "connector"
	Client      Kind = "client"
	RoleBinding Kind = "role-binding" // of a principal on the cluster
	Settings    Kind = "identity-config"
	AuthConfig  Kind = "auth-config"
)

// upstream is what upstream calls the objects where it refuses to change them.
func (k Kind) upstream() string {
	return map[Kind]string{
		Connector: "Identity Connectors are", Client: "OIDC Clients are", RoleBinding: "Cluster Role Bindings are",
		Settings: "Identity Config is", AuthConfig: "Auth Config is",
	}[k]
}

func (k Kind) object(id string) string {
	switch k {
	case Connector, Client:
		return string(k) + " " + id
	case RoleBinding:
		return "the roles of " + id + " on the cluster"
	case Settings:
		return "the identity configuration"
	}
	return "the auth configuration"
}

// Entry is what declares an object. The zero value is no declaration.
type Entry struct {
	// Origin is where it stands: a file and key, or a variable.
	Origin string
	// Digest changes with what it says.
	Digest string
}

// Object is one that is declared.
type Object struct {
	Kind Kind
	ID   string
	Entry
	// Before are, for a role binding, the roles that were bound by hand.
	Before []string
}

// Check refuses to change an object that is declared, by a method such as
// identity.UpdateIDPConnector: in upstream's words, which clients look for.
// Fault: Precondition.
func Check(ctx context.Context, tx *db.Tx, k Kind, id, method string) error {
	o, found, err := Find(ctx, tx, k, id)
	if err != nil || !found {
		return err
	}
	return fault.New(fault.Precondition, "%s() is disabled when the %s set via environment. %s: pachd's configuration declares it",
		method, k.upstream(), k.object(id)).
		Next("change it in %s", o.Origin)
}

// Guard is for a change of an object: it notes the entry of pachd's configuration
// that declares the object, or, for a change from elsewhere (there is no entry),
// does what Check does. Fault: Precondition.
func Guard(ctx context.Context, tx *db.Tx, by Entry, k Kind, id, method string) error {
	if by == (Entry{}) {
		return Check(ctx, tx, k, id, method)
	}
	return Put(ctx, tx, Object{Kind: k, ID: id, Entry: by})
}
