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
	FileSets       = row.FileSets
	ByUser         = row.ByUser
	ByRule         = row.ByRule
)

// ErrNoRepo is for a repository that is not there, or that the caller may not see.
func ErrNoRepo(r Repo) error { return row.ErrNoRepo(r) }

// ErrNoProject is for a project that is not there, or that the caller may not see.
func ErrNoProject(name string) error { return row.ErrNoProject(name) }

// CheckText holds what somebody says of something to what can be shown. Fault: Invalid.
func CheckText(what, text string) error { return row.CheckText(what, text) }

// IsID reports whether a text has the form of a global id.
func IsID(s string) bool { return row.IsID(s) }
