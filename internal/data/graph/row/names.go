package row

import (
	"fmt"
	"regexp"
	"strings"

	"pachyderm/internal/access"
	"pachyderm/internal/fault"
)

// The types of repositories: what people make, what a pipeline writes about its
// datums, and its versions. The last two exist only beside the first.
const (
	UserRepo = "user"
	MetaRepo = "meta"
	SpecRepo = "spec"
)

// DefaultProject is there from the start, and meant where none is named.
const DefaultProject = "default"

// FileSets is the name of a repository that is none: what stands there for a commit is
// a file set, and its id the set's, as upstream has it.
const FileSets = "__filesets__"

// Repo names a repository.
type Repo struct{ Project, Name, Type string }

// String is project/name, and project/name.type for what people did not make.
func (r Repo) String() string {
	if r.Type == UserRepo {
		return r.Project + "/" + r.Name
	}
	return r.Project + "/" + r.Name + "." + r.Type
}

// Resource is what roles are bound on: those of a user's repository count for the
// others beside it, whose specification everybody may read.
func (r Repo) Resource() access.Resource {
	t := access.Repo
	if r.Type == SpecRepo {
		t = access.SpecRepo
	}
	return access.Resource{Type: t, Name: r.Project + "/" + r.Name}
}

// Branch names a branch.
type Branch struct {
	Repo Repo
	Name string
}

func (b Branch) String() string { return b.Repo.String() + "@" + b.Name }

// Ref names a commit: by its global id or by the branch of which it is the head;
// either may go on with ancestry, such as master^2 or master.1.
type Ref struct {
	Repo Repo
	Name string
}

func (r Ref) String() string { return r.Repo.String() + "@" + r.Name }

// Back is the commit so many parents before.
func (r Ref) Back(n uint32) Ref {
	if n == 0 {
		return r
	}
	return Ref{r.Repo, fmt.Sprintf("%s~%d", r.Name, n)}
}

// FromRoot is the commit so many after the first of a branch.
func (r Ref) FromRoot(n uint32) Ref { return Ref{r.Repo, fmt.Sprintf("%s.%d", r.Name, uint64(n)+1)} }

// The longest names. A project's leaves room for what Kubernetes makes of it.
const (
	maxProject = 51
	maxName    = 255
)

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	idForm   = regexp.MustCompile(`^[0-9a-f]{12}4[0-9a-f]{19}$`)
)

// IsID reports whether a text has the form of a global id: a UUID of version 4
// without dashes.
func IsID(s string) bool { return idForm.MatchString(s) }

func checkName(what, name string, longest int) error {
	if !nameForm.MatchString(name) {
		// The text is upstream's, which clients look for.
		return fault.New(fault.Invalid, "%s name (%s) invalid: only alphanumeric characters, underscores, and dashes are allowed", what,
			fault.Clean(name, maxName))
	}
	if len(name) > longest {
		return fault.New(fault.Invalid, "%s name has %d characters, and may have %d", what, len(name), longest).
			Next("choose a shorter one")
	}
	return nil
}

// CheckProject holds a name to what a project's can be. Fault: Invalid.
func CheckProject(name string) error {
	if err := checkName("project", name, maxProject); err != nil {
		return err
	}
	if strings.IndexByte("_-", name[0]) >= 0 {
		return fault.New(fault.Invalid, "project name (%s) invalid: it must begin with a letter or a digit", name)
	}
	return nil
}

// Check holds the name of a repository to what it can be. Fault: Invalid.
func (r Repo) Check() error {
	if err := CheckProject(r.Project); err != nil {
		return err
	}
	switch r.Type {
	case UserRepo, MetaRepo, SpecRepo:
	default:
		return fault.New(fault.Invalid, "unknown type of repository %q", fault.Clean(r.Type, maxName)).Next("use user, meta or spec")
	}
	return checkName("repo", r.Name, maxName)
}

// CheckNew is Check for a repository that is to be made. Fault: Invalid.
func (r Repo) CheckNew() error {
	if r.Name == FileSets {
		return fault.New(fault.Invalid, "repo name (%s) invalid: it is what file sets are named by", r.Name).Next("choose another name")
	}
	return r.Check()
}

// Check holds the name of a branch to what it can be: a global id names a commit.
// Fault: Invalid.
func (b Branch) Check() error {
	if err := b.Repo.Check(); err != nil {
		return err
	}
	if IsID(b.Name) {
		return fault.New(fault.Invalid, "branch name %s invalid: it has the form of a commit's id", b.Name).Next("choose another name")
	}
	return checkName("branch", b.Name, maxName)
}

// Errors of what is not there, in upstream's words, which clients look for. Those
// who may not see it hear the same (decision 0008).
func ErrNoProject(name string) error {
	return fault.New(fault.NotFound, "project %q not found", fault.Clean(name, maxName)).
		Next("see what there is: pachctl list project")
}

// ErrNoRepo is for a repository that is not there, or that the caller may not see.
func ErrNoRepo(r Repo) error {
	return fault.New(fault.NotFound, "repo %s not found", fault.Clean(r.String(), 2*maxName)).
		Next("see what there is: pachctl list repo --all-projects")
}

func ErrNoBranch(b Branch) error {
	return fault.New(fault.NotFound, "branch %q not found in repo %s", fault.Clean(b.Name, maxName), b.Repo).
		Next("see what there is: pachctl list branch %s", b.Repo.Name)
}

func ErrNoCommit(r Ref) error {
	return fault.New(fault.NotFound, "commit %s not found", fault.Clean(r.String(), 3*maxName)).
		Next("see what there is: pachctl list commit %s", r.Repo.Name)
}
