package pfs

import (
	"cmp"

	authpb "pachyderm/api/auth"
	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/rpc/wire"
)

func enums(all []access.Permission) []authpb.Permission {
	out := make([]authpb.Permission, len(all))
	for i, p := range all {
		out[i] = authpb.Permission(p)
	}
	return out
}

// Clients older than 2.5 know no projects, and some send no type.
func repoOf(r *pb.Repo) graph.Repo {
	return graph.Repo{
		Project: cmp.Or(r.GetProject().GetName(), graph.DefaultProject), Name: r.GetName(), Type: cmp.Or(r.GetType(), graph.UserRepo),
	}
}

func branchOf(b *pb.Branch) graph.Branch {
	return graph.Branch{Repo: repoOf(b.GetRepo()), Name: b.GetName()}
}

// refOf reads what names a commit: since 2.6 the repository stands in the commit, and
// before only in its branch. An id may be the name of a branch.
func refOf(c *pb.Commit) graph.Ref {
	r := c.GetRepo()
	if r == nil {
		r = c.GetBranch().GetRepo()
	}
	return graph.Ref{Repo: repoOf(r), Name: cmp.Or(c.GetId(), c.GetBranch().GetName())}
}

// optionalRef is nil for what is not there.
func optionalRef(c *pb.Commit) *graph.Ref {
	if c == nil || c.GetId() == "" && c.GetBranch().GetName() == "" {
		return nil
	}
	r := refOf(c)
	return &r
}

// inRepo is a commit in the repository that a request is about, which is the only one
// that its caller was asked about.
func inRepo(ref *graph.Ref, r graph.Repo) *graph.Ref {
	if ref == nil {
		return nil
	}
	return &graph.Ref{Repo: r, Name: ref.Name}
}

func toProject(name string) *pb.Project { return &pb.Project{Name: name} }

func toRepo(r graph.Repo) *pb.Repo {
	return &pb.Repo{Name: r.Name, Type: r.Type, Project: toProject(r.Project)}
}

func toBranch(b graph.Branch) *pb.Branch { return &pb.Branch{Repo: toRepo(b.Repo), Name: b.Name} }

// toCommit fills both places of the repository, for clients of all versions.
func toCommit(r graph.Repo, id, branch string) *pb.Commit {
	if id == "" {
		return nil
	}
	return &pb.Commit{Repo: toRepo(r), Id: id, Branch: &pb.Branch{Repo: toRepo(r), Name: branch}}
}

func toBranches(all []graph.Branch) []*pb.Branch {
	out := make([]*pb.Branch, len(all))
	for i, b := range all {
		out[i] = toBranch(b)
	}
	return out
}

func toRepoInfo(r graph.RepoInfo) *pb.RepoInfo {
	out := &pb.RepoInfo{
		Repo: toRepo(r.Repo), Created: wire.Timestamp(r.Created), SizeBytesUpperBound: r.Size, Description: r.Description,
		Branches: toBranches(r.Branches),
	}
	if r.Sized {
		out.Details = &pb.RepoInfo_Details{SizeBytes: r.Size}
	}
	return out
}

func toCommitInfo(c graph.CommitInfo) *pb.CommitInfo {
	out := &pb.CommitInfo{
		Commit: toCommit(c.Repo, c.ID, c.Branch), Origin: &pb.CommitOrigin{Kind: pb.OriginKind(c.Origin)}, Description: c.Description,
		ParentCommit: toCommit(c.Repo, c.Parent, c.Branch), Started: wire.Timestamp(c.Started), Finishing: wire.Timestamp(c.Finished),
		Finished: wire.Timestamp(c.Finished), Error: c.Error, SizeBytesUpperBound: c.Size, CreatedBy: c.CreatedBy,
		CreatedAt: wire.Timestamp(c.Started), UpdatedAt: wire.Timestamp(cmp.Or(c.Finished, c.Started)),
	}
	for _, child := range c.Children {
		out.ChildCommits = append(out.ChildCommits, toCommit(c.Repo, child, c.Branch))
	}
	for _, m := range c.Provenance {
		out.DirectProvenance = append(out.DirectProvenance, toCommit(m.Repo, m.ID, m.Branch))
	}
	for _, m := range c.Subvenance {
		out.DirectSubvenance = append(out.DirectSubvenance, toCommit(m.Repo, m.ID, m.Branch))
	}
	if !c.Open() {
		out.Details = &pb.CommitInfo_Details{SizeBytes: c.Size}
	}
	return out
}

func toBranchInfo(b graph.BranchInfo) *pb.BranchInfo {
	out := &pb.BranchInfo{
		Branch: toBranch(b.Branch), Head: toCommit(b.Head.Repo, b.Head.Name, b.Name), Provenance: toBranches(b.Sources),
		Subvenance: toBranches(b.Made), Trigger: toTrigger(b.Trigger), CreatedBy: b.CreatedBy,
		CreatedAt: wire.Timestamp(b.Created), UpdatedAt: wire.Timestamp(b.Updated),
	}
	for _, s := range b.Direct {
		out.DirectProvenance = append(out.DirectProvenance, toBranch(s.Branch))
		if s.Never {
			out.BranchPropagationSpecs = append(out.BranchPropagationSpecs,
				&pb.BranchPropagationSpec{Branch: toBranch(s.Branch), PropagationSpec: &pb.PropagationSpec{Never: true}})
		}
	}
	return out
}

func toTrigger(t graph.Trigger) *pb.Trigger {
	if t == (graph.Trigger{}) {
		return nil
	}
	return &pb.Trigger{Branch: t.Branch, All: t.All, RateLimitSpec: t.Rate, Size: t.Size, Commits: t.Commits, CronSpec: t.Cron}
}

func triggerOf(t *pb.Trigger) graph.Trigger {
	return graph.Trigger{
		Branch: t.GetBranch(), All: t.GetAll(), Rate: t.GetRateLimitSpec(), Cron: t.GetCronSpec(), Size: t.GetSize(), Commits: t.GetCommits(),
	}
}

// sourcesOf are the branches that a branch is to be made from.
func sourcesOf(req *pb.CreateBranchRequest) []graph.Source {
	never := map[graph.Branch]bool{}
	for _, spec := range req.GetBranchPropagationSpecs() {
		never[branchOf(spec.GetBranch())] = spec.GetPropagationSpec().GetNever()
	}
	var all []graph.Source
	for _, p := range req.GetProvenance() {
		b := branchOf(p)
		all = append(all, graph.Source{Branch: b, Never: never[b]})
	}
	return all
}
