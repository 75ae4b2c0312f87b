package caller

import (
	"context"

	"pachyderm/internal/access"
	"pachyderm/internal/principal"
	"pachyderm/internal/token"
)

// Caller is who makes a call, and what all may do as the call comes in.
type Caller struct {
	Name   principal.Name
	Groups []principal.Name
	Token  token.Info
	// May is everybody's roles as they were when the call came in.
	May *access.Index
}

type key struct{}

// With gives the context of a call by c.
func With(ctx context.Context, c Caller) context.Context { return context.WithValue(ctx, key{}, c) }

// Of is who makes the call; nobody for methods that need no token.
func Of(ctx context.Context) Caller {
	c, _ := ctx.Value(key{}).(Caller)
	return c
}

// Authorize checks one permission on a resource. Fault: Denied.
func (c Caller) Authorize(r access.Resource, need access.Permission) error {
	if c.May.Decide(c.Name, c.Groups, r, access.SetOf(need)).Allowed {
		return nil
	}
	return access.DeniedError(c.Name, r, []access.Permission{need})
}

// AuthorizeCluster is Authorize on the cluster.
func (c Caller) AuthorizeCluster(need access.Permission) error {
	return c.Authorize(access.Resource{Type: access.Cluster}, need)
}
