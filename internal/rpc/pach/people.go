package pach

import (
	"context"

	pb "pachyderm/api/pach"
	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/caller"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/token"
)

// ListUsers shows everybody who has signed in, or tried to.
func (s *Server) ListUsers(ctx context.Context, _ *pb.ListUsersRequest) (*pb.ListUsersResponse, error) {
	out := &pb.ListUsersResponse{}
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		people, err := identity.People(ctx, tx, "")
		if err != nil {
			return err
		}
		live, err := token.CountLive(ctx, tx, s.Now())
		if err != nil {
			return err
		}
		for _, p := range people {
			groups, err := identity.Groups(ctx, tx, p.Name)
			if err != nil {
				return err
			}
			u := &pb.User{Name: p.Name.String(), Enabled: p.Enabled, LastLogin: wire.Timestamp(p.LastLogin), Groups: wire.Texts(groups), LiveTokens: live[p.Name]}
			for _, a := range p.Accounts {
				u.Identities = append(u.Identities, account(a))
			}
			out.Users = append(out.Users, u)
		}
		return nil
	})
	return out, err
}

func account(a identity.Account) *pb.Identity {
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
	if who == caller.Of(ctx).Name && who.Kind() == principal.User && !req.GetEnabled() {
		return nil, fault.New(fault.Precondition, "you would lock yourself out").
			Next("have somebody else disable %s", who)
	}
	action := "user.disable"
	if req.GetEnabled() {
		action = "user.enable"
	}
	err = s.change(ctx, action, who.String(), "", func(tx *db.Tx) error { return identity.SetEnabled(ctx, tx, who, req.GetEnabled()) })
	if err != nil {
		return nil, err
	}
	return &pb.SetUserEnabledResponse{}, nil
}

// LinkIdentity lets an identity that was refused act as the user.
func (s *Server) LinkIdentity(ctx context.Context, req *pb.LinkIdentityRequest) (*pb.LinkIdentityResponse, error) {
	who, err := principal.Parse(req.GetUser())
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, "identity.link", who.String(), req.GetIdentityId(), func(tx *db.Tx) error {
		return identity.Link(ctx, tx, req.GetIdentityId(), who)
	})
	if err != nil {
		return nil, err
	}
	return &pb.LinkIdentityResponse{}, nil
}

// UnlinkIdentity takes an identity away from a user; what it signed in to ends.
func (s *Server) UnlinkIdentity(ctx context.Context, req *pb.UnlinkIdentityRequest) (*pb.UnlinkIdentityResponse, error) {
	who, err := principal.Parse(req.GetUser())
	if err != nil {
		return nil, err
	}
	var gone identity.Identity
	err = s.change(ctx, "identity.unlink", who.String(), req.GetIdentityId(), func(tx *db.Tx) (err error) {
		if gone, err = identity.Unlink(ctx, tx, req.GetIdentityId(), who); err != nil {
			return err
		}
		_, err = token.RevokeOfIdentity(ctx, tx, who, gone.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	// The gate refuses what is left of them already; they are only tidied away.
	if _, err := s.Issuer.EndRefresh(ctx, gone.ID, gone.ConnectorID); err != nil {
		return nil, err
	}
	return &pb.UnlinkIdentityResponse{}, nil
}

// RevokeAll ends all that a principal holds: tokens, and the refresh tokens of
// applications that a person signed in to.
func (s *Server) RevokeAll(ctx context.Context, req *pb.RevokeAllRequest) (*pb.RevokeAllResponse, error) {
	who, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	if who.Kind() == principal.Pach {
		return nil, fault.New(fault.Precondition, "cannot revoke tokens for pach: users: nobody might be left to administer pachd").
			Next("rotate the root token instead")
	}
	out := &pb.RevokeAllResponse{}
	var accounts []identity.Account
	err = s.change(ctx, "token.revoke-all", who.String(), "", func(tx *db.Tx) (err error) {
		if out.Tokens, err = token.RevokeAllOf(ctx, tx, who); err != nil {
			return err
		}
		accounts, err = identity.Accounts(ctx, tx, who)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		n, err := s.Issuer.EndRefresh(ctx, a.ID, a.ConnectorID)
		if err != nil {
			return nil, err
		}
		out.RefreshTokens += n
	}
	return out, nil
}

// ListTokens shows tokens that work, never their values: everybody their own,
// and those of others to whoever may extract them.
func (s *Server) ListTokens(ctx context.Context, req *pb.ListTokensRequest) (*pb.ListTokensResponse, error) {
	c := caller.Of(ctx)
	var who principal.Name
	if req.GetPrincipal() != "" {
		var err error
		if who, err = principal.Parse(req.GetPrincipal()); err != nil {
			return nil, err
		}
	}
	if who != c.Name {
		if err := c.AuthorizeCluster(access.ClusterAuthExtractTokens); err != nil {
			return nil, err
		}
	}
	out := &pb.ListTokensResponse{}
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		live, err := token.Live(ctx, tx, who, s.Now())
		if err != nil {
			return err
		}
		people, err := identity.People(ctx, tx, who)
		if err != nil {
			return err
		}
		out.Tokens = tokens(live, people, req.GetSessions())
		return nil
	})
	return out, err
}

// idLength of a token's hash is enough to tell it from others.
const idLength = 12

// tokens leaves out those that the gate would refuse.
func tokens(live []token.Info, people []identity.Person, onlySessions bool) []*pb.Token {
	disabled, accounts := map[principal.Name]bool{}, map[string]identity.Account{}
	for _, p := range people {
		disabled[p.Name] = !p.Enabled
		for _, a := range p.Accounts {
			accounts[a.ID] = a
		}
	}
	var out []*pb.Token
	for _, t := range live {
		a, known := accounts[t.IdentityID]
		switch {
		case onlySessions && t.IdentityID == "", disabled[t.Subject]:
			continue
		case t.IdentityID != "" && (!known || a.Ended || a.Waiting):
			continue
		}
		out = append(out, &pb.Token{
			Id: t.Hash[:idLength], Principal: t.Subject.String(), Created: wire.Timestamp(t.Created), Expires: wire.Timestamp(t.Expires), Connector: a.ConnectorID,
		})
	}
	return out
}

// ListGroups shows the groups that exist, with or without members.
func (s *Server) ListGroups(ctx context.Context, _ *pb.ListGroupsRequest) (*pb.ListGroupsResponse, error) {
	out := &pb.ListGroupsResponse{}
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		all, err := identity.AllGroups(ctx, tx)
		for _, g := range all {
			out.Groups = append(out.Groups, &pb.Group{Name: g.Group.String(), Members: g.Members})
		}
		return err
	})
	return out, err
}
