package data

import (
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/internal/cli/data/commit"
	"pachyderm/internal/cli/data/complete"
	"pachyderm/internal/cli/data/file"
	"pachyderm/internal/cli/data/metadata"
	"pachyderm/internal/cli/data/repo"
	"pachyderm/internal/cli/data/transaction"
	"pachyderm/internal/cli/kit"
)

// Commands are those about versioned data, by their verbs.
func Commands(k *kit.Kit) map[string][]*cobra.Command {
	all := map[string][]*cobra.Command{}
	for _, noun := range []map[string][]*cobra.Command{
		repo.Commands(k), commit.Commands(k), file.Commands(k), transaction.Commands(k), metadata.Commands(k),
	} {
		for verb, commands := range noun {
			for _, c := range commands {
				finish(k, c)
			}
			all[verb] = append(all[verb], commands...)
		}
	}
	return all
}

// finish gives a command the plural of its noun, as upstream has it, and completes what
// its arguments name.
func finish(k *kit.Kit, c *cobra.Command) {
	plural := c.Name() + "s"
	if c.Name() == "branch" {
		plural = "branches"
	}
	c.Aliases = append(c.Aliases, plural)
	switch {
	case strings.Contains(c.Use, "REPO@"):
		c.ValidArgsFunction = complete.Branches(k)
	case strings.Contains(c.Use, "REPO"):
		c.ValidArgsFunction = complete.Repos(k)
	}
}
