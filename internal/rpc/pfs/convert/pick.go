package convert

import (
	pb "pachyderm/api/pfs"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/fault"
)

// maxPicker is how deep pickers of commits may be in one another.
const maxPicker = 10

// PickCommit reads a picker. Fault: Invalid.
func PickCommit(p *pb.CommitPicker) (graph.Ref, error) { return pickCommit(p, 0) }

func pickCommit(p *pb.CommitPicker, deep int) (graph.Ref, error) {
	switch {
	case deep > maxPicker:
		return graph.Ref{}, fault.New(fault.Invalid, "pickers of commits are %d deep in one another", deep)
	case p.GetBranchHead() != nil:
		b := PickBranch(p.GetBranchHead())
		return graph.Ref(b), nil
	case p.GetId() != nil:
		return graph.Ref{Repo: PickRepo(p.GetId().GetRepo()), Name: p.GetId().GetId()}, nil
	case p.GetAncestor() != nil:
		start, err := pickCommit(p.GetAncestor().GetStart(), deep+1)
		return start.Back(p.GetAncestor().GetOffset()), err
	case p.GetBranchRoot() != nil:
		b := PickBranch(p.GetBranchRoot().GetBranch())
		return graph.Ref(b).FromRoot(p.GetBranchRoot().GetOffset()), nil
	}
	return graph.Ref{}, fault.New(fault.Invalid, "validate request: a picker of a commit is required")
}

// PickRepo reads a picker.
func PickRepo(p *pb.RepoPicker) graph.Repo {
	n := p.GetName()
	return RepoOf(&pb.Repo{Name: n.GetName(), Type: n.GetType(), Project: ToProject(n.GetProject().GetName())})
}

// PickBranch reads a picker.
func PickBranch(p *pb.BranchPicker) graph.Branch {
	return graph.Branch{Repo: PickRepo(p.GetName().GetRepo()), Name: p.GetName().GetName()}
}
