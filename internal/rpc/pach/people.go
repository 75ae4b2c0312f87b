package pach

import (
	"context"

	pb "pachyderm/api/pach"
	"pachyderm/internal/db"
	"pachyderm/internal/identity"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/session"
	"pachyderm/internal/token"
)

// ListUsers shows everybody who has signed in, or tried to.
func (s *Server) ListUsers(ctx context.Context, req *pb.ListUsersRequest) (*pb.ListUsersResponse, error) {
	out, p := &pb.ListUsersResponse{}, wire.Page(req)
	return out, s.DB.View(ctx, func(tx *db.Tx) error {
		people, next, err := identity.People(ctx, tx, p)
		if err != nil || len(people) == 0 {
			return err
		}
		live, err := token.CountLive(ctx, tx, p.After, people[len(people)-1].Name.String(), s.Now())
		for _, person := range people {
			out.Users = append(out.Users, userToProto(person, live[person.Name]))
		}
		out.NextPageToken = next
		return err
	})
}

func userToProto(p identity.Person, live int64) *pb.User {
	u := &pb.User{Name: p.Name.String(), Enabled: p.Enabled, LastLogin: wire.Timestamp(p.LastLogin), Groups: wire.Texts(p.Groups), LiveTokens: live}
	for _, a := range p.Accounts {
		u.Identities = append(u.Identities, accountToProto(a))
	}
	return u
}

func accountToProto(a identity.Account) *pb.Identity {
	state := pb.Identity_LINKED
	switch {
	case a.Ended:
		state = pb.Identity_ENDED
	case a.Waiting:
		state = pb.Identity_WAITING
	}
	return &pb.Identity{
		Id: a.ID, Connector: a.ConnectorID, Issuer: a.Issuer, Subject: a.Subject, Email: a.Email, State: state, LastLogin: wire.Timestamp(a.LastLogin),
	}
}

// SetUserEnabled lets somebody in or keeps them out, from their next call on.
func (s *Server) SetUserEnabled(ctx context.Context, req *pb.SetUserEnabledRequest) (*pb.SetUserEnabledResponse, error) {
	who, err := principal.Parse(req.GetUser())
	if err != nil {
		return nil, err
	}
	by := s.Sessions.By(session.FromContext(ctx).Name)
	return &pb.SetUserEnabledResponse{}, s.DB.Update(ctx, func(tx *db.Tx) error { return identity.SetEnabled(ctx, tx, by, who, req.GetEnabled()) })
}

// LinkIdentity lets an identity that was refused act as the user.
func (s *Server) LinkIdentity(ctx context.Context, req *pb.LinkIdentityRequest) (*pb.LinkIdentityResponse, error) {
	who, err := principal.Parse(req.GetUser())
	if err != nil {
		return nil, err
	}
	by := s.Sessions.By(session.FromContext(ctx).Name)
	return &pb.LinkIdentityResponse{}, s.DB.Update(ctx, func(tx *db.Tx) error { return identity.Link(ctx, tx, by, req.GetIdentityId(), who) })
}

// UnlinkIdentity takes an identity away from a user; what it signed in to ends.
func (s *Server) UnlinkIdentity(ctx context.Context, req *pb.UnlinkIdentityRequest) (*pb.UnlinkIdentityResponse, error) {
	who, err := principal.Parse(req.GetUser())
	if err != nil {
		return nil, err
	}
	return &pb.UnlinkIdentityResponse{}, s.Sessions.Unlink(ctx, session.FromContext(ctx).Name, req.GetIdentityId(), who)
}

// RevokeAll ends all that a principal holds.
func (s *Server) RevokeAll(ctx context.Context, req *pb.RevokeAllRequest) (*pb.RevokeAllResponse, error) {
	who, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	tokens, refresh, err := s.Sessions.RevokeAll(ctx, session.FromContext(ctx).Name, who)
	return &pb.RevokeAllResponse{Tokens: tokens, RefreshTokens: refresh}, err
}

// AllowRobot lets somebody make tokens of a robot.
func (s *Server) AllowRobot(ctx context.Context, req *pb.AllowRobotRequest) (*pb.AllowRobotResponse, error) {
	drawer, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	return &pb.AllowRobotResponse{}, s.Sessions.Allow(ctx, session.FromContext(ctx), req.GetRobot(), drawer, req.GetRemove())
}

// ListTokens shows tokens that work, never their values.
func (s *Server) ListTokens(ctx context.Context, req *pb.ListTokensRequest) (*pb.ListTokensResponse, error) {
	who, err := parseOr("", req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	held, next, err := s.Sessions.Held(ctx, session.FromContext(ctx), who, wire.Page(req))
	out := &pb.ListTokensResponse{NextPageToken: next}
	for _, t := range held {
		if t.IdentityID != "" || !req.GetSessions() {
			out.Tokens = append(out.Tokens, tokenToProto(t))
		}
	}
	return out, err
}

// idLength of a token's hash is enough to tell it from others.
const idLength = 12

func tokenToProto(t session.Held) *pb.Token {
	return &pb.Token{
		Id: t.Hash[:idLength], Principal: t.Subject.String(), Created: wire.Timestamp(t.Created), Expires: wire.Timestamp(t.Expires), Connector: t.ConnectorID,
	}
}

// ListGroups shows the groups that exist, with or without members.
func (s *Server) ListGroups(ctx context.Context, req *pb.ListGroupsRequest) (*pb.ListGroupsResponse, error) {
	out := &pb.ListGroupsResponse{}
	return out, s.DB.View(ctx, func(tx *db.Tx) error {
		all, next, err := identity.AllGroups(ctx, tx, wire.Page(req))
		for _, g := range all {
			out.Groups = append(out.Groups, &pb.Group{Name: g.Group.String(), Members: g.Members})
		}
		out.NextPageToken = next
		return err
	})
}
