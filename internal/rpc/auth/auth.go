package rpc

import (
	"context"
	"time"

	pb "pachyderm/api/auth"
	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/caller"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/secret"
	"pachyderm/internal/token"
)

type authServer struct {
	pb.UnimplementedAPIServer
	*Server
}

func (s *authServer) GetOIDCLogin(ctx context.Context, _ *pb.GetOIDCLoginRequest) (*pb.GetOIDCLoginResponse, error) {
	u, state, err := s.Login.Start(ctx, "pachctl", remoteHost(ctx))
	if err != nil {
		return nil, err
	}
	return &pb.GetOIDCLoginResponse{LoginUrl: u, State: state}, nil
}

func (s *authServer) Authenticate(ctx context.Context, req *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	switch ix, err := s.Access.Index(ctx); {
	case err != nil:
		return nil, err
	case !ix.Active():
		return nil, errNotActivated()
	}
	var session secret.Text
	var err error
	switch {
	case req.GetOidcState() != "":
		session, err = s.Login.Wait(ctx, req.GetOidcState())
	case req.GetIdToken() != "":
		session, err = s.Login.WithIDToken(ctx, req.GetIdToken())
	default:
		err = fault.New(fault.Invalid, "unrecognized authentication mechanism (old pachd?)").
			Next("send oidc_state or id_token")
	}
	if err != nil {
		return nil, err
	}
	return &pb.AuthenticateResponse{PachToken: session.Reveal()}, nil
}

func (s *authServer) WhoAmI(ctx context.Context, _ *pb.WhoAmIRequest) (*pb.WhoAmIResponse, error) {
	c := caller.Of(ctx)
	return &pb.WhoAmIResponse{Username: c.Name.String(), Expiration: wire.Timestamp(c.Token.Expires)}, nil
}

// Authorize answers for a resource that does not exist as for one on which the
// caller may do nothing; they could try names otherwise until they know which
// exist. (Upstream answers "no role binding exists".)
func (s *authServer) Authorize(ctx context.Context, req *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
	r, err := wire.Resource(req.GetResource())
	if err != nil {
		return nil, err
	}
	need, err := wire.PermissionSet(req.GetPermissions())
	if err != nil {
		return nil, err
	}
	c := caller.Of(ctx)
	d := c.May.Decide(c.Name, c.Groups, r, need)
	return &pb.AuthorizeResponse{
		Authorized: d.Allowed, Satisfied: wire.Permissions(d.Satisfied), Missing: wire.Permissions(d.Missing), Principal: c.Name.String(),
	}, nil
}

func (s *authServer) GetPermissions(ctx context.Context, req *pb.GetPermissionsRequest) (*pb.GetPermissionsResponse, error) {
	r, err := wire.Resource(req.GetResource())
	if err != nil {
		return nil, err
	}
	c := caller.Of(ctx)
	return effective(c.May, c.Name, c.Groups, r), nil
}

func (s *authServer) GetPermissionsForPrincipal(ctx context.Context, req *pb.GetPermissionsForPrincipalRequest) (*pb.GetPermissionsResponse, error) {
	r, err := wire.Resource(req.GetResource())
	if err != nil {
		return nil, err
	}
	who, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	groups, err := s.People.Groups(ctx, who)
	if err != nil {
		return nil, err
	}
	return effective(caller.Of(ctx).May, who, groups, r), nil
}

func effective(ix *access.Index, who principal.Name, groups []principal.Name, r access.Resource) *pb.GetPermissionsResponse {
	roles, have := ix.Effective(who, groups, r)
	return &pb.GetPermissionsResponse{Roles: roles, Permissions: wire.Permissions(have)}
}

func (s *authServer) GetRolesForPermission(_ context.Context, req *pb.GetRolesForPermissionRequest) (*pb.GetRolesForPermissionResponse, error) {
	out := &pb.GetRolesForPermissionResponse{}
	for _, r := range access.RolesWith(access.Permission(req.GetPermission())) {
		role := &pb.Role{Name: r.Name}
		for _, p := range r.Permissions {
			role.Permissions = append(role.Permissions, pb.Permission(p))
		}
		for _, t := range r.CanBeBoundTo {
			role.CanBeBoundTo = append(role.CanBeBoundTo, pb.ResourceType(t))
		}
		for _, t := range r.ReturnedFor {
			role.ReturnedFor = append(role.ReturnedFor, pb.ResourceType(t))
		}
		out.Roles = append(out.Roles, role)
	}
	return out, nil
}

// GetRoleBinding shows who may do what on a resource to those who may do
// something on it themselves, and to those who may read all bindings.
func (s *authServer) GetRoleBinding(ctx context.Context, req *pb.GetRoleBindingRequest) (*pb.GetRoleBindingResponse, error) {
	r, err := wire.Resource(req.GetResource())
	if err != nil {
		return nil, err
	}
	c := caller.Of(ctx)
	ix := c.May
	if roles, _ := ix.Effective(c.Name, c.Groups, r); len(roles) == 0 {
		if err := c.AuthorizeCluster(access.ClusterGetBindings); err != nil {
			return nil, err
		}
	}
	out := &pb.RoleBinding{Entries: map[string]*pb.Roles{}}
	for _, b := range ix.Bindings(r) {
		roles := map[string]bool{}
		for _, name := range b.Roles {
			roles[name] = true
		}
		out.Entries[b.Principal.String()] = &pb.Roles{Roles: roles}
	}
	return &pb.GetRoleBindingResponse{Binding: out}, nil
}

func (s *authServer) ModifyRoleBinding(ctx context.Context, req *pb.ModifyRoleBindingRequest) (*pb.ModifyRoleBindingResponse, error) {
	r, err := wire.Resource(req.GetResource())
	if err != nil {
		return nil, err
	}
	who, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	needs := map[access.ResourceType]access.Permission{
		access.Cluster: access.ClusterModifyBindings, access.Project: access.ProjectModifyBindings, access.Repo: access.RepoModifyBindings,
	}
	p, ok := needs[r.Type]
	if !ok {
		return nil, fault.New(fault.Invalid, "unknown resource type %s: roles are bound on CLUSTER, PROJECT or REPO", r.Type)
	}
	c := caller.Of(ctx)
	if err := c.Authorize(r, p); err != nil {
		return nil, err
	}
	if !c.May.Known(r) && c.AuthorizeCluster(access.ClusterModifyBindings) != nil {
		return nil, errNoBinding(r)
	}
	if err := s.Access.Set(ctx, c.Name, r, who, req.GetRoles()); err != nil {
		return nil, err
	}
	return &pb.ModifyRoleBindingResponse{}, nil
}

func errNoBinding(r access.Resource) error {
	return fault.New(fault.NotFound, "no role binding exists for %s %s: it does not exist, or nobody has a role on it", r.Type, r.Name)
}

// RevokeAuthToken ends a token: the caller's own, or with the right to revoke
// those of users any other but that of root, which keeps pachd administrable.
func (s *authServer) RevokeAuthToken(ctx context.Context, req *pb.RevokeAuthTokenRequest) (*pb.RevokeAuthTokenResponse, error) {
	c := caller.Of(ctx)
	hash := token.Hash(secret.Text(req.GetToken()))
	if hash != c.Token.Hash {
		if err := c.AuthorizeCluster(access.ClusterAuthRevokeUserTokens); err != nil {
			return nil, err
		}
	}
	var n int64
	err := s.DB.Update(ctx, func(tx *db.Tx) error {
		n = 0
		switch known, err := token.Verify(ctx, tx, secret.Text(req.GetToken()), s.Now()); {
		case err != nil && !fault.Is(err, fault.Unauthenticated):
			return err
		case err == nil && known.Subject.Kind() == principal.Pach:
			return fault.New(fault.Precondition, "cannot revoke tokens for pach: users: nobody might be left to administer pachd").
				Next("rotate the root token instead")
		}
		found, err := token.Revoke(ctx, tx, hash)
		if err != nil || !found {
			return err
		}
		n = 1
		return audit.Record(ctx, tx, audit.Event{At: s.Now(), Actor: c.Name, Action: "token.revoke", Object: "token/" + hash[:8]})
	})
	if err != nil {
		return nil, err
	}
	return &pb.RevokeAuthTokenResponse{Number: n}, nil
}

func (s *authServer) RevokeAuthTokensForUser(ctx context.Context, req *pb.RevokeAuthTokensForUserRequest) (*pb.RevokeAuthTokensForUserResponse, error) {
	who, err := principal.Parse(req.GetUsername())
	if err != nil {
		return nil, err
	}
	if who.Kind() == principal.Pach {
		return nil, fault.New(fault.Precondition, "cannot revoke tokens for pach: users")
	}
	var n int64
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		if n, err = token.RevokeAllOf(ctx, tx, who); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: s.Now(), Actor: caller.Of(ctx).Name, Action: "token.revoke-all", Object: who.String()})
	})
	if err != nil {
		return nil, err
	}
	return &pb.RevokeAuthTokensForUserResponse{Number: n}, nil
}

// maxTTL is a hundred years in seconds. Much more would wrap round, to a token
// that never expires.
const maxTTL = 100 * 365 * 24 * 3600

func (s *authServer) GetRobotToken(ctx context.Context, req *pb.GetRobotTokenRequest) (*pb.GetRobotTokenResponse, error) {
	who, err := principal.OfRobot(req.GetRobot())
	if err != nil {
		return nil, err
	}
	ttl := time.Duration(req.GetTtl()) * time.Second
	if req.GetTtl() < 0 || req.GetTtl() > maxTTL {
		return nil, fault.New(fault.Invalid, "ttl is %d seconds", req.GetTtl()).
			Next("give 1 to %d, or 0 for a token that never expires", maxTTL).At("ttl")
	}
	var raw secret.Text
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		raw, err = token.Issue(ctx, tx, who, "", s.Now(), ttl)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: s.Now(), Actor: caller.Of(ctx).Name, Action: "token.robot", Object: who.String()})
	})
	if err != nil {
		return nil, err
	}
	return &pb.GetRobotTokenResponse{Token: raw.Reveal()}, nil
}
