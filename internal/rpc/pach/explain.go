package pach

import (
	"context"
	"slices"
	"time"

	authpb "pachyderm/api/auth"
	pb "pachyderm/api/pach"
	"pachyderm/internal/access"
	"pachyderm/internal/access/freshness"
	"pachyderm/internal/db"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/past"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
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
	if req.GetAt() != nil {
		return s.explainPast(ctx, q, req.GetAt().AsTime())
	}
	return s.explainNow(ctx, c.Roles, q)
}

func (s *server) explainNow(ctx context.Context, roles *access.Index, q question) (*pb.ExplainResponse, error) {
	known, err := s.knowledgeOf(ctx, q.who)
	if err != nil {
		return nil, err
	}
	return q.answer(roles, known), nil
}

// explainPast answers for a moment that is over. A name may have been another person's:
// whoever asks about themselves hears of nobody else.
func (s *server) explainPast(ctx context.Context, q question, at time.Time) (*pb.ExplainResponse, error) {
	c := session.FromContext(ctx)
	was, err := past.At(ctx, s.db, c.Roles, past.Question{Who: q.who, Resource: q.resource, At: at}, s.now())
	if err != nil {
		return nil, err
	}
	if err := c.AuthorizeAbout(was.Now, access.ClusterAuthGetPermissionsForPrincipal); err != nil {
		return nil, err
	}
	q.who = was.Then
	out := q.answer(was.Roles, knowledge{facts: was.Groups})
	out.RecordedSince, out.Suggestions = wire.Timestamp(was.Since), nil
	if !out.GetAllowed() {
		out.Unknown = was.Unknown
	}
	return out, nil
}

func (s *server) knowledgeOf(ctx context.Context, who principal.Name) (known knowledge, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		known.facts, err = identity.Memberships(ctx, tx, who)
		return err
	})
	if err != nil {
		return known, err
	}
	if known.stale, err = s.fresh.Stale(ctx, who, known.groups()); err != nil {
		return known, err
	}
	known.rules, err = s.fresh.All(ctx)
	return known, err
}

// knowledge is what is known of the groups of somebody.
type knowledge struct {
	facts []identity.Membership
	rules []freshness.Rule
	stale access.Stale
}

func (k knowledge) groups() (all []principal.Name) {
	for _, m := range k.facts {
		if !slices.Contains(all, m.Group) {
			all = append(all, m.Group)
		}
	}
	return all
}

func (k knowledge) sources(group principal.Name) (all []*pb.MembershipSource) {
	for _, m := range k.facts {
		if m.Group == group {
			all = append(all, &pb.MembershipSource{Source: m.Source, Seen: wire.Timestamp(m.Seen), Unasked: m.Unasked})
		}
	}
	return all
}

func (k knowledge) maxAge(g access.Grant) *pb.MaxAge {
	for _, r := range k.rules {
		if r.Resource == g.Resource && r.Group == g.Group() {
			return ruleToProto(r)
		}
	}
	return nil
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

func (q question) answer(roles *access.Index, known knowledge) *pb.ExplainResponse {
	e := roles.For(known.stale).Explain(q.who, known.groups(), q.resource, q.need)
	out := &pb.ExplainResponse{Allowed: e.Allowed, Principal: q.who.String()}
	for _, g := range e.Grants {
		out.Grants = append(out.Grants, grantToProto(g, known))
	}
	for _, g := range e.Suggestions {
		out.Suggestions = append(out.Suggestions, grantToProto(g, knowledge{}))
	}
	if known.stale == nil {
		return out
	}
	for _, g := range roles.Explain(q.who, known.groups(), q.resource, q.need).Grants {
		if !slices.Contains(e.Grants, g) {
			out.TooOld = append(out.TooOld, grantToProto(g, known))
		}
	}
	return out
}

func grantToProto(g access.Grant, known knowledge) *pb.Grant {
	on := &authpb.Resource{Type: authpb.ResourceType(g.Resource.Type), Name: g.Resource.Name}
	return &pb.Grant{Resource: on, Principal: g.Principal.String(), Role: g.Role, Sources: known.sources(g.Group()), MaxAge: known.maxAge(g)}
}
