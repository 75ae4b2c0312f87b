package ref

import (
	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/kit"
)

// Flags are those of a command whose arguments name something in a project.
type Flags struct{ project string }

// Add adds --project to a command.
func (f *Flags) Add(c *cobra.Command) {
	c.Flags().StringVar(&f.project, "project", "", "project of the repository, in place of the context's")
}

// Reader reads the arguments of one command. Its errors are those of a command line
// that is not understood.
type Reader struct {
	// Project is what the arguments are in.
	Project string

	command *cobra.Command
}

// Reader knows the project: the one that is named, or the context's.
func (f *Flags) Reader(c *cobra.Command, k *kit.Kit) (Reader, error) {
	if f.project != "" {
		return Reader{Project: f.project, command: c}, nil
	}
	t, err := k.FindTarget(false)
	if err != nil {
		return Reader{}, err
	}
	return Reader{Project: t.Project, command: c}, nil
}

// In is the reader for another project, or the same for "".
func (r Reader) In(project string) Reader {
	if project != "" {
		r.Project = project
	}
	return r
}

func read[T any](r Reader, arg string, parse func(arg, project string) (*T, error)) (*T, error) {
	out, err := parse(arg, r.Project)
	if err != nil {
		return nil, kit.Usagef(r.command, "%s", err)
	}
	return out, nil
}

// Repo reads REPO[.TYPE].
func (r Reader) Repo(arg string) (*pfs.Repo, error) { return read(r, arg, ParseRepo) }

// Branch reads REPO@BRANCH.
func (r Reader) Branch(arg string) (*pfs.Branch, error) { return read(r, arg, ParseBranch) }

// Commit reads REPO@BRANCH-OR-COMMIT.
func (r Reader) Commit(arg string) (*pfs.Commit, error) { return read(r, arg, ParseCommit) }

// File reads REPO@BRANCH-OR-COMMIT[:PATH].
func (r Reader) File(arg string) (*pfs.File, error) { return read(r, arg, ParseFile) }

// Path reads REPO@BRANCH-OR-COMMIT:PATH, whose path may not be empty.
func (r Reader) Path(arg string) (*pfs.File, error) {
	f, err := r.File(arg)
	if err == nil && f.GetPath() == "" {
		repo := f.GetCommit().GetRepo().GetName()
		return nil, kit.Usagef(r.command, "%q names no file: write REPO@BRANCH-OR-COMMIT:PATH, such as %s@master:/a.png", arg, repo)
	}
	return f, err
}
