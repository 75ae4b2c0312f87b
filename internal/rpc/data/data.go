package data

import (
	"context"
	"time"

	pb "pachyderm/api/data"
	"pachyderm/internal/data/check"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/edit"
	"pachyderm/internal/rpc/pfs/guard"
	"pachyderm/internal/rpc/pfs/remove"
)

type server struct {
	pb.UnimplementedAPIServer
	db    *db.DB
	check *check.Service
	edits *edit.Edits
	again guard.Again
	now   func() time.Time
}

// New serves data_v1.
func New(d *db.DB, sessions *session.Service, edits *edit.Edits, check *check.Service, now func() time.Time) pb.APIServer {
	return &server{db: d, check: check, edits: edits, again: guard.Again{Sessions: sessions}, now: now}
}

// ModifyFiles writes to a commit what the stream says, in its order, once all has come.
func (s *server) ModifyFiles(stream pb.API_ModifyFilesServer) error {
	made, err := s.edits.ModifyMany(stream, s.again, s.now())
	if err != nil {
		return err
	}
	return stream.SendAndClose(&pb.ModifyFilesResponse{Commit: convert.ToCommit(made.Commit.Repo, made.Commit.Name, ""), Error: made.Error})
}

// PreviewRemoval does the removal and then as if it had never been done.
func (s *server) PreviewRemoval(ctx context.Context, req *pb.PreviewRemovalRequest) (*pb.PreviewRemovalResponse, error) {
	if (req.GetCommit() == nil) == (req.GetCommitSet() == nil) {
		return nil, guard.Required("either commit or commit_set")
	}
	what := remove.What{
		Set: req.GetCommitSet(), Commit: convert.RefOf(req.GetCommit()), Recursive: req.GetRecursive(), Drop: req.GetDrop(),
	}
	p, err := s.plan(ctx, what)
	if err != nil {
		return nil, err
	}
	return toPreview(p), nil
}

func (s *server) plan(ctx context.Context, what remove.What) (p remove.Plan, err error) {
	err = guard.Try(ctx, s.db, func(tx *db.Tx) error {
		return guard.ChangeIn(ctx, tx, s.now(), graph.NewID(), func(c *graph.Change) (err error) {
			p, err = remove.Try(ctx, c, what)
			return err
		})
	})
	return p, err
}

func toPreview(p remove.Plan) *pb.PreviewRemovalResponse {
	out := &pb.PreviewRemovalResponse{}
	for _, one := range p.Commits {
		out.Commits = append(out.Commits, convert.ToCommitInfo(one))
	}
	for _, m := range p.Moves {
		r := m.Branch.Repo
		out.Branches = append(out.Branches, &pb.PreviewRemovalResponse_HeadMove{
			Branch: convert.ToBranch(m.Branch), From: convert.ToCommit(r, m.From, m.Branch.Name), To: convert.ToCommit(r, m.To, m.Branch.Name),
		})
	}
	if p.Wrong != nil {
		out.Refusal = fault.Message(p.Wrong)
	}
	return out
}

// GetStorageUsage counts what the object store holds.
func (s *server) GetStorageUsage(ctx context.Context, _ *pb.GetStorageUsageRequest) (*pb.GetStorageUsageResponse, error) {
	u, err := s.check.Usage(ctx)
	return &pb.GetStorageUsageResponse{
		Packs: u.Packs, Blobs: u.Blobs, KeptBytes: u.Kept, LiveBytes: u.Live, UnreferencedBytes: u.Unreferenced, PendingBytes: u.Waiting,
	}, err
}
