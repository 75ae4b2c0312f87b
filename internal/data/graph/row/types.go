package row

import (
	"time"

	"pachyderm/internal/fault"
)

// Project is a project as it is.
type Project struct {
	Name, Description string
	Created           time.Time // zero for the one that was always there
	CreatedBy         string
	Metadata          Metadata
}

// RepoInfo is a repository as it is.
type RepoInfo struct {
	Repo
	Description string
	Created     time.Time
	Metadata    Metadata
	Branches    []Branch // by when they were made
	// Size is the size in bytes of the newest commit on the way back from the head of
	// master that has finished, and Sized whether there is one.
	Size  int64
	Sized bool

	Key int64 // of the row
}

// Origin says why there is a commit. The numbers are the wire's.
type Origin int32

// The origins: somebody made it, or it follows from another.
const (
	ByUser Origin = 1
	ByRule Origin = 2
)

// CommitInfo is a commit as it is.
type CommitInfo struct {
	Repo        Repo
	ID          string // the global id
	Branch      string // on which it was made
	Origin      Origin
	Description string
	Started     time.Time
	Finished    time.Time // zero while it is open
	// Error says why its files are not inherited; "" for a good one.
	Error     string
	Size      int64 // of its files, in bytes
	Root      []byte
	CreatedBy string
	Metadata  Metadata
	// Forgotten says that what it held was forgotten, so that nothing can be read.
	Forgotten bool

	// Parent is the id of the commit before it in the repository, or "".
	Parent     string
	Children   []string
	Provenance []Made // what it was made from, and what was made from it: in other repositories
	Subvenance []Made

	Key, ParentKey, Seq, RepoKey int64 // of rows
}

// Made is a commit that another was made from, or that was made from it.
type Made struct {
	Repo       Repo
	ID, Branch string
}

// Ref is the commit by its id.
func (c CommitInfo) Ref() Ref { return Ref{c.Repo, c.ID} }

// Open reports whether the commit can still be written to.
func (c CommitInfo) Open() bool { return c.Finished.IsZero() }

// NotFoundAs says of a row that is not there what was looked for, unless err says it.
func NotFoundAs(err, instead error, said bool) error {
	if said || !fault.Is(err, fault.NotFound) {
		return err
	}
	return instead
}

// BranchInfo is a branch as it is.
type BranchInfo struct {
	Branch
	Head      Ref
	Direct    []Source // the branches that it was said to be made from
	Sources   []Branch // and those that these are made from, those with the fewest first
	Made      []Branch // what is made from it, directly or not
	Trigger   Trigger
	Created   time.Time
	Updated   time.Time
	CreatedBy string
	Metadata  Metadata

	Key, RepoKey, HeadKey int64 // of rows
}

// Source is a branch that another is made from.
type Source struct {
	Branch Branch
	// Never says that new commits there make none here.
	Never bool
}

// Trigger moves the head of a branch to a commit of another branch of its
// repository when that has finished and the conditions hold: all, or any of them.
// The zero Trigger is none.
type Trigger struct {
	Branch  string
	All     bool
	Rate    string // cron: at most once between two of its times
	Cron    string // cron: at its times; excludes the others
	Size    string // so much more, such as 10MB (decimal)
	Commits int64  // so many more
}
