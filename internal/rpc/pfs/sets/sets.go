package sets

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/file"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/edit"
	"pachyderm/internal/rpc/pfs/guard"
)

// Server serves the methods about file sets and the cache.
type Server struct {
	edits *edit.Edits
	again guard.Again
	now   func() time.Time
}

// New makes a Server.
func New(edits *edit.Edits, sessions *session.Service, now func() time.Time) *Server {
	return &Server{edits: edits, again: guard.Again{Sessions: sessions}, now: now}
}

// CreateFileSet makes a set of what the stream says, in its order, once all has come.
func (s *Server) CreateFileSet(stream pb.API_CreateFileSetServer) error {
	ctx := stream.Context()
	w, err := s.edits.Sets.Begin(ctx, edit.Owner(ctx))
	if err != nil {
		return err
	}
	defer w.Close()
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = s.edits.Make(ctx, w, req)
		}
		if err != nil {
			return err
		}
	}
	if err := s.again.StillCaller(ctx); err != nil {
		return err
	}
	id, err := w.Create()
	if err != nil {
		return err
	}
	return stream.SendAndClose(&pb.CreateFileSetResponse{FileSetId: id})
}

func created(id string, err error) (*pb.CreateFileSetResponse, error) {
	if err != nil {
		return nil, err
	}
	return &pb.CreateFileSetResponse{FileSetId: id}, nil
}

// GetFileSet makes a set of what a commit holds, or of what it changes.
func (s *Server) GetFileSet(ctx context.Context, req *pb.GetFileSetRequest) (*pb.CreateFileSetResponse, error) {
	ref := convert.RefOf(req.GetCommit())
	if err := guard.Allow(ctx, ref.Repo, access.RepoRead); err != nil {
		return nil, err
	}
	v, err := s.edits.Files.View(ctx, ref)
	if err != nil {
		return nil, err
	}
	switch req.GetType() {
	case pb.GetFileSetRequest_TOTAL:
		return created(s.edits.Sets.Of(ctx, edit.Owner(ctx), v))
	case pb.GetFileSetRequest_DIFF:
		return created(s.edits.Sets.Difference(ctx, edit.Owner(ctx), v))
	}
	return nil, fault.New(fault.Invalid, "unknown type of file set %d", req.GetType()).Next("use TOTAL or DIFF")
}

// AddFileSet adds a set to a commit, as ModifyFile would do what it says.
func (s *Server) AddFileSet(ctx context.Context, req *pb.AddFileSetRequest) (*emptypb.Empty, error) {
	_, err := s.edits.Write(ctx, s.again, s.now(), req.GetCommit(), func(w *file.Session) error {
		return s.edits.Sets.AddTo(ctx, edit.Owner(ctx), req.GetFileSetId(), w)
	})
	return &emptypb.Empty{}, err
}

// RenewFileSet has a set expire so many seconds from now.
func (s *Server) RenewFileSet(ctx context.Context, req *pb.RenewFileSetRequest) (*emptypb.Empty, error) {
	err := s.edits.Sets.Renew(ctx, edit.Owner(ctx), req.GetFileSetId(), req.GetTtlSeconds())
	return &emptypb.Empty{}, err
}

// ComposeFileSet makes one set of several. All are compact, whatever is asked for.
func (s *Server) ComposeFileSet(ctx context.Context, req *pb.ComposeFileSetRequest) (*pb.CreateFileSetResponse, error) {
	return created(s.edits.Sets.Compose(ctx, edit.Owner(ctx), req.GetFileSetIds(), req.GetTtlSeconds()))
}

// ShardFileSet divides the paths of a set.
func (s *Server) ShardFileSet(ctx context.Context, req *pb.ShardFileSetRequest) (*pb.ShardFileSetResponse, error) {
	shards, err := s.edits.Sets.Shard(ctx, edit.Owner(ctx), req.GetFileSetId(), req.GetNumFiles(), req.GetSizeBytes())
	if err != nil {
		return nil, err
	}
	out := &pb.ShardFileSetResponse{}
	for _, r := range shards {
		out.Shards = append(out.Shards, &pb.PathRange{Lower: r.Lower, Upper: r.Upper})
	}
	return out, nil
}
