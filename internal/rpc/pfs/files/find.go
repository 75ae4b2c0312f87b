package files

import (
	"context"
	"time"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/search"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
)

// FindCommits sends the commits in which a file was added, changed or deleted, and at
// the end the last one that was looked at, so that a caller can go on from there: also
// shortly before its deadline.
func (s *Server) FindCommits(req *pb.FindCommitsRequest, stream pb.API_FindCommitsServer) error {
	ctx, from := stream.Context(), convert.RefOf(req.GetStart())
	if err := guard.Allow(ctx, from.Repo, access.RepoInspectCommit); err != nil {
		return err
	}
	if req.GetFilePath() == "" {
		return guard.Required("file_path")
	}
	return s.find(stream, req)
}

func (s *Server) find(stream pb.API_FindCommitsServer, req *pb.FindCommitsRequest) error {
	ctx := stream.Context()
	enough := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		enough, cancel = context.WithTimeout(ctx, time.Until(deadline)*85/100)
		defer cancel()
	}
	var last *pb.Commit
	searched, found := uint32(0), uint32(0)
	for one, err := range search.Find(ctx, s.files, convert.RefOf(req.GetStart()), req.GetFilePath()) {
		if err != nil {
			return err
		}
		searched++
		last = convert.ToCommit(one.Commit.Repo, one.Commit.ID, one.Commit.Branch)
		if one.Found {
			found++
			if err := stream.Send(foundIn(last, searched)); err != nil {
				return err
			}
		}
		if req.GetLimit() > 0 && found == req.GetLimit() || enough.Err() != nil {
			break
		}
	}
	return stream.Send(&pb.FindCommitsResponse{
		Result: &pb.FindCommitsResponse_LastSearchedCommit{LastSearchedCommit: last}, CommitsSearched: searched,
	})
}

func foundIn(c *pb.Commit, searched uint32) *pb.FindCommitsResponse {
	return &pb.FindCommitsResponse{Result: &pb.FindCommitsResponse_FoundCommit{FoundCommit: c}, CommitsSearched: searched}
}
