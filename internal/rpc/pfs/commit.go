package pfs

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	pb "pachyderm/api/pfs"
	txnpb "pachyderm/api/transaction"
	"pachyderm/internal/access"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/history"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
)

// StartCommit begins a commit.
func (s *Server) StartCommit(ctx context.Context, req *pb.StartCommitRequest) (*pb.Commit, error) {
	return s.step(ctx, &txnpb.TransactionRequest{StartCommit: req})
}

// FinishCommit ends a commit: who waits for it hears when it has finished.
func (s *Server) FinishCommit(ctx context.Context, req *pb.FinishCommitRequest) (*emptypb.Empty, error) {
	if inTransaction(ctx) != "" {
		_, err := s.step(ctx, &txnpb.TransactionRequest{FinishCommit: req})
		return &emptypb.Empty{}, err
	}
	ref := convert.RefOf(req.GetCommit())
	if err := guard.Allow(ctx, ref.Repo, access.RepoWrite); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, s.store.Finish(ctx, guard.By(ctx, s.now()), ref, req.GetDescription(), req.GetError())
}

// ClearCommit takes all files out of an open commit.
func (s *Server) ClearCommit(ctx context.Context, req *pb.ClearCommitRequest) (*emptypb.Empty, error) {
	ref := convert.RefOf(req.GetCommit())
	if err := guard.Allow(ctx, ref.Repo, access.RepoWrite); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, s.change(ctx, func(c *graph.Change) error { return c.ClearCommit(ctx, ref) })
}

// InspectCommit is one commit, once it is as far as the caller waits for.
func (s *Server) InspectCommit(ctx context.Context, req *pb.InspectCommitRequest) (*pb.CommitInfo, error) {
	ref := convert.RefOf(req.GetCommit())
	if err := guard.Allow(ctx, ref.Repo, access.RepoInspectCommit); err != nil {
		return nil, err
	}
	one, err := s.waiting.Commit(ctx, ref, stateOf(req.GetWait()))
	if err != nil {
		return nil, err
	}
	return s.commitInfo(ctx, one), nil
}

// stateOf is how far a commit has to be: finishing and finished are one here.
func stateOf(s pb.CommitState) history.State {
	switch s {
	case pb.CommitState_FINISHING, pb.CommitState_FINISHED:
		return history.IsFinished
	case pb.CommitState_READY:
		return history.IsReady
	case pb.CommitState_COMMIT_STATE_UNKNOWN, pb.CommitState_STARTED:
	}
	return history.IsStarted
}

// commitInfo leaves out what the caller may not see.
func (s *Server) commitInfo(ctx context.Context, c graph.CommitInfo) *pb.CommitInfo {
	out := convert.ToCommitInfo(c)
	out.DirectProvenance, out.DirectSubvenance = visible(ctx, out.GetDirectProvenance()), visible(ctx, out.GetDirectSubvenance())
	return out
}

// visible are those commits or branches whose repository the caller may see.
func visible[T interface{ GetRepo() *pb.Repo }](ctx context.Context, all []T) (left []T) {
	for _, one := range all {
		if guard.Allow(ctx, convert.RepoOf(one.GetRepo())) == nil {
			left = append(left, one)
		}
	}
	return left
}

// ListCommit sends the commits of a repository or, if it has no name, of all in which
// the caller may list them.
func (s *Server) ListCommit(req *pb.ListCommitRequest, stream pb.API_ListCommitServer) error {
	if req.GetRepo() == nil {
		return guard.Required("repo")
	}
	list, err := s.listOf(stream.Context(), req)
	left := req.GetNumber()
	for _, l := range list {
		if err == nil {
			left, err = s.listCommits(stream, l, left, req.GetNumber() > 0)
		}
	}
	return err
}

// listOf are the lists that are asked for.
func (s *Server) listOf(ctx context.Context, req *pb.ListCommitRequest) (lists []history.List, err error) {
	l := history.List{
		Repo: convert.RepoOf(req.GetRepo()), From: convert.OptionalRef(req.GetFrom()), To: convert.OptionalRef(req.GetTo()),
		Reverse: req.GetReverse(),
		Origin:  graph.Origin(req.GetOriginKind()),
	}
	if req.GetStartedTime() != nil {
		l.Before = req.GetStartedTime().AsTime().Round(time.Microsecond)
	}
	l.From, l.To = convert.InRepo(l.From, l.Repo), convert.InRepo(l.To, l.Repo)
	if l.Repo.Name != "" {
		return []history.List{l}, guard.Allow(ctx, l.Repo, access.RepoListCommit)
	}
	all, err := s.repos(ctx, nil, req.GetRepo().GetType())
	for _, r := range all {
		if guard.Allow(ctx, r.Repo, access.RepoListCommit) == nil {
			l.Repo = r.Repo
			lists = append(lists, l)
		}
	}
	return lists, err
}

func (s *Server) listCommits(stream pb.API_ListCommitServer, l history.List, left int64, bounded bool) (int64, error) {
	for one, err := range history.Commits(stream.Context(), s.db, l) {
		if bounded && left == 0 {
			return 0, nil
		}
		if err == nil {
			err = stream.Send(s.commitInfo(stream.Context(), one))
		}
		if err != nil {
			return left, err
		}
		left--
	}
	return left, nil
}

// SubscribeCommit sends the commits of a branch, or of all branches, oldest first, as
// they get as far as the caller waits for; it ends when the caller does.
func (s *Server) SubscribeCommit(req *pb.SubscribeCommitRequest, stream pb.API_SubscribeCommitServer) error {
	ctx, r := stream.Context(), convert.RepoOf(req.GetRepo())
	if err := guard.Allow(ctx, r, access.RepoListCommit, access.RepoInspectCommit); err != nil {
		return err
	}
	from := convert.InRepo(convert.OptionalRef(req.GetFrom()), r)
	for one, err := range s.waiting.Subscribe(ctx, r, req.GetBranch(), from, stateOf(req.GetState())) {
		if err == nil {
			err = s.sendSubscribed(stream, one, graph.Origin(req.GetOriginKind()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sendSubscribed asks again each time: a subscription may last for hours.
func (s *Server) sendSubscribed(stream pb.API_SubscribeCommitServer, one graph.CommitInfo, only graph.Origin) error {
	if only != 0 && only != one.Origin {
		return nil
	}
	if err := s.again.Still(stream.Context(), one.Repo, access.RepoInspectCommit); err != nil {
		return err
	}
	return stream.Send(s.commitInfo(stream.Context(), one))
}

// InspectCommitSet sends the commits of a global id, and those that they come from.
func (s *Server) InspectCommitSet(req *pb.InspectCommitSetRequest, stream pb.API_InspectCommitSetServer) error {
	ctx := stream.Context()
	all, err := s.waiting.Set(ctx, req.GetCommitSet().GetId(), req.GetWait(), func(r graph.Repo) bool {
		return guard.Allow(ctx, r, access.RepoInspectCommit) == nil
	})
	for _, one := range all {
		if err == nil {
			err = stream.Send(s.commitInfo(ctx, one))
		}
	}
	return err
}

// ListCommitSet sends the commit sets that have a commit which the caller may see,
// newest first.
func (s *Server) ListCommitSet(req *pb.ListCommitSetRequest, stream pb.API_ListCommitSetServer) error {
	ctx := stream.Context()
	for set, err := range history.Sets(ctx, s.db, req.GetProject().GetName()) {
		if err == nil {
			err = s.sendSet(stream, set)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) sendSet(stream pb.API_ListCommitSetServer, set history.Set) error {
	out := &pb.CommitSetInfo{CommitSet: &pb.CommitSet{Id: set.ID}}
	for _, one := range set.Commits {
		if guard.Allow(stream.Context(), one.Repo, access.RepoInspectCommit) == nil {
			out.Commits = append(out.Commits, s.commitInfo(stream.Context(), one))
		}
	}
	if len(out.GetCommits()) == 0 {
		return nil
	}
	return stream.Send(out)
}
