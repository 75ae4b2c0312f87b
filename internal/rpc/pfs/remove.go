package pfs

import (
	"context"

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

// SquashCommit removes a commit, and leaves what it holds to those after it.
func (s *Server) SquashCommit(ctx context.Context, req *pb.SquashCommitRequest) (*pb.SquashCommitResponse, error) {
	return &pb.SquashCommitResponse{}, s.removeOne(ctx, convert.RefOf(req.GetCommit()), req.GetRecursive(), false)
}

// DropCommit removes a commit with what it holds.
func (s *Server) DropCommit(ctx context.Context, req *pb.DropCommitRequest) (*pb.DropCommitResponse, error) {
	return &pb.DropCommitResponse{}, s.removeOne(ctx, convert.RefOf(req.GetCommit()), req.GetRecursive(), true)
}

// SquashCommitSet removes the commits of a global id, and leaves what they hold to those
// after them.
func (s *Server) SquashCommitSet(ctx context.Context, req *pb.SquashCommitSetRequest) (*emptypb.Empty, error) {
	_, err := s.step(ctx, &txnpb.TransactionRequest{SquashCommitSet: req})
	return &emptypb.Empty{}, err
}

// DropCommitSet removes the commits of a global id with what they hold.
func (s *Server) DropCommitSet(ctx context.Context, req *pb.DropCommitSetRequest) (*emptypb.Empty, error) {
	id := req.GetCommitSet().GetId()
	return &emptypb.Empty{}, s.change(ctx, func(c *graph.Change) error {
		return remove(ctx, c, func(tx *db.Tx) (graph.Removal, error) { return graph.RemovingSet(ctx, tx, id, true) })
	})
}

func (s *Server) removeOne(ctx context.Context, ref graph.Ref, recursive, drop bool) error {
	if err := guard.Allow(ctx, ref.Repo, access.RepoDeleteCommit); err != nil {
		return err
	}
	return s.change(ctx, func(c *graph.Change) error {
		return remove(ctx, c, func(tx *db.Tx) (graph.Removal, error) { return graph.Removing(ctx, tx, ref, recursive, drop) })
	})
}

// remove asks for the right in each repository that loses a commit. What is wrong with
// the removal is said only to whoever may make it.
func remove(ctx context.Context, c *graph.Change, find func(*db.Tx) (graph.Removal, error)) error {
	r, wrong := find(c.Tx())
	if err := mayRemove(ctx, r.Commits); err != nil {
		return err
	}
	if wrong != nil {
		return wrong
	}
	return c.Remove(ctx, r)
}

// mayRemove names no repository that the caller may not see.
func mayRemove(ctx context.Context, all []graph.CommitInfo) error {
	hidden := 0
	for _, one := range all {
		err := guard.Allow(ctx, one.Repo, access.RepoDeleteCommit)
		switch {
		case fault.Is(err, fault.NotFound):
			hidden++
		case err != nil:
			return err
		}
	}
	switch {
	case hidden > 0 && hidden == len(all):
		return fault.New(fault.NotFound, "no commits found for commitset %s", all[0].ID).Next("see pachctl list commit")
	case hidden > 0:
		return fault.New(fault.Denied, "not authorized: %d commits in repositories that you may not see would go as well", hidden).
			Next("ask somebody who may delete commits in all of them")
	}
	return nil
}
