package pfs

import (
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/emptypb"

	pb "pachyderm/api/pfs"
	txnpb "pachyderm/api/transaction"
	"pachyderm/internal/access"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
)

// CreateBranch makes a branch or changes one. What it is made from the caller has to
// be allowed to read, and where there is no such branch yet, to make one: its commits,
// which nobody asks for later, will come from there.
func (s *Server) CreateBranch(ctx context.Context, req *pb.CreateBranchRequest) (*emptypb.Empty, error) {
	_, err := s.step(ctx, &txnpb.TransactionRequest{CreateBranch: req})
	return &emptypb.Empty{}, err
}

// maxSources is how many branches one may be made from.
const maxSources = 1000

// maySource asks for what a branch is made from: to read it and, where a branch would be
// made for that, to make one.
func maySource(ctx context.Context, c *graph.Change, sources []graph.Source) error {
	if len(sources) > maxSources {
		return fault.New(fault.Invalid, "a branch cannot be made from %d branches", len(sources)).Next("name at most %d", maxSources)
	}
	for _, s := range sources {
		if err := guard.Allow(ctx, s.Branch.Repo, access.RepoRead); err != nil {
			return err
		}
		_, err := graph.Resolve(ctx, c.Tx(), graph.Ref(s.Branch))
		if fault.Is(err, fault.NotFound) {
			err = guard.Allow(ctx, s.Branch.Repo, access.RepoCreateBranch)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// InspectBranch is one branch.
func (s *Server) InspectBranch(ctx context.Context, req *pb.InspectBranchRequest) (*pb.BranchInfo, error) {
	b := convert.BranchOf(req.GetBranch())
	if err := guard.Allow(ctx, b.Repo, access.RepoListBranch); err != nil {
		return nil, err
	}
	var info graph.BranchInfo
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		info, err = graph.InspectBranch(ctx, tx, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.branchInfo(ctx, info), nil
}

// branchInfo leaves out what the caller may not see.
func (s *Server) branchInfo(ctx context.Context, b graph.BranchInfo) *pb.BranchInfo {
	out := convert.ToBranchInfo(b)
	out.Provenance, out.Subvenance = visible(ctx, out.GetProvenance()), visible(ctx, out.GetSubvenance())
	out.DirectProvenance = visible(ctx, out.GetDirectProvenance())
	out.BranchPropagationSpecs = slices.DeleteFunc(out.GetBranchPropagationSpecs(), func(spec *pb.BranchPropagationSpec) bool {
		return guard.Allow(ctx, convert.RepoOf(spec.GetBranch().GetRepo())) != nil
	})
	return out
}

// ListBranch sends the branches of a repository.
func (s *Server) ListBranch(req *pb.ListBranchRequest, stream pb.API_ListBranchServer) error {
	if req.GetRepo() == nil {
		return guard.Required("repo")
	}
	ctx := stream.Context()
	all, err := s.branches(ctx, convert.RepoOf(req.GetRepo()), req.GetReverse())
	for _, b := range all {
		if err == nil {
			err = stream.Send(s.branchInfo(ctx, b))
		}
	}
	return err
}

func (s *Server) branches(ctx context.Context, r graph.Repo, reverse bool) (all []graph.BranchInfo, err error) {
	if err := guard.Allow(ctx, r, access.RepoListBranch); err != nil {
		return nil, err
	}
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		all, err = graph.Branches(ctx, tx, r, reverse)
		return err
	})
	return all, err
}

// DeleteBranch deletes a branch.
func (s *Server) DeleteBranch(ctx context.Context, req *pb.DeleteBranchRequest) (*emptypb.Empty, error) {
	_, err := s.step(ctx, &txnpb.TransactionRequest{DeleteBranch: req})
	return &emptypb.Empty{}, err
}
