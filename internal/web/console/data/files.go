package data

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc"

	"pachyderm/api/pfs"
	"pachyderm/internal/web/console/page"
)

// filesPerPage is how many files one page of a directory has.
const filesPerPage = 100

// maxPath bounds a path in an address, in bytes.
const maxPath = 16 << 10

// fileOf is the file or directory that the address names. A path keeps its white space,
// which a name may begin and end with.
func fileOf(c *page.Call, key string) *pfs.File {
	q := c.R.URL.Query()
	path := q.Get(key)
	return &pfs.File{Commit: commitOf(c), Path: path[:min(len(path), maxPath)], Datum: c.Query("datum")}
}

// atFile is the address of a page about a file.
func atFile(what string, f *pfs.File) string {
	q := url.Values{"path": {f.GetPath()}}
	if d := f.GetDatum(); d != "" && d != "default" {
		q.Set("datum", d)
	}
	commit := f.GetCommit()
	repo := commit.GetRepo()
	if repo == nil {
		repo = commit.GetBranch().GetRepo()
	}
	return at(repo, what, commit.GetId()) + "?" + q.Encode()
}

// fileLine is a file or directory in a list.
type fileLine struct {
	*pfs.FileInfo
	Name, To string
	Dir      bool
}

// where is a path within a commit, each directory with its page.
type where struct {
	Repo     link
	Commit   link
	Crumbs   []link // directories above, from the root
	Name     string // of what the page is about
	CommitID string
}

func whereIs(c *page.Call, path string) where {
	of := commitOf(c)
	w := where{
		Repo:     link{of.GetRepo().GetProject().GetName() + "/" + of.GetRepo().GetName(), at(of.GetRepo())},
		Commit:   link{of.GetId(), atCommit(of)},
		CommitID: of.GetId(),
	}
	w.Name = "/"
	parent := "/"
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if part == "" {
			continue
		}
		w.Crumbs = append(w.Crumbs, link{w.Name, atFile("files", &pfs.File{Commit: of, Path: parent})})
		parent += part + "/"
		w.Name = part
	}
	return w
}

type filesPage struct {
	where
	Files []fileLine
	More  string
}

// files are the files of a directory.
func files(c *page.Call) error {
	dir, marker := fileOf(c, "path"), fileOf(c, "after")
	dir.Path = cmp.Or(dir.GetPath(), "/")
	request := &pfs.ListFileRequest{File: dir, Number: filesPerPage + 1}
	if marker.GetPath() != "" {
		request.PaginationMarker = marker
	}
	dir.Datum = ""
	all, more, err := first(c, filesPerPage, func(ctx context.Context) (grpc.ServerStreamingClient[pfs.FileInfo], error) {
		return c.API.PFS.ListFile(ctx, request)
	})
	if err != nil {
		return err
	}
	p := filesPage{where: whereIs(c, dir.GetPath())}
	for _, f := range all {
		p.Files = append(p.Files, lineOf(dir.GetCommit(), f))
	}
	if more {
		last := all[len(all)-1].GetFile()
		p.More = at(repoOf(c), "files", c.R.PathValue("commit")) + "?" +
			url.Values{"path": {dir.GetPath()}, "after": {last.GetPath()}, "datum": {last.GetDatum()}}.Encode()
	}
	return c.Render(http.StatusOK, "data-files", p.Name+" in "+p.Repo.Name, p)
}

// lineOf keeps to the commit as the address names it: whoever looks at a branch goes on
// doing so.
func lineOf(commit *pfs.Commit, f *pfs.FileInfo) fileLine {
	path := f.GetFile().GetPath()
	line := fileLine{FileInfo: f, Dir: isDir(f), Name: path[strings.LastIndex(strings.TrimSuffix(path, "/"), "/")+1:]}
	of := &pfs.File{Commit: commit, Path: path, Datum: f.GetFile().GetDatum()}
	line.To = atFile("file", of)
	if line.Dir {
		line.To = atFile("files", of)
	}
	return line
}

type filePage struct {
	where
	*pfs.FileInfo
	preview
	Download string
}

// file is one file, with a preview of what is in it.
func file(c *page.Call) error {
	f := fileOf(c, "path")
	info, err := inspect(c)
	if err != nil {
		return err
	}
	p := filePage{where: whereIs(c, info.GetFile().GetPath()), FileInfo: info}
	f.Path = info.GetFile().GetPath()
	p.Download = atFile("download", f)
	if p.preview, err = previewOf(c, info); err != nil {
		return err
	}
	if p.IsImage {
		p.Image = atFile("image", f)
	}
	return c.Render(http.StatusOK, "data-file", p.Name+" in "+p.Repo.Name, p)
}

// inspect is the file that the address names, which is no directory.
func inspect(c *page.Call) (*pfs.FileInfo, error) {
	info, err := c.API.PFS.InspectFile(c.Context, &pfs.InspectFileRequest{File: fileOf(c, "path")})
	if err == nil && isDir(info) {
		err = page.Problem{
			Status: http.StatusNotFound, Title: "This is a directory", What: "There is no file of this name.",
			Next: "Go back, and choose a file of the directory.",
		}
	}
	return info, err
}
