package rpc

import (
	"context"
	"slices"
	"strings"

	pb "pachyderm/api/auth"
	"pachyderm/internal/db"
	"pachyderm/internal/identity"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/caller"
	"pachyderm/internal/rpc/wire"
)

// SetGroupsForUser replaces the groups that administrators put somebody into.
func (s *authServer) SetGroupsForUser(ctx context.Context, req *pb.SetGroupsForUserRequest) (*pb.SetGroupsForUserResponse, error) {
	who, err := principal.Parse(req.GetUsername())
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := identity.SetGroups(ctx, tx, who, req.GetGroups(), s.Now()); err != nil {
			return err
		}
		return s.record(ctx, tx, caller.Of(ctx).Name, "group.set", who.String(), textOf(req.GetGroups()))
	})
	if err != nil {
		return nil, err
	}
	return &pb.SetGroupsForUserResponse{}, nil
}

// ModifyMembers adds to a group first and removes then, so that who is in both
// lists ends up outside.
func (s *authServer) ModifyMembers(ctx context.Context, req *pb.ModifyMembersRequest) (*pb.ModifyMembersResponse, error) {
	add, err := parseAll(req.GetAdd())
	if err != nil {
		return nil, err
	}
	remove, err := parseAll(req.GetRemove())
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := identity.ModifyMembers(ctx, tx, req.GetGroup(), add, remove, s.Now()); err != nil {
			return err
		}
		return s.record(ctx, tx, caller.Of(ctx).Name, "group.modify", req.GetGroup(), "added "+textOf(req.GetAdd())+", removed "+textOf(req.GetRemove()))
	})
	if err != nil {
		return nil, err
	}
	return &pb.ModifyMembersResponse{}, nil
}

func parseAll(texts []string) ([]principal.Name, error) {
	out := make([]principal.Name, len(texts))
	for n, t := range texts {
		var err error
		if out[n], err = principal.Parse(t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// GetUsers lists the members of a group, or everybody who is in one.
func (s *authServer) GetUsers(ctx context.Context, req *pb.GetUsersRequest) (*pb.GetUsersResponse, error) {
	var members []principal.Name
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		members, err = identity.Members(ctx, tx, req.GetGroup())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &pb.GetUsersResponse{Usernames: wire.Texts(members)}, nil
}

func (s *authServer) GetGroups(ctx context.Context, _ *pb.GetGroupsRequest) (*pb.GetGroupsResponse, error) {
	return s.groupsOf(ctx, caller.Of(ctx).Name)
}

func (s *authServer) GetGroupsForPrincipal(ctx context.Context, req *pb.GetGroupsForPrincipalRequest) (*pb.GetGroupsResponse, error) {
	who, err := principal.Parse(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	return s.groupsOf(ctx, who)
}

func (s *authServer) groupsOf(ctx context.Context, who principal.Name) (*pb.GetGroupsResponse, error) {
	var facts []identity.Membership
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		facts, err = identity.Memberships(ctx, tx, who)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Of several sources one spelling is enough; an administrator's comes first.
	slices.SortStableFunc(facts, func(a, b identity.Membership) int {
		switch {
		case a.Source == b.Source:
			return 0
		case a.Source == identity.Administrator:
			return -1
		case b.Source == identity.Administrator:
			return 1
		}
		return 0
	})
	out := &pb.GetGroupsResponse{}
	seen := map[principal.Name]bool{}
	for _, m := range facts {
		if !seen[m.Group] {
			seen[m.Group] = true
			out.Groups = append(out.Groups, m.Written)
		}
	}
	slices.Sort(out.Groups)
	return out, nil
}

func textOf(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}
