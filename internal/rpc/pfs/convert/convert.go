package convert

import (
	"cmp"

	authpb "pachyderm/api/auth"
	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/rpc/wire"
)

// Permissions are permissions by their numbers on the wire.
func Permissions(all []access.Permission) []authpb.Permission {
	out := make([]authpb.Permission, len(all))
	for i, p := range all {
		out[i] = authpb.Permission(p)
	}
	return out
}

// RepoOf is what a repository is called. Clients older than 2.5 know no projects, and some send no type.
func RepoOf(r *pb.Repo) graph.Repo {
	return graph.Repo{
		Project: cmp.Or(r.GetProject().GetName(), graph.DefaultProject), Name: r.GetName(), Type: cmp.Or(r.GetType(), graph.UserRepo),
	}
}

// BranchOf is what a branch is called.
func BranchOf(b *pb.Branch) graph.Branch {
	return graph.Branch{Repo: RepoOf(b.GetRepo()), Name: b.GetName()}
}

// RefOf reads what names a commit: since 2.6 the repository stands in the commit, and
// before only in its branch. An id may be the name of a branch.
func RefOf(c *pb.Commit) graph.Ref {
	r := c.GetRepo()
	if r == nil {
		r = c.GetBranch().GetRepo()
	}
	return graph.Ref{Repo: RepoOf(r), Name: cmp.Or(c.GetId(), c.GetBranch().GetName())}
}

// OptionalRef is nil for what is not there.
func OptionalRef(c *pb.Commit) *graph.Ref {
	if c == nil || c.GetId() == "" && c.GetBranch().GetName() == "" {
		return nil
	}
	r := RefOf(c)
	return &r
}

// InRepo is a commit in the repository that a request is about, which is the only one
// that its caller was asked about.
func InRepo(ref *graph.Ref, r graph.Repo) *graph.Ref {
	if ref == nil {
		return nil
	}
	return &graph.Ref{Repo: r, Name: ref.Name}
}

// ToProject names a project.
func ToProject(name string) *pb.Project { return &pb.Project{Name: name} }

// ToRepo names a repository.
func ToRepo(r graph.Repo) *pb.Repo {
	return &pb.Repo{Name: r.Name, Type: r.Type, Project: ToProject(r.Project)}
}

// ToBranch names a branch.
func ToBranch(b graph.Branch) *pb.Branch { return &pb.Branch{Repo: ToRepo(b.Repo), Name: b.Name} }

// ToCommit fills both places of the repository, for clients of all versions.
func ToCommit(r graph.Repo, id, branch string) *pb.Commit {
	if id == "" {
		return nil
	}
	return &pb.Commit{Repo: ToRepo(r), Id: id, Branch: &pb.Branch{Repo: ToRepo(r), Name: branch}}
}

// ToBranches names branches.
func ToBranches(all []graph.Branch) []*pb.Branch {
	out := make([]*pb.Branch, len(all))
	for i, b := range all {
		out[i] = ToBranch(b)
	}
	return out
}

// ToRepoInfo is a repository as it is.
func ToRepoInfo(r graph.RepoInfo) *pb.RepoInfo {
	out := &pb.RepoInfo{
		Repo: ToRepo(r.Repo), Created: wire.Timestamp(r.Created), SizeBytesUpperBound: r.Size, Description: r.Description,
		Branches: ToBranches(r.Branches), Metadata: r.Metadata,
	}
	if r.Sized {
		out.Details = &pb.RepoInfo_Details{SizeBytes: r.Size}
	}
	return out
}

// ToCommitInfo is a commit as it is.
func ToCommitInfo(c graph.CommitInfo) *pb.CommitInfo {
	out := &pb.CommitInfo{
		Commit: ToCommit(c.Repo, c.ID, c.Branch), Origin: &pb.CommitOrigin{Kind: pb.OriginKind(c.Origin)}, Description: c.Description,
		ParentCommit: ToCommit(c.Repo, c.Parent, c.Branch), Started: wire.Timestamp(c.Started), Finishing: wire.Timestamp(c.Finished),
		Finished: wire.Timestamp(c.Finished), Error: c.Error, SizeBytesUpperBound: c.Size, CreatedBy: c.CreatedBy,
		CreatedAt: wire.Timestamp(c.Started), UpdatedAt: wire.Timestamp(cmp.Or(c.Finished, c.Started)), Metadata: c.Metadata,
	}
	for _, child := range c.Children {
		out.ChildCommits = append(out.ChildCommits, ToCommit(c.Repo, child, c.Branch))
	}
	for _, m := range c.Provenance {
		out.DirectProvenance = append(out.DirectProvenance, ToCommit(m.Repo, m.ID, m.Branch))
	}
	for _, m := range c.Subvenance {
		out.DirectSubvenance = append(out.DirectSubvenance, ToCommit(m.Repo, m.ID, m.Branch))
	}
	if !c.Open() {
		out.Details = &pb.CommitInfo_Details{SizeBytes: c.Size}
	}
	return out
}

// ToBranchInfo is a branch as it is.
func ToBranchInfo(b graph.BranchInfo) *pb.BranchInfo {
	out := &pb.BranchInfo{
		Branch: ToBranch(b.Branch), Head: ToCommit(b.Head.Repo, b.Head.Name, b.Name), Provenance: ToBranches(b.Sources),
		Subvenance: ToBranches(b.Made), Trigger: ToTrigger(b.Trigger), CreatedBy: b.CreatedBy,
		CreatedAt: wire.Timestamp(b.Created), UpdatedAt: wire.Timestamp(b.Updated), Metadata: b.Metadata,
	}
	for _, s := range b.Direct {
		out.DirectProvenance = append(out.DirectProvenance, ToBranch(s.Branch))
		if s.Never {
			out.BranchPropagationSpecs = append(out.BranchPropagationSpecs,
				&pb.BranchPropagationSpec{Branch: ToBranch(s.Branch), PropagationSpec: &pb.PropagationSpec{Never: true}})
		}
	}
	return out
}

// ToTrigger is a trigger, nil for none.
func ToTrigger(t graph.Trigger) *pb.Trigger {
	if t == (graph.Trigger{}) {
		return nil
	}
	return &pb.Trigger{Branch: t.Branch, All: t.All, RateLimitSpec: t.Rate, Size: t.Size, Commits: t.Commits, CronSpec: t.Cron}
}

// TriggerOf is a trigger, the zero one for nil.
func TriggerOf(t *pb.Trigger) graph.Trigger {
	return graph.Trigger{
		Branch: t.GetBranch(), All: t.GetAll(), Rate: t.GetRateLimitSpec(), Cron: t.GetCronSpec(), Size: t.GetSize(), Commits: t.GetCommits(),
	}
}

// SourcesOf are the branches that a branch is to be made from.
func SourcesOf(req *pb.CreateBranchRequest) []graph.Source {
	never := map[graph.Branch]bool{}
	for _, spec := range req.GetBranchPropagationSpecs() {
		never[BranchOf(spec.GetBranch())] = spec.GetPropagationSpec().GetNever()
	}
	var all []graph.Source
	for _, p := range req.GetProvenance() {
		b := BranchOf(p)
		all = append(all, graph.Source{Branch: b, Never: never[b]})
	}
	return all
}
