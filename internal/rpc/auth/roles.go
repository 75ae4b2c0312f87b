package auth

import (
	"context"

	pb "pachyderm/api/auth"
	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
)

// Authorize answers for a resource that does not exist as for one on which the
// caller may do nothing; they could try names otherwise until they know which
// exist. (Upstream answers "no role binding exists".)
func (s *server) Authorize(ctx context.Context, req *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
	need, err := each(req.GetPermissions(), wire.Permission)
	if err != nil {
		return nil, err
	}
	c := session.FromContext(ctx)
	d, err := decide(c, req.GetResource(), access.SetOf(need...))
	if err != nil {
		return nil, err
	}
	return &pb.AuthorizeResponse{
		Authorized: d.Allowed, Principal: c.Name.String(),
		Satisfied: enums[pb.Permission](d.Satisfied.List()), Missing: enums[pb.Permission](d.Missing.List()),
	}, nil
}

// decide refuses a name that its type of resource cannot have, such as that of a
// repo without its project, only if the cluster, which lies above, does not give
// all that is needed. So does upstream; no such name stands for another. Faults:
// Invalid; NotFound for a job, on which nobody ever has a role.
func decide(c session.Caller, on *pb.Resource, need access.PermissionSet) (access.Decision, error) {
	r, err := wire.Resource(on)
	if err != nil {
		above := c.Decide(access.Resource{Type: access.Cluster}, need)
		if on == nil || !above.Allowed {
			return access.Decision{}, err
		}
		return above, nil
	}
	d := c.Decide(r, need)
	if r.Type == access.Job && !d.Allowed {
		return d, access.ErrNoBinding(r)
	}
	return d, nil
}

// GetPermissions shows the caller's own.
func (s *server) GetPermissions(ctx context.Context, req *pb.GetPermissionsRequest) (*pb.GetPermissionsResponse, error) {
	r, err := wire.Resource(req.GetResource())
	if err != nil {
		return nil, err
	}
	return effective(session.FromContext(ctx).Effective(r)), nil
}

// GetPermissionsForPrincipal shows somebody else's.
func (s *server) GetPermissionsForPrincipal(ctx context.Context, req *pb.GetPermissionsForPrincipalRequest,
) (*pb.GetPermissionsResponse, error) {
	r, err := wire.Resource(req.GetResource())
	if err != nil {
		return nil, err
	}
	who, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	var groups []principal.Name
	err = s.db.View(ctx, func(tx *db.Tx) error {
		groups, err = identity.Groups(ctx, tx, who)
		return err
	})
	return effective(session.FromContext(ctx).Roles.Effective(who, groups, r)), err
}

func effective(roles []string, have access.PermissionSet) *pb.GetPermissionsResponse {
	return &pb.GetPermissionsResponse{Roles: roles, Permissions: enums[pb.Permission](have.List())}
}

// GetRolesForPermission is the same for everybody.
func (s *server) GetRolesForPermission(_ context.Context, req *pb.GetRolesForPermissionRequest) (*pb.GetRolesForPermissionResponse, error) {
	out := &pb.GetRolesForPermissionResponse{}
	for _, r := range access.RolesWith(access.Permission(req.GetPermission())) {
		out.Roles = append(out.Roles, &pb.Role{
			Name: r.Name, Permissions: enums[pb.Permission](r.Permissions),
			CanBeBoundTo: enums[pb.ResourceType](r.CanBeBoundTo), ReturnedFor: enums[pb.ResourceType](r.ReturnedFor),
		})
	}
	return out, nil
}

// enums are our numbers as the wire's, which are the same.
func enums[W, O ~int32](list []O) (out []W) {
	for _, v := range list {
		out = append(out, W(v))
	}
	return out
}

// GetRoleBinding shows who may do what on a resource.
func (s *server) GetRoleBinding(ctx context.Context, req *pb.GetRoleBindingRequest) (*pb.GetRoleBindingResponse, error) {
	r, err := wire.Resource(req.GetResource())
	if err != nil {
		return nil, err
	}
	c := session.FromContext(ctx)
	if err := c.AuthorizeSeeBindings(r); err != nil {
		return nil, err
	}
	out := &pb.RoleBinding{Entries: map[string]*pb.Roles{}}
	for _, b := range c.Roles.Bindings(r) {
		out.Entries[b.Principal.String()] = rolesToProto(b.Roles)
	}
	return &pb.GetRoleBindingResponse{Binding: out}, nil
}

// rolesToProto are role names as a binding has them.
func rolesToProto(names []string) *pb.Roles {
	roles := make(map[string]bool, len(names))
	for _, name := range names {
		roles[name] = true
	}
	return &pb.Roles{Roles: roles}
}

// ModifyRoleBinding gives a principal exactly these roles.
func (s *server) ModifyRoleBinding(ctx context.Context, req *pb.ModifyRoleBindingRequest) (*pb.ModifyRoleBindingResponse, error) {
	r, err := wire.Resource(req.GetResource())
	if err != nil {
		return nil, err
	}
	who, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	return &pb.ModifyRoleBindingResponse{}, s.sessions.Bind(ctx, session.FromContext(ctx), r, who, req.GetRoles())
}
