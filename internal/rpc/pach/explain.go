package pach

import (
	"context"

	authpb "pachyderm/api/auth"
	pb "pachyderm/api/pach"
	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/identity"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/session"
)

// Explain runs the engine that decides, and adds where memberships come from.
// About themselves everybody may ask; of others it shows what they may do.
func (s *server) Explain(ctx context.Context, req *pb.ExplainRequest) (*pb.ExplainResponse, error) {
	c := session.FromContext(ctx)
	q, err := questionFromProto(c.Name, req)
	if err != nil {
		return nil, err
	}
	if err := c.AuthorizeAbout(q.who, access.ClusterAuthGetPermissionsForPrincipal); err != nil {
		return nil, err
	}
	var facts []identity.Membership
	err = s.db.View(ctx, func(tx *db.Tx) error {
		facts, err = identity.Memberships(ctx, tx, q.who)
		return err
	})
	return q.answer(c.Roles, facts), err
}

// question is whether somebody may do something, and why.
type question struct {
	who      principal.Name
	resource access.Resource
	need     access.Permission
}

func questionFromProto(caller principal.Name, req *pb.ExplainRequest) (q question, err error) {
	if q.who, err = parseOr(caller, req.GetPrincipal()); err != nil {
		return q, err
	}
	if q.resource, err = wire.Resource(req.GetResource()); err != nil {
		return q, err
	}
	q.need, err = wire.Permission(req.GetPermission())
	return q, err
}

func parseOr(absent principal.Name, text string) (principal.Name, error) {
	if text == "" {
		return absent, nil
	}
	return principal.Parse(text)
}

func (q question) answer(roles *access.Index, facts []identity.Membership) *pb.ExplainResponse {
	sources := map[principal.Name][]*pb.MembershipSource{}
	var groups []principal.Name
	for _, m := range facts {
		if sources[m.Group] == nil {
			groups = append(groups, m.Group)
		}
		sources[m.Group] = append(sources[m.Group], &pb.MembershipSource{Source: m.Source, Seen: wire.Timestamp(m.Seen)})
	}
	e := roles.Explain(q.who, groups, q.resource, q.need)
	out := &pb.ExplainResponse{Allowed: e.Allowed, Principal: q.who.String()}
	for _, g := range e.Grants {
		out.Grants = append(out.Grants, grantToProto(g, sources))
	}
	for _, g := range e.Suggestions {
		out.Suggestions = append(out.Suggestions, grantToProto(g, nil))
	}
	return out
}

func grantToProto(g access.Grant, sources map[principal.Name][]*pb.MembershipSource) *pb.Grant {
	on := &authpb.Resource{Type: authpb.ResourceType(g.Resource.Type), Name: g.Resource.Name}
	return &pb.Grant{Resource: on, Principal: g.Principal.String(), Role: g.Role, Sources: sources[g.Group()]}
}
