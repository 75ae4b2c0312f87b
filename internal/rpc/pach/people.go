package pach

import (
	"context"

	pb "pachyderm/api/pach"
	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/refreshtoken"
	"pachyderm/internal/people"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/people/token"
	"pachyderm/internal/people/trust"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
)

// ListUsers shows everybody who has signed in, or tried to.
func (s *server) ListUsers(ctx context.Context, req *pb.ListUsersRequest) (*pb.ListUsersResponse, error) {
	p := page(req)
	p.Prefix = prefix(principal.User, req.GetPrefix())
	found, next, err := s.listUsers(ctx, req, p)
	if err != nil || len(found) == 0 {
		return &pb.ListUsersResponse{NextPageToken: next}, err
	}
	out := &pb.ListUsersResponse{NextPageToken: next}
	return out, s.db.View(ctx, func(tx *db.Tx) error {
		live, err := token.CountLive(ctx, tx, found[0].Name, found[len(found)-1].Name, s.now())
		for _, person := range found {
			out.Users = append(out.Users, userToProto(person, live[person.Name]))
		}
		return err
	})
}

func (s *server) listUsers(ctx context.Context, req *pb.ListUsersRequest, p db.Page) (all []identity.Person, next string, err error) {
	if unused := req.GetUnusedFor(); unused != nil {
		since, err := s.people().Since(unused.AsDuration())
		if err != nil {
			return nil, "", err
		}
		return s.people().Unused(ctx, since, p)
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		all, next, err = identity.People(ctx, tx, p)
		return err
	})
	return all, next, err
}

func userToProto(p identity.Person, live int64) *pb.User {
	u := &pb.User{
		Name: p.Name.String(), Enabled: p.Enabled, LastLogin: wire.Timestamp(p.LastLogin), Groups: wire.Texts(p.Groups), LiveTokens: live,
		LastUsed: wire.Timestamp(p.LastUse),
	}
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
		Id: a.ID, Connector: a.ConnectorID, Issuer: a.Issuer, Subject: a.Subject, Email: a.Email, State: state,
		LastLogin: wire.Timestamp(a.LastLogin),
	}
}

// SetUserEnabled lets somebody in or keeps them out, from their next call on.
func (s *server) SetUserEnabled(ctx context.Context, req *pb.SetUserEnabledRequest) (*pb.SetUserEnabledResponse, error) {
	who, err := principal.Parse(req.GetUser())
	if err != nil {
		return nil, err
	}
	return &pb.SetUserEnabledResponse{}, s.sessions.SetEnabled(ctx, session.FromContext(ctx).Name, who, req.GetEnabled())
}

// DisableUnusedUsers keeps those out who have not been here for a time.
func (s *server) DisableUnusedUsers(ctx context.Context, req *pb.DisableUnusedUsersRequest) (*pb.DisableUnusedUsersResponse, error) {
	since, err := s.people().Since(req.GetUnusedFor().AsDuration())
	if err != nil {
		return nil, err
	}
	if shown := req.GetUnusedSince(); shown != nil && shown.AsTime().Before(since) {
		since = shown.AsTime()
	}
	all, next, err := s.people().DisableUnused(ctx, session.FromContext(ctx), since, req.GetPreview(), page(req))
	out := &pb.DisableUnusedUsersResponse{NextPageToken: next, UnusedSince: wire.Timestamp(since)}
	for _, u := range all {
		out.Users = append(out.Users, idleToProto(u))
	}
	return out, err
}

func idleToProto(u people.Idle) *pb.UnusedUser {
	return &pb.UnusedUser{Name: u.Name.String(), LastLogin: wire.Timestamp(u.LastLogin), LastUsed: wire.Timestamp(u.LastUse), Kept: u.Kept}
}

// RenameUser gives a person another name.
func (s *server) RenameUser(ctx context.Context, req *pb.RenameUserRequest) (*pb.RenameUserResponse, error) {
	from, err := principal.Parse(req.GetUser())
	if err != nil {
		return nil, err
	}
	to, err := principal.Parse(req.GetNewName())
	if err != nil {
		return nil, err
	}
	return &pb.RenameUserResponse{}, s.people().Rename(ctx, session.FromContext(ctx).Name, from, to)
}

// LinkIdentity lets an identity that was refused act as the user.
func (s *server) LinkIdentity(ctx context.Context, req *pb.LinkIdentityRequest) (*pb.LinkIdentityResponse, error) {
	who, err := principal.Parse(req.GetUser())
	if err != nil {
		return nil, err
	}
	by := s.sessions.By(session.FromContext(ctx).Name)
	return &pb.LinkIdentityResponse{}, s.db.Update(ctx, func(tx *db.Tx) error { return identity.Link(ctx, tx, by, req.GetIdentityId(), who) })
}

// UnlinkIdentity takes an identity away from a user; what it signed in to ends.
func (s *server) UnlinkIdentity(ctx context.Context, req *pb.UnlinkIdentityRequest) (*pb.UnlinkIdentityResponse, error) {
	who, err := principal.Parse(req.GetUser())
	if err != nil {
		return nil, err
	}
	return &pb.UnlinkIdentityResponse{}, s.sessions.Unlink(ctx, session.FromContext(ctx).Name, req.GetIdentityId(), who)
}

// RevokeAll ends all that a principal holds.
func (s *server) RevokeAll(ctx context.Context, req *pb.RevokeAllRequest) (*pb.RevokeAllResponse, error) {
	who, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	tokens, refresh, err := s.sessions.RevokeAll(ctx, session.FromContext(ctx).Name, who)
	return &pb.RevokeAllResponse{Tokens: tokens, RefreshTokens: refresh}, err
}

// AllowRobot lets somebody make tokens of a robot.
func (s *server) AllowRobot(ctx context.Context, req *pb.AllowRobotRequest) (*pb.AllowRobotResponse, error) {
	creator, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	return &pb.AllowRobotResponse{}, s.sessions.Allow(ctx, session.FromContext(ctx), req.GetRobot(), creator, req.GetRemove())
}

// ListTokens shows tokens that work, never their values.
func (s *server) ListTokens(ctx context.Context, req *pb.ListTokensRequest) (*pb.ListTokensResponse, error) {
	who, err := parseOr("", req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	held, next, err := s.sessions.Held(ctx, session.FromContext(ctx), who, page(req))
	out := &pb.ListTokensResponse{NextPageToken: next}
	for _, t := range held {
		if t.IdentityID != "" || !req.GetSessions() {
			out.Tokens = append(out.Tokens, tokenToProto(t))
		}
	}
	return out, err
}

func tokenToProto(t session.Held) *pb.Token {
	return &pb.Token{
		Id: t.Hash[:session.IDLength], Principal: t.Subject.String(), Connector: t.ConnectorID,
		Created: wire.Timestamp(t.Created), Expires: wire.Timestamp(t.Expires), Used: wire.Timestamp(t.Used), Trust: trust.OfGrantID(t.GrantID),
	}
}

// ListRefreshTokens shows which applications sign people in by themselves.
func (s *server) ListRefreshTokens(ctx context.Context, req *pb.ListRefreshTokensRequest) (*pb.ListRefreshTokensResponse, error) {
	who, err := parseOr("", req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	if err := session.FromContext(ctx).AuthorizeAbout(who, access.ClusterAuthExtractTokens); err != nil {
		return nil, err
	}
	all, next, err := s.issuer.RefreshTokens.List(ctx, who, page(req))
	out := &pb.ListRefreshTokensResponse{NextPageToken: next}
	for _, t := range all {
		out.RefreshTokens = append(out.RefreshTokens, refreshTokenToProto(t))
	}
	return out, err
}

func refreshTokenToProto(t refreshtoken.Token) *pb.RefreshToken {
	return &pb.RefreshToken{
		Id: t.ID, Principal: t.User.String(), Client: t.ClientID, Connector: t.ConnectorID,
		Created: wire.Timestamp(t.Created), Used: wire.Timestamp(t.Used), Expires: wire.Timestamp(t.RefreshUntil),
	}
}

// RevokeSession ends a session or token, or an application's refresh token.
func (s *server) RevokeSession(ctx context.Context, req *pb.RevokeSessionRequest) (*pb.RevokeSessionResponse, error) {
	by := session.FromContext(ctx)
	err := s.sessions.RevokeByID(ctx, by, req.GetId())
	if fault.Is(err, fault.NotFound) {
		err = s.issuer.RefreshTokens.End(ctx, by.Name, req.GetId(), by.AuthorizeRevoke)
	}
	return &pb.RevokeSessionResponse{}, err
}

// ListGroups shows the groups that exist, with or without members.
func (s *server) ListGroups(ctx context.Context, req *pb.ListGroupsRequest) (*pb.ListGroupsResponse, error) {
	out, p := &pb.ListGroupsResponse{}, page(req)
	p.Prefix = prefix(principal.Group, req.GetPrefix())
	return out, s.db.View(ctx, func(tx *db.Tx) error {
		all, next, err := identity.AllGroups(ctx, tx, p)
		for _, g := range all {
			out.Groups = append(out.Groups, &pb.Group{Name: g.Group.String(), Members: g.Members})
		}
		out.NextPageToken = next
		return err
	})
}
