package pach

import (
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/durationpb"

	authpb "pachyderm/api/auth"
	pb "pachyderm/api/pach"
	"pachyderm/internal/access"
	"pachyderm/internal/access/freshness"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
)

// SetMaxAge says how old the fact may be that somebody is in a group, for what is bound
// to the group on a resource. It asks what binding asks.
func (s *server) SetMaxAge(ctx context.Context, req *pb.SetMaxAgeRequest) (*pb.SetMaxAgeResponse, error) {
	c := session.FromContext(ctx)
	rule, err := ruleFromProto(req)
	if err != nil {
		return nil, err
	}
	if err := c.AuthorizeBind(rule.Resource); err != nil {
		return nil, err
	}
	if rule.MaxAge != 0 && !boundTo(c.Roles, rule) {
		return nil, fault.New(fault.NotFound, "%s has no role on %s", rule.Group, rule.Resource).
			Next("give it one first, with: pachctl auth set")
	}
	return &pb.SetMaxAgeResponse{}, s.fresh.Set(ctx, s.sessions.By(c.Name), rule)
}

func boundTo(roles *access.Index, r freshness.Rule) bool {
	return slices.ContainsFunc(roles.Bindings(r.Resource), func(b access.Binding) bool { return b.Principal == r.Group })
}

func ruleFromProto(req *pb.SetMaxAgeRequest) (r freshness.Rule, err error) {
	if r.Resource, err = wire.Resource(req.GetResource()); err != nil {
		return r, err
	}
	if r.Group, err = principal.Parse(req.GetPrincipal()); err != nil {
		return r, err
	}
	r.MaxAge, r.Grace = req.GetMaxAge().AsDuration(), req.GetGrace().AsDuration()
	return r, r.Check()
}

// ListMaxAges lists what SetMaxAge has set.
func (s *server) ListMaxAges(ctx context.Context, _ *pb.ListMaxAgesRequest) (*pb.ListMaxAgesResponse, error) {
	all, err := s.fresh.All(ctx)
	out := &pb.ListMaxAgesResponse{}
	for _, r := range all {
		out.Rules = append(out.Rules, ruleToProto(r))
	}
	return out, err
}

func ruleToProto(r freshness.Rule) *pb.MaxAge {
	return &pb.MaxAge{
		Resource:  &authpb.Resource{Type: authpb.ResourceType(r.Resource.Type), Name: r.Resource.Name},
		Principal: r.Group.String(), MaxAge: durationpb.New(r.MaxAge), Grace: durationpb.New(r.Grace),
	}
}
