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
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
)

// CreateRepo makes a repository or, with update, changes what is said of one.
func (s *Server) CreateRepo(ctx context.Context, req *pb.CreateRepoRequest) (*emptypb.Empty, error) {
	_, err := s.step(ctx, &txnpb.TransactionRequest{CreateRepo: req})
	return &emptypb.Empty{}, err
}

// createRepo does not say of a project that the caller does not see whether it exists.
// An update makes the repository if there is none, as upstream does.
func createRepo(ctx context.Context, c *graph.Change, req *pb.CreateRepoRequest) error {
	r := convert.RepoOf(req.GetRepo())
	if err := r.Check(); err != nil {
		return err
	}
	if err := guard.AllowProject(ctx, r.Project, access.ProjectCreateRepo); err != nil {
		return err
	}
	if req.GetUpdate() {
		_, err := graph.InspectRepo(ctx, c.Tx(), r)
		if err == nil {
			err = guard.Allow(ctx, r, access.RepoWrite)
		}
		if err == nil {
			err = c.DescribeRepo(ctx, r, req.GetDescription())
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	if err := c.CreateRepo(ctx, r, req.GetDescription()); err != nil {
		return err
	}
	guard.Made(ctx, r)
	return nil
}

// InspectRepo is for whoever may see the repository.
func (s *Server) InspectRepo(ctx context.Context, req *pb.InspectRepoRequest) (*pb.RepoInfo, error) {
	r := convert.RepoOf(req.GetRepo())
	if err := guard.Allow(ctx, r); err != nil {
		return nil, err
	}
	var info graph.RepoInfo
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		info, err = graph.InspectRepo(ctx, tx, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return withAuth(session.FromContext(ctx), info), nil
}

func withAuth(c session.Caller, info graph.RepoInfo) *pb.RepoInfo {
	out := convert.ToRepoInfo(info)
	out.AuthInfo = authInfo(c, info.Resource())
	return out
}

// ListRepo sends the repositories that the caller may see.
func (s *Server) ListRepo(req *pb.ListRepoRequest, stream pb.API_ListRepoServer) error {
	ctx := stream.Context()
	if err := checkPage(req.GetPage()); err != nil {
		return err
	}
	all, err := s.repos(ctx, names(req.GetProjects()), req.GetType())
	if err != nil {
		return err
	}
	for _, r := range pageOf(all, req.GetPage()) {
		if err := stream.Send(withAuth(session.FromContext(ctx), r)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) repos(ctx context.Context, inProjects []string, ofType string) (seen []graph.RepoInfo, err error) {
	var all []graph.RepoInfo
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		all, err = graph.Repos(ctx, tx, inProjects, ofType)
		return err
	})
	for _, r := range all {
		if guard.Sees(session.FromContext(ctx), r.Repo) {
			seen = append(seen, r)
		}
	}
	return seen, err
}

// checkPage holds a page to what there can be. Fault: Invalid.
func checkPage(p *pb.RepoPage) error {
	if p.GetPageSize() < 0 || p.GetPageIndex() < 0 {
		return fault.New(fault.Invalid, "page %d, with %d repositories to a page", p.GetPageIndex(), p.GetPageSize()).
			Next("use numbers from 0 on: the first page is 0, and a size of 0 is all")
	}
	return nil
}

// pageOf is a page that checkPage has seen. No number is greater than there are elements
// before it is calculated with.
func pageOf[T any](all []T, p *pb.RepoPage) []T {
	many := int64(len(all))
	size := min(p.GetPageSize(), many)
	if size == 0 {
		return all
	}
	from := min(min(p.GetPageIndex(), many)*size, many)
	return all[from:min(from+size, many)]
}

func names(projects []*pb.Project) (all []string) {
	for _, p := range projects {
		all = append(all, p.GetName())
	}
	return all
}

// DeleteRepo says whether the repository was deleted: without the right to, it is not,
// and that is no error, as upstream has it.
func (s *Server) DeleteRepo(ctx context.Context, req *pb.DeleteRepoRequest) (*pb.DeleteRepoResponse, error) {
	r := convert.RepoOf(req.GetRepo())
	if err := guard.Allow(ctx, r, access.RepoDelete); fault.Is(err, fault.Denied) {
		return &pb.DeleteRepoResponse{}, nil
	} else if err != nil {
		return nil, err
	}
	_, err := s.step(ctx, &txnpb.TransactionRequest{DeleteRepo: req})
	if fault.Is(err, fault.NotFound) {
		return &pb.DeleteRepoResponse{}, nil
	}
	return &pb.DeleteRepoResponse{Deleted: err == nil}, err
}

// DeleteRepos deletes those that the caller may delete, of some projects or of all.
func (s *Server) DeleteRepos(ctx context.Context, req *pb.DeleteReposRequest) (*pb.DeleteReposResponse, error) {
	if len(req.GetProjects()) == 0 && !req.GetAll() {
		return nil, guard.Required("projects, or all")
	}
	all, err := s.repos(ctx, names(req.GetProjects()), graph.UserRepo)
	if err != nil {
		return nil, err
	}
	out := &pb.DeleteReposResponse{}
	err = s.change(ctx, func(c *graph.Change) error {
		out.Repos, err = deleteAllowed(ctx, c, all, req.GetForce())
		return err
	})
	return out, err
}

func deleteAllowed(ctx context.Context, c *graph.Change, all []graph.RepoInfo, force bool) (gone []*pb.Repo, err error) {
	for _, r := range all {
		if guard.Allow(ctx, r.Repo, access.RepoDelete) != nil {
			continue
		}
		if err := c.DeleteRepo(ctx, r.Repo, force); err != nil {
			return nil, err
		}
		gone = append(gone, convert.ToRepo(r.Repo))
	}
	return gone, nil
}
