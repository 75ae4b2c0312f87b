package pfs

import (
	"context"

	pb "pachyderm/api/pfs"
	taskpb "pachyderm/api/task"
	"pachyderm/internal/access"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/history"
	"pachyderm/internal/fault"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
)

// Fsck sends what is wrong with commits, branches, files and what these are stored in. It
// reads every byte. There is nothing that it could mend: upstream ignores fix as well.
//
// A zombie is a file in the output of a pipeline whose datum is gone. There are no
// pipelines: nothing can have left one, and no commit is such an output.
func (s *Server) Fsck(req *pb.FsckRequest, stream pb.API_FsckServer) error {
	if req.GetZombieAll() {
		return nil
	}
	if req.GetZombieTarget() != nil {
		return s.zombies(stream.Context(), convert.RefOf(req.GetZombieTarget()))
	}
	for p, err := range s.check.Problems(stream.Context(), true) {
		if err == nil {
			err = stream.Send(&pb.FsckResponse{Error: p.String()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// zombies says of a commit that it cannot have any. Faults: NotFound, Precondition.
func (s *Server) zombies(ctx context.Context, ref graph.Ref) error {
	if err := guard.Allow(ctx, ref.Repo, access.RepoRead); err != nil {
		return err
	}
	one, err := s.waiting.Commit(ctx, ref, history.IsStarted)
	if err != nil {
		return err
	}
	return fault.New(fault.Precondition, "commit %s is not the output of a pipeline, so no datum can have left files in it", one.Ref()).
		Next("leave the zombie check out, or name the output of a pipeline")
}

// ListTask lists the tasks that workers have at hand: none, since pachd has no workers.
func (*Server) ListTask(*taskpb.ListTaskRequest, pb.API_ListTaskServer) error { return nil }

// CheckStorage counts the stored blobs, unless something is wrong with them.
func (s *Server) CheckStorage(ctx context.Context, req *pb.CheckStorageRequest) (*pb.CheckStorageResponse, error) {
	blobs, err := s.check.Storage(ctx, req.GetReadChunkData())
	return &pb.CheckStorageResponse{ChunkObjectCount: blobs}, err
}
