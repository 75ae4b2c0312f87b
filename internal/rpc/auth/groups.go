package auth

import (
	"context"
	"slices"

	pb "pachyderm/api/auth"
	"pachyderm/internal/db"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
)

// SetGroupsForUser replaces the groups that administrators put somebody into.
func (s *server) SetGroupsForUser(ctx context.Context, req *pb.SetGroupsForUserRequest) (*pb.SetGroupsForUserResponse, error) {
	who, err := principal.Parse(req.GetUsername())
	if err != nil {
		return nil, err
	}
	return &pb.SetGroupsForUserResponse{}, s.sessions.SetGroups(ctx, session.FromContext(ctx), who, req.GetGroups())
}

// ModifyMembers adds to a group first and removes then.
func (s *server) ModifyMembers(ctx context.Context, req *pb.ModifyMembersRequest) (*pb.ModifyMembersResponse, error) {
	add, err := each(req.GetAdd(), principal.Parse)
	if err != nil {
		return nil, err
	}
	remove, err := each(req.GetRemove(), principal.Parse)
	if err != nil {
		return nil, err
	}
	return &pb.ModifyMembersResponse{}, s.sessions.ModifyMembers(ctx, session.FromContext(ctx), req.GetGroup(), add, remove)
}

// each checks all of a list.
func each[W, O any](list []W, check func(W) (O, error)) ([]O, error) {
	out := make([]O, len(list))
	for n, v := range list {
		var err error
		if out[n], err = check(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// GetUsers lists the members of a group, or everybody who is in one, by name.
func (s *server) GetUsers(ctx context.Context, req *pb.GetUsersRequest) (*pb.GetUsersResponse, error) {
	members, err := db.All(ctx, s.db.View, membersOf(req.GetGroup()))
	slices.Sort(members)
	return &pb.GetUsersResponse{Usernames: wire.Texts(members)}, err
}

func membersOf(group string) func(context.Context, *db.Tx, db.Page) ([]principal.Name, string, error) {
	if group == "" {
		return identity.MembersOfAny
	}
	return func(ctx context.Context, tx *db.Tx, p db.Page) ([]principal.Name, string, error) {
		return identity.Members(ctx, tx, group, p)
	}
}

// GetGroups lists the caller's own.
func (s *server) GetGroups(ctx context.Context, _ *pb.GetGroupsRequest) (*pb.GetGroupsResponse, error) {
	c := session.FromContext(ctx)
	if c.Unapproved != "" {
		return &pb.GetGroupsResponse{}, nil
	}
	return s.groupsOf(ctx, c.Name)
}

// GetGroupsForPrincipal lists somebody else's.
func (s *server) GetGroupsForPrincipal(ctx context.Context, req *pb.GetGroupsForPrincipalRequest) (*pb.GetGroupsResponse, error) {
	who, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	return s.groupsOf(ctx, who)
}

func (s *server) groupsOf(ctx context.Context, who principal.Name) (*pb.GetGroupsResponse, error) {
	out := &pb.GetGroupsResponse{}
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		out.Groups, err = identity.WrittenGroups(ctx, tx, who)
		return err
	})
	return out, err
}
