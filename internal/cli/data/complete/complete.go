package complete

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// whileTyping bounds how long somebody waits who presses the tabulator.
const whileTyping = 3 * time.Second

// Repos completes REPO.
func Repos(k *kit.Kit) cobra.CompletionFunc { return names(k, "") }

// Branches completes REPO@BRANCH, and what begins with it.
func Branches(k *kit.Kit) cobra.CompletionFunc { return names(k, "@") }

// names completes the repository, with what stands behind its name, and behind an @ the
// branch. What pachd does not say in time is no failure.
func names(k *kit.Kit, behind string) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, typed string) (all []string, how cobra.ShellCompDirective) {
		quiet := *k
		quiet.Stderr = io.Discard // what is said would stand in the middle of the line
		ctx, cancel := context.WithTimeout(context.Background(), whileTyping)
		defer cancel()
		repo, _, inside := strings.Cut(typed, "@")
		_ = quiet.WithConn(ctx, false, func(ctx context.Context, conn *kit.Conn) error {
			project := conn.Target.Project
			if flag := c.Flag("project"); flag != nil && flag.Value.String() != "" {
				project = flag.Value.String()
			}
			if behind != "" && inside {
				all = branches(ctx, conn, repo, project)
			} else {
				all = repos(ctx, conn, project, behind)
			}
			all = slices.DeleteFunc(all, isNoWord)
			return nil
		})
		if behind != "" {
			return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// isNoWord reports whether a name has something that no name has in a pachd of ours, and
// that steers the terminal or begins a line there.
func isNoWord(name string) bool { return fault.Clean(name, len(name)) != name }

func repos(ctx context.Context, c *kit.Conn, project, behind string) (all []string) {
	req := &pfs.ListRepoRequest{Type: "user", Projects: []*pfs.Project{{Name: project}}}
	for r, err := range show.Each(c.PFS.ListRepo(ctx, req)) {
		if err != nil {
			return nil
		}
		all = append(all, r.GetRepo().GetName()+behind)
	}
	return all
}

func branches(ctx context.Context, c *kit.Conn, name, project string) (all []string) {
	repo, err := ref.ParseRepo(name, project)
	if err != nil {
		return nil
	}
	for b, err := range show.Each(c.PFS.ListBranch(ctx, &pfs.ListBranchRequest{Repo: repo})) {
		if err != nil {
			return nil
		}
		all = append(all, name+"@"+b.GetBranch().GetName())
	}
	return all
}
