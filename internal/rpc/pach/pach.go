package pach

import (
	"context"
	"time"

	pb "pachyderm/api/pach"
	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer"
	"pachyderm/internal/login"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/caller"
	"pachyderm/internal/rpc/wire"
)

// Server is pach_v1.
type Server struct {
	pb.UnimplementedAPIServer
	DB     *db.DB
	Issuer *issuer.Issuer
	Login  *login.Service
	Now    func() time.Time
}

// GetSignIn tells pachctl where and how to sign in.
func (s *Server) GetSignIn(ctx context.Context, _ *pb.GetSignInRequest) (*pb.GetSignInResponse, error) {
	switch elsewhere, err := s.Login.Elsewhere(ctx); {
	case err != nil:
		return nil, err
	case elsewhere != "":
		return &pb.GetSignInResponse{Issuer: elsewhere, Connected: true}, nil
	}
	connected, err := s.Issuer.Connected(ctx)
	if err != nil {
		return nil, err
	}
	at := func(path string) string { return s.Issuer.Outside(ctx, s.Issuer.Endpoint(path)) }
	return &pb.GetSignInResponse{
		Issuer: s.Issuer.URL(), AuthorizationEndpoint: at("/auth"), TokenEndpoint: at("/token"),
		DeviceAuthorizationEndpoint: at("/device/code"), ClientId: issuer.CLIClient, DeviceClientId: issuer.DeviceClient,
		Connected: connected, CallbackUrl: at("/callback"),
	}, nil
}

// change makes and records a change in one transaction.
func (s *Server) change(ctx context.Context, action, object, detail string, f func(*db.Tx) error) error {
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: s.Now(), Actor: caller.Of(ctx).Name, Action: action, Object: object, Detail: detail})
	})
}

// Explain runs the engine that decides, and adds where memberships come from.
// About themselves everybody may ask; of others it shows what they may do.
func (s *Server) Explain(ctx context.Context, req *pb.ExplainRequest) (*pb.ExplainResponse, error) {
	c := caller.Of(ctx)
	who := c.Name
	if req.GetPrincipal() != "" {
		var err error
		if who, err = principal.Parse(req.GetPrincipal()); err != nil {
			return nil, err
		}
	}
	if who != c.Name {
		if err := c.AuthorizeCluster(access.ClusterAuthGetPermissionsForPrincipal); err != nil {
			return nil, err
		}
	}
	r, err := wire.Resource(req.GetResource())
	if err != nil {
		return nil, err
	}
	need, err := wire.Permission(req.GetPermission())
	if err != nil {
		return nil, err
	}
	var facts []identity.Membership
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		facts, err = identity.Memberships(ctx, tx, who)
		return err
	})
	if err != nil {
		return nil, err
	}
	sources := map[principal.Name][]*pb.MembershipSource{}
	var groups []principal.Name
	for _, m := range facts {
		if sources[m.Group] == nil {
			groups = append(groups, m.Group)
		}
		sources[m.Group] = append(sources[m.Group], &pb.MembershipSource{Source: m.Source, Seen: wire.Timestamp(m.Seen)})
	}
	e := c.May.Explain(who, groups, r, need)
	out := &pb.ExplainResponse{Allowed: e.Allowed, Principal: who.String()}
	for _, g := range e.Grants {
		out.Grants = append(out.Grants, grant(g, sources))
	}
	for _, g := range e.Suggestions {
		out.Suggestions = append(out.Suggestions, grant(g, nil))
	}
	return out, nil
}

func grant(g access.Grant, sources map[principal.Name][]*pb.MembershipSource) *pb.Grant {
	return &pb.Grant{Resource: wire.FromResource(g.Resource), Principal: g.Principal.String(), Role: g.Role, Sources: sources[g.Group()]}
}
