package ref

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pachyderm/api/pfs"
)

// SyntaxError is an argument that names nothing.
type SyntaxError struct{ text string }

func (e *SyntaxError) Error() string { return e.text }

func syntaxf(format string, a ...any) error { return &SyntaxError{fmt.Sprintf(format, a...)} }

// IsID reports whether a name is the id of a commit: a UUID of version 4 without dashes.
func IsID(name string) bool {
	return len(name) == 32 && name[12] == '4' && strings.Trim(name, "0123456789abcdef") == ""
}

// plain is a name without ancestry.
var plain = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// ParseRepo reads REPO or REPO.TYPE. Error: SyntaxError.
func ParseRepo(arg, project string) (*pfs.Repo, error) {
	name, kind, typed := strings.Cut(arg, ".")
	switch {
	case arg == "":
		return nil, syntaxf("the name of the repository is empty: write it as REPO, such as images")
	case strings.Contains(arg, "@"):
		return nil, syntaxf("%q names more than a repository: leave out the @ and what follows", arg)
	case strings.Contains(arg, ":"):
		return nil, syntaxf("%q names no repository: a path stands behind a branch, such as images@master:/a.png", arg)
	case strings.Contains(arg, "/"):
		return nil, noSlash(arg)
	case typed && !slices.Contains([]string{"user", "meta", "spec"}, kind):
		return nil, syntaxf("%q names no repository: names hold no dots, and the type behind one is user, meta or spec", arg)
	case name == "":
		return nil, syntaxf("%q names no repository: its name stands before the dot", arg)
	case !typed:
		kind = "user"
	}
	return &pfs.Repo{Name: name, Type: kind, Project: &pfs.Project{Name: project}}, nil
}

// noSlash is for who writes the project into the argument.
func noSlash(arg string) error {
	project, rest, _ := strings.Cut(arg, "/")
	if plain.MatchString(project) && rest != "" {
		return syntaxf("the name of a repository holds no /: if %q is its project, write %s --project %s", project, rest, project)
	}
	return syntaxf("%q names no repository: names hold letters, digits, dashes and underscores", arg)
}

// cutRepo reads what stands before the @. what is what should stand behind it.
func cutRepo(arg, project, what, example string) (*pfs.Repo, string, error) {
	name, rest, ok := strings.Cut(arg, "@")
	switch {
	case !ok && strings.Contains(arg, ":"):
		before, path, _ := strings.Cut(arg, ":")
		return nil, "", syntaxf("%q has no @: write REPO@%s, such as %s@master:%s", arg, what, before, path)
	case !ok && IsID(arg):
		return nil, "", syntaxf("%q is the id of a commit: which repository's? write REPO@%s", arg, arg)
	case !ok:
		return nil, "", syntaxf("%q has no @: write REPO@%s, such as %s", arg, what, example)
	case name == "":
		return nil, "", syntaxf("%q names no repository: write REPO@%s, such as %s", arg, what, example)
	case rest == "":
		return nil, "", syntaxf("behind the @ of %q stands nothing: write REPO@%s, such as %s@master", arg, what, name)
	}
	repo, err := ParseRepo(name, project)
	return repo, rest, err
}

// ParseBranch reads REPO@BRANCH. Error: SyntaxError.
func ParseBranch(arg, project string) (*pfs.Branch, error) {
	repo, name, err := cutRepo(arg, project, "BRANCH", "images@master")
	switch {
	case err != nil:
		return nil, err
	case strings.Contains(name, ":"):
		return nil, syntaxf("%q names a path, where only a branch is asked for: leave out the : and what follows", arg)
	case IsID(name):
		return nil, syntaxf("%q names a commit, where a branch is asked for", arg)
	case !plain.MatchString(name):
		return nil, syntaxf("%q is no name of a branch: names hold letters, digits, dashes and underscores", name)
	}
	return &pfs.Branch{Repo: repo, Name: name}, nil
}

// ParseCommit reads REPO@BRANCH-OR-COMMIT[=ID]. Error: SyntaxError.
func ParseCommit(arg, project string) (*pfs.Commit, error) {
	repo, name, err := cutRepo(arg, project, "BRANCH-OR-COMMIT", "images@master")
	if err != nil {
		return nil, err
	}
	if strings.Contains(name, ":") {
		return nil, syntaxf("%q names a path, where only a commit is asked for: leave out the : and what follows", arg)
	}
	return commitOf(arg, repo, name)
}

// commitOf reads what stands behind the @. Only what is a branch by its form is one:
// master^ goes to the server as an id.
func commitOf(arg string, repo *pfs.Repo, name string) (*pfs.Commit, error) {
	branch, id, both := strings.Cut(name, "=")
	switch {
	case strings.Contains(name, "/"):
		commit, path, _ := strings.Cut(name, "/")
		return nil, syntaxf("a path stands behind a colon: write %s@%s:/%s", repo.GetName(), commit, path)
	case strings.Contains(name, "@"):
		return nil, syntaxf("%q has two @: write REPO@BRANCH-OR-COMMIT", arg)
	case name == "" || branch == "" || both && id == "":
		return nil, syntaxf("%q names no commit: write REPO@BRANCH-OR-COMMIT, such as %s@master", arg, repo.GetName())
	case both && !plain.MatchString(branch):
		return nil, syntaxf("%q is no name of a branch, which stands before the =", branch)
	case !both && (IsID(name) || !plain.MatchString(name)):
		branch, id = "", name
	}
	return &pfs.Commit{Repo: repo, Id: id, Branch: &pfs.Branch{Repo: repo, Name: branch}}, nil
}

// ParseFile reads REPO@BRANCH-OR-COMMIT[=ID][:PATH]; the path is "" if there is none.
// Error: SyntaxError.
func ParseFile(arg, project string) (*pfs.File, error) {
	repo, rest, err := cutRepo(arg, project, "BRANCH-OR-COMMIT:PATH", "images@master:/a.png")
	if err != nil {
		return nil, err
	}
	name, path, _ := strings.Cut(rest, ":")
	commit, err := commitOf(arg, repo, name)
	if err != nil {
		return nil, err
	}
	return &pfs.File{Commit: commit, Path: path}, nil
}
