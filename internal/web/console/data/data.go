package data

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/pfs"
	"pachyderm/internal/web/console/page"
)

// Routes are the pages, by method and path below the console's.
func Routes() map[string]page.Handler {
	const repo = "GET data/repo/{project}/{repo}"
	return map[string]page.Handler{
		"GET data": list, repo: one,
		repo + "/commit/{commit}": commit, repo + "/files/{commit}": files, repo + "/file/{commit}": file,
		repo + "/download/{commit}": download, repo + "/image/{commit}": image,
	}
}

// each are the messages of a stream, up to its end or the first error.
func each[M any](stream grpc.ServerStreamingClient[M], err error) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		for {
			m, err := stream.Recv()
			if errors.Is(err, io.EOF) || !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// first are at most so many messages of a call, which ends then, and whether there are
// more.
func first[M any](
	c *page.Call, most int, call func(ctx context.Context) (grpc.ServerStreamingClient[M], error),
) (all []*M, more bool, err error) {
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	for m, err := range each(call(ctx)) {
		if err != nil {
			return nil, false, err
		}
		if len(all) == most {
			return all, true, nil
		}
		all = append(all, m)
	}
	return all, false, nil
}

// denied reports whether it is the roles of the caller that leave something out of a
// page: it says so there, and shows the rest.
func denied(err error) bool { return status.Code(err) == codes.PermissionDenied }

// unlessDenied is an error that is of the whole page.
func unlessDenied(err error) error {
	if denied(err) {
		return nil
	}
	return err
}

// repoOf is the repository that the address names.
func repoOf(c *page.Call) *pfs.Repo {
	return &pfs.Repo{Name: c.R.PathValue("repo"), Type: "user", Project: &pfs.Project{Name: c.R.PathValue("project")}}
}

// commitOf is the commit that the address names.
func commitOf(c *page.Call) *pfs.Commit {
	return &pfs.Commit{Repo: repoOf(c), Id: c.R.PathValue("commit")}
}

// at is the address of a page of a repository.
func at(r *pfs.Repo, rest ...string) string {
	return page.Path(append([]string{"data", "repo", r.GetProject().GetName(), r.GetName()}, rest...)...)
}

// atCommit is the address of the page of a commit.
func atCommit(commit *pfs.Commit) string {
	repo := commit.GetRepo()
	if repo == nil {
		repo = commit.GetBranch().GetRepo()
	}
	return at(repo, "commit", commit.GetId())
}

// link is something that has a page.
type link struct{ Name, To string }

func commitLinks(all []*pfs.Commit, name func(*pfs.Commit) string) (out []link) {
	for _, one := range all {
		out = append(out, link{name(one), atCommit(one)})
	}
	return out
}

func id(c *pfs.Commit) string { return c.GetId() }

// nameElsewhere is a commit as it is known outside of its repository.
func nameElsewhere(c *pfs.Commit) string {
	return c.GetRepo().GetProject().GetName() + "/" + c.GetRepo().GetName() + "@" + c.GetId()
}

// repoLine is a repository in a list.
type repoLine struct {
	*pfs.RepoInfo
	To string
}

type listPage struct {
	Projects []*pfs.ProjectInfo
	Repos    []repoLine
	Page     int64 // from 0
	More     string
}

// list is the projects and repositories that the caller may know of.
func list(c *page.Call) error {
	p := listPage{}
	p.Page, _ = strconv.ParseInt(c.Query("page"), 10, 32) // what is no number is the first page
	p.Page = max(p.Page, 0)
	for project, err := range each(c.API.PFS.ListProject(c.Context, &pfs.ListProjectRequest{})) {
		if err != nil {
			return err
		}
		p.Projects = append(p.Projects, project)
	}
	request := &pfs.ListRepoRequest{Type: "user", Page: &pfs.RepoPage{PageSize: page.PageSize, PageIndex: p.Page}}
	for repo, err := range each(c.API.PFS.ListRepo(c.Context, request)) {
		if err != nil {
			return err
		}
		p.Repos = append(p.Repos, repoLine{repo, at(repo.GetRepo())})
	}
	if len(p.Repos) == page.PageSize {
		p.More = page.Root + "data?" + url.Values{"page": {strconv.FormatInt(p.Page+1, 10)}}.Encode()
	}
	return c.Render(http.StatusOK, "data", "Data", p)
}
