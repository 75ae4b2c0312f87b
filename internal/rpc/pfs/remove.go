package pfs

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	pb "pachyderm/api/pfs"
	txnpb "pachyderm/api/transaction"
	"pachyderm/internal/access"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
	"pachyderm/internal/rpc/pfs/remove"
)

// SquashCommit removes a commit, and leaves what it holds to those after it.
func (s *Server) SquashCommit(ctx context.Context, req *pb.SquashCommitRequest) (*pb.SquashCommitResponse, error) {
	return &pb.SquashCommitResponse{}, s.remove(ctx, remove.What{Commit: convert.RefOf(req.GetCommit()), Recursive: req.GetRecursive()})
}

// DropCommit removes a commit with what it holds.
func (s *Server) DropCommit(ctx context.Context, req *pb.DropCommitRequest) (*pb.DropCommitResponse, error) {
	what := remove.What{Commit: convert.RefOf(req.GetCommit()), Recursive: req.GetRecursive(), Drop: true}
	return &pb.DropCommitResponse{}, s.remove(ctx, what)
}

// SquashCommitSet removes the commits of a global id, and leaves what they hold to those
// after them.
func (s *Server) SquashCommitSet(ctx context.Context, req *pb.SquashCommitSetRequest) (*emptypb.Empty, error) {
	_, err := s.step(ctx, &txnpb.TransactionRequest{SquashCommitSet: req})
	return &emptypb.Empty{}, err
}

// DropCommitSet removes the commits of a global id with what they hold.
func (s *Server) DropCommitSet(ctx context.Context, req *pb.DropCommitSetRequest) (*emptypb.Empty, error) {
	if req.GetCommitSet() == nil {
		return nil, guard.Required("commit_set")
	}
	return &emptypb.Empty{}, s.remove(ctx, remove.What{Set: req.GetCommitSet(), Drop: true})
}

func (s *Server) remove(ctx context.Context, what remove.What) error {
	return s.change(ctx, func(c *graph.Change) error { return remove.Do(ctx, c, what) })
}

// ForgetCommit drops what a commit holds that was made from others, and leaves the commit.
func (s *Server) ForgetCommit(ctx context.Context, req *pb.ForgetCommitRequest) (*pb.ForgetCommitResponse, error) {
	ref, err := convert.PickCommit(req.GetCommit())
	if err == nil {
		err = guard.Allow(ctx, ref.Repo, access.RepoDeleteCommit)
	}
	if err == nil {
		err = s.change(ctx, func(c *graph.Change) error { return c.Forget(ctx, ref) })
	}
	return &pb.ForgetCommitResponse{}, err
}
