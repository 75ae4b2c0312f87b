package data

import (
	"context"
	"net/http"
	"net/url"

	"google.golang.org/grpc"

	"pachyderm/api/pfs"
	"pachyderm/internal/web/console/page"
)

// branchLine is a branch in the list of its repository.
type branchLine struct {
	*pfs.BranchInfo
	Head       string // page of its head
	Commits    string // page of its commits
	Provenance []link
}

// commitLine is a commit in the list of its repository.
type commitLine struct {
	*pfs.CommitInfo
	To string
}

type repoPage struct {
	*pfs.RepoInfo
	Branches       []branchLine
	BranchesDenied bool
	Branch         string // whose commits are listed; "" for all
	Commits        []commitLine
	CommitsDenied  bool
	All            string // page of the commits of all branches
	Cut            bool   // the commits that were asked for are too far back to be looked for
	More           string
}

// one is a repository.
func one(c *page.Call) error {
	repo := repoOf(c)
	info, err := c.API.PFS.InspectRepo(c.Context, &pfs.InspectRepoRequest{Repo: repo})
	if err != nil {
		return err
	}
	p := repoPage{RepoInfo: info, Branch: c.Query("branch"), All: at(repo)}
	if err := p.loadBranches(c, repo); err != nil {
		return err
	}
	if err := p.loadCommits(c, repo); err != nil {
		return err
	}
	return c.Render(http.StatusOK, "data-repo", repo.GetProject().GetName()+"/"+repo.GetName(), p)
}

// maxBranches is how many branches the page of a repository has.
const maxBranches = 500

func (p *repoPage) loadBranches(c *page.Call, repo *pfs.Repo) error {
	all, _, err := first(c, maxBranches, func(ctx context.Context) (grpc.ServerStreamingClient[pfs.BranchInfo], error) {
		return c.API.PFS.ListBranch(ctx, &pfs.ListBranchRequest{Repo: repo})
	})
	p.BranchesDenied = denied(err)
	for _, b := range all {
		line := branchLine{
			BranchInfo: b, Head: atCommit(b.GetHead()), Commits: at(repo) + "?" + url.Values{"branch": {b.GetBranch().GetName()}}.Encode(),
		}
		for _, from := range b.GetDirectProvenance() {
			r := from.GetRepo()
			line.Provenance = append(line.Provenance, link{
				r.GetProject().GetName() + "/" + r.GetName() + "@" + from.GetName(),
				at(r) + "?" + url.Values{"branch": {from.GetName()}}.Encode(),
			})
		}
		p.Branches = append(p.Branches, line)
	}
	return unlessDenied(err)
}

// loadCommits reads a page of commits, the newest first: of all branches those after
// one that the address names, of one branch those from a commit back.
func (p *repoPage) loadCommits(c *page.Call, repo *pfs.Repo) (err error) {
	var all []*pfs.CommitInfo
	var more bool
	if p.Branch == "" {
		all, more, err = p.commitsAfter(c, repo, c.Query("after"))
	} else {
		from := c.Query("from")
		if from == "" {
			from = p.Branch
		}
		all, more, err = first(c, page.PageSize, func(ctx context.Context) (grpc.ServerStreamingClient[pfs.CommitInfo], error) {
			return c.API.PFS.ListCommit(ctx, &pfs.ListCommitRequest{
				Repo: repo, To: &pfs.Commit{Repo: repo, Id: from}, All: true, Number: page.PageSize + 1,
			})
		})
	}
	p.CommitsDenied = denied(err)
	for _, one := range all {
		p.Commits = append(p.Commits, commitLine{one, atCommit(one.GetCommit())})
	}
	if more {
		last := all[len(all)-1]
		next := url.Values{"after": {last.GetCommit().GetId()}}
		if p.Branch != "" {
			next = url.Values{"branch": {p.Branch}, "from": {last.GetParentCommit().GetId()}}
		}
		p.More = at(repo) + "?" + next.Encode()
	}
	return unlessDenied(err)
}

// maxSkipped is how far back the commits of all branches are looked for: the service
// tells them from the newest on, and those of one branch from any on.
const maxSkipped = 10_000

func (p *repoPage) commitsAfter(c *page.Call, repo *pfs.Repo, after string) (all []*pfs.CommitInfo, more bool, err error) {
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	skipped := 0
	for one, err := range each(c.API.PFS.ListCommit(ctx, &pfs.ListCommitRequest{Repo: repo, All: true})) {
		switch {
		case err != nil:
			return nil, false, err
		case skipped == maxSkipped:
			p.Cut = true
			return nil, false, nil
		case after != "":
			skipped++
			if one.GetCommit().GetId() == after {
				after = ""
			}
		case len(all) == page.PageSize:
			return all, true, nil
		default:
			all = append(all, one)
		}
	}
	return all, false, nil
}
