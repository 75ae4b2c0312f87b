package pfs

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/history"
	"pachyderm/internal/db"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
)

// How far a walk goes that is not told, as upstream has it.
const (
	walkCommits = 10_000
	walkDepth   = 1_000
)

// WalkCommitProvenance sends what commits were made from, the nearest first.
func (s *Server) WalkCommitProvenance(req *pb.WalkCommitProvenanceRequest, stream pb.API_WalkCommitProvenanceServer) error {
	w := walk{max: req.GetMaxCommits(), depth: req.GetMaxDepth(), next: func(c *pb.CommitInfo) []*pb.Commit { return c.GetDirectProvenance() }}
	return s.walkCommits(stream, req.GetStart(), w)
}

// WalkCommitSubvenance sends what was made from commits, the nearest first.
func (s *Server) WalkCommitSubvenance(req *pb.WalkCommitSubvenanceRequest, stream pb.API_WalkCommitSubvenanceServer) error {
	w := walk{max: req.GetMaxCommits(), depth: req.GetMaxDepth(), next: func(c *pb.CommitInfo) []*pb.Commit { return c.GetDirectSubvenance() }}
	return s.walkCommits(stream, req.GetStart(), w)
}

// walk is how far to go, and where.
type walk struct {
	max, depth uint64
	next       func(*pb.CommitInfo) []*pb.Commit
}

type commitSender interface {
	Context() context.Context
	Send(info *pb.CommitInfo) error
}

func (s *Server) walkCommits(stream commitSender, start []*pb.CommitPicker, w walk) error {
	var level []graph.Ref
	for _, p := range start {
		ref, err := convert.PickCommit(p)
		if err != nil {
			return err
		}
		level = append(level, ref)
	}
	seen, sent := map[string]bool{}, uint64(0)
	for depth := uint64(0); len(level) > 0 && depth < within(w.depth, walkDepth); depth++ {
		var below []graph.Ref
		for _, ref := range level {
			info, err := s.walked(stream.Context(), ref)
			if err != nil {
				return err
			}
			for _, c := range w.next(info) {
				below = append(below, convert.RefOf(c))
			}
			key := convert.RefOf(info.GetCommit()).String()
			if seen[key] || depth == 0 { // where it starts is not sent
				continue
			}
			seen[key] = true
			if sent == within(w.max, walkCommits) {
				return nil
			}
			sent++
			if err := stream.Send(info); err != nil {
				return err
			}
		}
		level = below
	}
	return nil
}

func within(asked, most uint64) uint64 {
	if asked == 0 {
		return most
	}
	return min(asked, most)
}

func (s *Server) walked(ctx context.Context, ref graph.Ref) (*pb.CommitInfo, error) {
	if err := guard.Allow(ctx, ref.Repo, access.RepoInspectCommit); err != nil {
		return nil, err
	}
	one, err := s.waiting.Commit(ctx, ref, history.IsStarted)
	if err != nil {
		return nil, err
	}
	return s.commitInfo(ctx, one), nil
}

// ReposSummary counts the repositories of projects that the caller may see, and adds up
// their sizes.
func (s *Server) ReposSummary(ctx context.Context, req *pb.ReposSummaryRequest) (*pb.ReposSummaryResponse, error) {
	out := &pb.ReposSummaryResponse{}
	for _, p := range req.GetProjects() {
		all, err := s.repos(ctx, []string{p.GetName()}, graph.UserRepo)
		if err != nil {
			return nil, err
		}
		one := &pb.ReposSummary{Project: convert.ToProject(p.GetName()), UserRepoCount: int64(len(all))}
		for _, r := range all {
			one.SizeBytes += r.Size
		}
		out.Summaries = append(out.Summaries, one)
	}
	return out, nil
}

// DeleteAll deletes all repositories and projects; the policy table asks for the right.
func (s *Server) DeleteAll(ctx context.Context, _ *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.change(ctx, func(c *graph.Change) error { return deleteProjects(ctx, c) })
}

func deleteProjects(ctx context.Context, c *graph.Change) error {
	all, err := graph.Projects(ctx, c.Tx())
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := c.DeleteProject(ctx, p.Name, true); err != nil {
			return err
		}
	}
	return nil
}

// WalkBranchProvenance sends what branches are made from.
func (s *Server) WalkBranchProvenance(req *pb.WalkBranchProvenanceRequest, stream pb.API_WalkBranchProvenanceServer) error {
	return s.walkBranches(stream, req.GetStart(), req.GetMaxBranches(), func(b graph.BranchInfo) []graph.Branch { return b.Sources })
}

// WalkBranchSubvenance sends what is made from branches.
func (s *Server) WalkBranchSubvenance(req *pb.WalkBranchSubvenanceRequest, stream pb.API_WalkBranchSubvenanceServer) error {
	return s.walkBranches(stream, req.GetStart(), req.GetMaxBranches(), func(b graph.BranchInfo) []graph.Branch { return b.Made })
}

type branchSender interface {
	Context() context.Context
	Send(info *pb.BranchInfo) error
}

func (s *Server) walkBranches(
	stream branchSender, start []*pb.BranchPicker, most uint64, next func(graph.BranchInfo) []graph.Branch,
) error {
	ctx, sent := stream.Context(), map[graph.Branch]bool{}
	for _, p := range start {
		from, err := s.branchOf(ctx, convert.PickBranch(p))
		if err != nil {
			return err
		}
		for _, b := range next(from) {
			if sent[b] || uint64(len(sent)) == within(most, walkCommits) {
				continue
			}
			sent[b] = true
			info, err := s.branchOf(ctx, b)
			if err == nil {
				err = stream.Send(s.branchInfo(ctx, info))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Server) branchOf(ctx context.Context, b graph.Branch) (info graph.BranchInfo, err error) {
	if err := guard.Allow(ctx, b.Repo, access.RepoListBranch); err != nil {
		return info, err
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		info, err = graph.InspectBranch(ctx, tx, b)
		return err
	})
	return info, err
}
