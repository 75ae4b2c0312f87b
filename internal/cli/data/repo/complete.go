package repo

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
)

// whileTyping bounds how long somebody waits who presses the tabulator.
const whileTyping = 3 * time.Second

// Completing lets the shell complete the names of the project's repositories.
func Completing(k *kit.Kit) cobra.CompletionFunc {
	return kit.Completing(func() (names []string) {
		ctx, cancel := context.WithTimeout(context.Background(), whileTyping)
		defer cancel()
		quiet := *k
		_ = quiet.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error { // no names are no failure
			req := &pfs.ListRepoRequest{Type: "user", Projects: []*pfs.Project{{Name: c.Target.Project}}}
			for r, err := range show.Each(c.PFS.ListRepo(ctx, req)) {
				if err != nil {
					return err
				}
				names = append(names, r.GetRepo().GetName())
			}
			return nil
		})
		return names
	})
}
