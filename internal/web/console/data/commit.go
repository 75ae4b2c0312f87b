package data

import (
	"context"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/pfs"
	"pachyderm/internal/web/console/page"
)

// maxChanges is how many changes the page of a commit has.
const maxChanges = 200

// change is a file that is not as in the parent.
type change struct {
	Op   string // added, changed or removed
	Path string
	Size int64 // in bytes, of what there is now, or was before it was removed
	To   string
}

type commitPage struct {
	*pfs.CommitInfo
	Repo                     *pfs.Repo
	Back, Files              string
	Parent                   []link
	Children                 []link
	Provenance, Subvenance   []link
	Changes                  []change
	MoreChanges              bool
	ChangesDenied            bool
	NoChanges, NoChangesNext string // why what changed cannot be told; may be empty
}

// commit is one commit.
func commit(c *page.Call) error {
	info, err := c.API.PFS.InspectCommit(c.Context, &pfs.InspectCommitRequest{Commit: commitOf(c)})
	if err != nil {
		return err
	}
	repo := repoOf(c)
	p := commitPage{
		CommitInfo: info, Repo: repo, Back: at(repo), Files: at(repo, "files", info.GetCommit().GetId()),
		Children:   commitLinks(info.GetChildCommits(), id),
		Provenance: commitLinks(info.GetDirectProvenance(), nameElsewhere), Subvenance: commitLinks(info.GetDirectSubvenance(), nameElsewhere),
	}
	if parent := info.GetParentCommit(); parent != nil {
		p.Parent = []link{{parent.GetId(), atCommit(parent)}}
	}
	if err := p.loadChanges(c); err != nil {
		return err
	}
	return c.Render(http.StatusOK, "data-commit", "Commit "+info.GetCommit().GetId(), p)
}

// loadChanges reads what is not as in the parent. A directory that changed has a file
// that did.
func (p *commitPage) loadChanges(c *page.Call) error {
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	all := each(c.API.PFS.DiffFile(ctx, &pfs.DiffFileRequest{NewFile: &pfs.File{Commit: p.GetCommit(), Path: "/"}}))
	for one, err := range all {
		switch {
		case denied(err):
			p.ChangesDenied = true
			return nil
		case status.Code(err) == codes.FailedPrecondition: // it is open, or made from what is
			p.NoChanges, p.NoChangesNext = page.Words(err)
			return nil
		case err != nil:
			return err
		}
		if isDir(one.GetNewFile()) || isDir(one.GetOldFile()) {
			continue
		}
		if len(p.Changes) == maxChanges {
			p.MoreChanges = true
			return nil
		}
		p.Changes = append(p.Changes, changeOf(one))
	}
	return nil
}

func changeOf(d *pfs.DiffFileResponse) change {
	now, before := d.GetNewFile(), d.GetOldFile()
	switch {
	case before == nil:
		return change{"added", now.GetFile().GetPath(), now.GetSizeBytes(), atFile("file", now.GetFile())}
	case now == nil:
		return change{"removed", before.GetFile().GetPath(), before.GetSizeBytes(), atFile("file", before.GetFile())}
	}
	return change{"changed", now.GetFile().GetPath(), now.GetSizeBytes(), atFile("file", now.GetFile())}
}

func isDir(f *pfs.FileInfo) bool { return f.GetFileType() == pfs.FileType_DIR }
