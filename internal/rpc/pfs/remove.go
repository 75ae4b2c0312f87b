package pfs

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/rpc/pfs/convert"
)

// SquashCommit removes a commit, and leaves what it holds to those after it.
func (s *server) SquashCommit(ctx context.Context, req *pb.SquashCommitRequest) (*pb.SquashCommitResponse, error) {
	return &pb.SquashCommitResponse{}, s.removeOne(ctx, convert.RefOf(req.GetCommit()), req.GetRecursive(), false)
}

// DropCommit removes a commit with what it holds.
func (s *server) DropCommit(ctx context.Context, req *pb.DropCommitRequest) (*pb.DropCommitResponse, error) {
	return &pb.DropCommitResponse{}, s.removeOne(ctx, convert.RefOf(req.GetCommit()), req.GetRecursive(), true)
}

// SquashCommitSet removes the commits of a global id, and leaves what they hold to those
// after them.
func (s *server) SquashCommitSet(ctx context.Context, req *pb.SquashCommitSetRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.removeSet(ctx, req.GetCommitSet().GetId(), false)
}

// DropCommitSet removes the commits of a global id with what they hold.
func (s *server) DropCommitSet(ctx context.Context, req *pb.DropCommitSetRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.removeSet(ctx, req.GetCommitSet().GetId(), true)
}

func (s *server) removeOne(ctx context.Context, ref graph.Ref, recursive, drop bool) error {
	if err := allow(ctx, ref.Repo, access.RepoDeleteCommit); err != nil {
		return err
	}
	return s.remove(ctx, func(tx *db.Tx) (graph.Removal, error) { return graph.Removing(ctx, tx, ref, recursive, drop) })
}

func (s *server) removeSet(ctx context.Context, id string, drop bool) error {
	return s.remove(ctx, func(tx *db.Tx) (graph.Removal, error) { return graph.RemovingSet(ctx, tx, id, drop) })
}

// remove asks for the right in each repository that loses a commit. What is wrong with
// the removal is said only to whoever may make it.
func (s *server) remove(ctx context.Context, find func(*db.Tx) (graph.Removal, error)) error {
	return s.change(ctx, func(c *graph.Change) error {
		r, wrong := find(c.Tx())
		if err := mayRemove(ctx, r.Commits); err != nil {
			return err
		}
		if wrong != nil {
			return wrong
		}
		return c.Remove(ctx, r)
	})
}

// mayRemove names no repository that the caller may not see.
func mayRemove(ctx context.Context, all []graph.CommitInfo) error {
	hidden := 0
	for _, one := range all {
		err := allow(ctx, one.Repo, access.RepoDeleteCommit)
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
