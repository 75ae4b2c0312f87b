package pfs

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"

	"pachyderm/api"
	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/secret"
)

// sees reports whether the caller may know that there is a repository.
func sees(c session.Caller, r graph.Repo) bool {
	if !c.Guarded() {
		return true
	}
	if c.Decide(access.Resource{Type: access.Project, Name: r.Project}, access.SetOf(access.ProjectListRepo)).Allowed {
		return true
	}
	_, has := c.Effective(r.Resource())
	return has != access.PermissionSet{}
}

// allow asks for permissions on a repository. Faults: Denied, and NotFound for one
// that the caller may not see.
func allow(ctx context.Context, r graph.Repo, need ...access.Permission) error {
	c := session.FromContext(ctx)
	if !c.Guarded() {
		return nil
	}
	if err := r.Check(); err != nil {
		return err
	}
	if all, ok := ctx.Value(madeKey{}).(made); ok && all[r] {
		return nil // its maker owns it
	}
	for _, p := range need {
		if err := c.Authorize(r.Resource(), p); err != nil {
			if !sees(c, r) {
				return graph.ErrNoRepo(r)
			}
			return err
		}
	}
	if len(need) == 0 && !sees(c, r) {
		return graph.ErrNoRepo(r)
	}
	return nil
}

// allowProject asks for a permission on a project, which those only see who have a
// role there.
func allowProject(ctx context.Context, name string, need access.Permission) error {
	c := session.FromContext(ctx)
	if !c.Guarded() {
		return nil
	}
	return c.Authorize(access.Resource{Type: access.Project, Name: name}, need)
}

// seesProject reports whether the caller may know that there is a project.
func seesProject(c session.Caller, name string) bool {
	if !c.Guarded() {
		return true
	}
	roles, _ := c.Effective(access.Resource{Type: access.Project, Name: name})
	return len(roles) > 0
}

// by is who makes a change: nobody while authentication is off.
func (s *Server) by(ctx context.Context) audit.By {
	return audit.By{Actor: session.FromContext(ctx).Name, At: s.now().Truncate(time.Microsecond)}
}

func required(what string) error {
	return fault.New(fault.Invalid, "validate request: %s is required", what)
}

// still asks again for a permission in the middle of a call, by what roles and
// token are now: a stream may last for hours.
func (s *Server) still(ctx context.Context, r graph.Repo, need access.Permission) error {
	if !session.FromContext(ctx).Guarded() {
		return nil
	}
	now, err := s.caller(ctx)
	if err != nil {
		return err
	}
	return allow(session.NewContext(ctx, now), r, need)
}

// caller is who makes the call, as far as they are known now.
func (s *Server) caller(ctx context.Context) (session.Caller, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	roles, err := s.sessions.Roles(ctx)
	if err != nil {
		return session.Caller{}, err
	}
	return s.sessions.Verify(ctx, roles, secret.Text(strings.Join(md.Get(api.TokenKey), "")))
}
