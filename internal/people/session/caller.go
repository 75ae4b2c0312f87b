package session

import (
	"context"

	"pachyderm/internal/access"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
)

// Caller is who makes a call.
type Caller struct {
	Name   principal.Name
	Groups []principal.Name
	Token  token.Info
	// Unapproved is the connector that says who this is while nobody has approved
	// it. Its word gives what everybody has, and nothing more.
	Unapproved string
	// Roles are everybody's, as they were when the call came in.
	Roles *access.Index

	// unguarded says that authentication is off: nobody is anybody, and may do everything.
	unguarded bool

	stale access.Stale // nil if no fact about a group is too old for anything
	reads bool         // the groups can be read again without the caller
}

// Stale is whether the fact that the caller is in a group is too old for what is bound
// to the group on a resource.
func (c Caller) Stale(at access.Resource, group principal.Name) bool {
	return c.stale != nil && c.stale(at, group)
}

// own are the roles as they count for the caller.
func (c Caller) own() *access.Index {
	if c.stale == nil {
		return c.Roles
	}
	return c.Roles.For(c.stale)
}

type callerKey struct{}

// NewContext gives the context of a call by c.
func NewContext(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// Unguarded gives the context of a call while authentication is off.
func Unguarded(ctx context.Context) context.Context { return NewContext(ctx, Caller{unguarded: true}) }

// Guarded reports whether authentication is active for this call.
func (c Caller) Guarded() bool { return !c.unguarded }

// FromContext is who makes the call; nobody for methods that need no token.
func FromContext(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Is reports whether the caller is somebody, for whatever that gives.
func (c Caller) Is(who principal.Name) bool { return c.Unapproved == "" && c.Name == who }

// subject is whose bindings count for the caller, beside those of Groups.
func (c Caller) subject() principal.Name {
	if c.Unapproved != "" {
		return principal.Everyone
	}
	return c.Name
}

// Decide says which of the permissions the caller has on a resource.
func (c Caller) Decide(r access.Resource, need access.PermissionSet) access.Decision {
	if c.unguarded {
		return access.Decision{Allowed: true, Satisfied: need}
	}
	return c.own().Decide(c.subject(), c.Groups, r, need)
}

// Effective lists the caller's roles on a resource, and what they permit; none while
// authentication is off.
func (c Caller) Effective(r access.Resource) ([]string, access.PermissionSet) {
	if c.unguarded {
		return nil, access.PermissionSet{}
	}
	return c.own().Effective(c.subject(), c.Groups, r)
}

// Authorize checks one permission on a resource. Fault: Denied.
func (c Caller) Authorize(r access.Resource, need access.Permission) error {
	if c.Decide(r, access.SetOf(need)).Allowed {
		return nil
	}
	denied := access.DeniedError(c.Name, r, []access.Permission{need})
	if c.Unapproved != "" {
		denied = denied.Next("nobody has approved the connector %s, which you signed in through, and until then your own roles do not count: "+
			"ask an administrator to run: pachctl idp approve-connector %s", c.Unapproved, c.Unapproved)
	}
	if c.stale != nil && c.Unapproved == "" && c.Roles.Decide(c.subject(), c.Groups, r, access.SetOf(need)).Allowed {
		denied = denied.Next("you have a role for it by a group, and it is too long since your identity provider last said that you are in it: " +
			"sign in again with: pachctl auth login")
	}
	return denied
}

// AuthorizeCluster is Authorize on the cluster.
func (c Caller) AuthorizeCluster(need access.Permission) error {
	return c.Authorize(access.Resource{Type: access.Cluster}, need)
}

// AuthorizeAbout lets everybody ask about themselves, and about others those
// with a permission on the cluster. Fault: Denied.
func (c Caller) AuthorizeAbout(who principal.Name, need access.Permission) error {
	if c.Is(who) {
		return nil
	}
	return c.AuthorizeCluster(need)
}

// AuthorizeRevoke lets everybody end what is their own, and of others those who
// may revoke tokens. Fault: Denied.
func (c Caller) AuthorizeRevoke(who principal.Name) error {
	return c.AuthorizeAbout(who, access.ClusterAuthRevokeUserTokens)
}

// AuthorizeSeeBindings lets those see who may do what on a resource who may do
// something on it themselves, and those who may see all bindings. Faults: Denied;
// to either, what ErrNoBinding says of a resource that does not exist.
func (c Caller) AuthorizeSeeBindings(r access.Resource) error {
	if roles, _ := c.Effective(r); len(roles) == 0 {
		if err := c.AuthorizeCluster(access.ClusterGetBindings); err != nil {
			return err
		}
	}
	if !c.Roles.Known(r) {
		return access.ErrNoBinding(r)
	}
	return nil
}

// AuthorizeBind lets those change bindings who may on the resource; on a name
// that nobody has a role on, only who may everywhere. Faults: Denied, Invalid,
// NotFound.
func (c Caller) AuthorizeBind(r access.Resource) error {
	need, err := bindPermission(r.Type)
	if err != nil {
		return err
	}
	if err := c.Authorize(r, need); err != nil {
		return err
	}
	if !c.Roles.Known(r) && c.AuthorizeCluster(access.ClusterModifyBindings) != nil {
		return access.ErrNoBinding(r)
	}
	return nil
}

// bindPermission is what somebody needs to change who has which role on a
// resource of a type. Fault: Invalid for one on which there are none.
func bindPermission(t access.ResourceType) (access.Permission, error) {
	switch t {
	case access.Cluster:
		return access.ClusterModifyBindings, nil
	case access.Project:
		return access.ProjectModifyBindings, nil
	case access.Repo:
		return access.RepoModifyBindings, nil
	}
	return 0, fault.New(fault.Invalid, "unknown resource type %s: roles are bound on CLUSTER, PROJECT or REPO", t)
}
