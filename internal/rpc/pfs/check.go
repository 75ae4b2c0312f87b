package pfs

import (
	"context"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/fault"
)

// Fsck sends what is wrong with commits, branches, files and what these are stored in. It
// reads every byte. There is nothing that it could mend: upstream ignores fix as well.
func (s *Server) Fsck(req *pb.FsckRequest, stream pb.API_FsckServer) error {
	if req.GetZombieCheck() != nil {
		return fault.New(fault.Unimplemented, "what is left of datums in the output of pipelines is not checked yet").
			Next("leave the zombie check out")
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

// CheckStorage counts the stored blobs, unless something is wrong with them.
func (s *Server) CheckStorage(ctx context.Context, req *pb.CheckStorageRequest) (*pb.CheckStorageResponse, error) {
	blobs, err := s.check.Storage(ctx, req.GetReadChunkData())
	return &pb.CheckStorageResponse{ChunkObjectCount: blobs}, err
}
