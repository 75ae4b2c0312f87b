package graph

import "pachyderm/internal/data/graph/row"

// What the graph is made of, and how it is named, is in row.
type (
	Repo       = row.Repo
	Branch     = row.Branch
	Ref        = row.Ref
	Project    = row.Project
	RepoInfo   = row.RepoInfo
	BranchInfo = row.BranchInfo
	CommitInfo = row.CommitInfo
	Source     = row.Source
	Trigger    = row.Trigger
	Made       = row.Made
	Origin     = row.Origin
)

// See row.
const (
	UserRepo       = row.UserRepo
	MetaRepo       = row.MetaRepo
	SpecRepo       = row.SpecRepo
	DefaultProject = row.DefaultProject
	ByUser         = row.ByUser
	ByRule         = row.ByRule
)
