package pach

import (
	"cmp"
	"context"
	"slices"

	authpb "pachyderm/api/auth"
	pb "pachyderm/api/pach"
	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
)

// GetSession shows callers who they are, and how that is known.
func (s *server) GetSession(ctx context.Context, _ *pb.GetSessionRequest) (*pb.GetSessionResponse, error) {
	c := session.FromContext(ctx)
	out := &pb.GetSessionResponse{Unapproved: c.Unapproved != "", Proved: wire.Timestamp(c.Token.Proved)}
	return out, s.db.View(ctx, func(tx *db.Tx) error {
		by, err := identity.Gate(ctx, tx, c.Name, c.Token.IdentityID)
		if err != nil {
			return err
		}
		out.Session = tokenToProto(session.Held{Info: c.Token, ConnectorID: by.ConnectorID})
		facts, err := identity.Memberships(ctx, tx, c.Name)
		out.Groups = membershipsToProto(c.Name, facts)
		return err
	})
}

// membershipsToProto puts the facts of a principal, which come by group, together.
func membershipsToProto(who principal.Name, facts []identity.Membership) (all []*pb.Membership) {
	for _, m := range facts {
		if len(all) == 0 || all[len(all)-1].GetGroup() != m.Group.String() {
			all = append(all, &pb.Membership{Principal: who.String(), Group: m.Group.String()})
		}
		last := all[len(all)-1]
		last.Sources = append(last.Sources, &pb.MembershipSource{Source: m.Source, Seen: wire.Timestamp(m.Seen)})
	}
	return all
}

// BeginRootSession gives a session that ends for a root token that does not.
func (s *server) BeginRootSession(ctx context.Context, _ *pb.BeginRootSessionRequest) (*pb.BeginRootSessionResponse, error) {
	raw, expires, err := s.sessions.BeginRoot(ctx, session.FromContext(ctx))
	return &pb.BeginRootSessionResponse{Token: raw.Reveal(), Expires: wire.Timestamp(expires)}, err
}

// ListMembers shows who is in a group, and who says so.
func (s *server) ListMembers(ctx context.Context, req *pb.ListMembersRequest) (*pb.ListMembersResponse, error) {
	group, err := principal.OfGroup(req.GetGroup())
	if err != nil {
		return nil, err
	}
	out := &pb.ListMembersResponse{}
	return out, s.db.View(ctx, func(tx *db.Tx) error {
		all, next, err := identity.MembersOf(ctx, tx, group, page(req))
		for _, m := range all {
			out.Members = append(out.Members, membershipsToProto(m.Name, m.Facts)...)
		}
		out.NextPageToken = next
		return err
	})
}

// ListRoleBindings shows who has which role where.
func (s *server) ListRoleBindings(ctx context.Context, req *pb.ListRoleBindingsRequest) (*pb.ListRoleBindingsResponse, error) {
	who, err := parseOr("", req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	out := &pb.ListRoleBindingsResponse{}
	return out, s.db.View(ctx, func(tx *db.Tx) error {
		all, next, err := access.BoundPage(ctx, tx, who, page(req))
		out.Bindings, out.NextPageToken = bindingsToProto(all), next
		return err
	})
}

// bindingsToProto puts the roles of a principal on a resource together, in order.
func bindingsToProto(all []access.Binding) (out []*pb.RoleBinding) {
	slices.SortFunc(all, func(a, b access.Binding) int {
		return cmp.Or(
			cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Resource.Type, b.Resource.Type), cmp.Compare(a.Resource.Name, b.Resource.Name),
			slices.Compare(a.Roles, b.Roles))
	})
	for n, b := range all {
		if n == 0 || b.Principal != all[n-1].Principal || b.Resource != all[n-1].Resource {
			on := &authpb.Resource{Type: authpb.ResourceType(b.Resource.Type), Name: b.Resource.Name}
			out = append(out, &pb.RoleBinding{Principal: b.Principal.String(), Resource: on})
		}
		last := out[len(out)-1]
		last.Roles = append(last.Roles, b.Roles...)
	}
	return out
}

// ListAuditEvents shows what happened.
func (s *server) ListAuditEvents(ctx context.Context, req *pb.ListAuditEventsRequest) (*pb.ListAuditEventsResponse, error) {
	out := &pb.ListAuditEventsResponse{}
	f := audit.Filter{Actor: req.GetActor(), Object: req.GetObject(), Action: req.GetAction()}
	return out, s.db.View(ctx, func(tx *db.Tx) error {
		all, next, err := audit.List(ctx, tx, f, page(req))
		for _, e := range all {
			out.Events = append(out.Events, &pb.AuditEvent{
				At: wire.Timestamp(e.At), Actor: e.Actor, Action: e.Action, Object: e.Object, Detail: e.Detail, Request: e.Request,
			})
		}
		out.NextPageToken = next
		return err
	})
}
