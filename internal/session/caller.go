package session

import (
	"context"

	"pachyderm/internal/access"
	"pachyderm/internal/principal"
	"pachyderm/internal/token"
)

// Caller is who makes a call.
type Caller struct {
	Name   principal.Name
	Groups []principal.Name
	Token  token.Info
	// Roles are everybody's, as they were when the call came in.
	Roles *access.Index
}

type callerKey struct{}

// NewContext gives the context of a call by c.
func NewContext(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// FromContext is who makes the call; nobody for methods that need no token.
func FromContext(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Authorize checks one permission on a resource. Fault: Denied.
func (c Caller) Authorize(r access.Resource, need access.Permission) error {
	if c.Roles.Decide(c.Name, c.Groups, r, access.SetOf(need)).Allowed {
		return nil
	}
	return access.DeniedError(c.Name, r, []access.Permission{need})
}

// AuthorizeCluster is Authorize on the cluster.
func (c Caller) AuthorizeCluster(need access.Permission) error {
	return c.Authorize(access.Resource{Type: access.Cluster}, need)
}

// AuthorizeAbout lets everybody ask about themselves, and about others those
// with a permission on the cluster. Fault: Denied.
func (c Caller) AuthorizeAbout(who principal.Name, need access.Permission) error {
	if who == c.Name {
		return nil
	}
	return c.AuthorizeCluster(need)
}

// AuthorizeSeeBindings lets those see who may do what on a resource who may do
// something on it themselves, and those who may see all bindings. Faults: Denied;
// to either, what ErrNoBinding says of a resource that does not exist.
func (c Caller) AuthorizeSeeBindings(r access.Resource) error {
	if roles, _ := c.Roles.Effective(c.Name, c.Groups, r); len(roles) == 0 {
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
	need, err := access.BindPermission(r.Type)
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
