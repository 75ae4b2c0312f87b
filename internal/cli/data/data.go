package data

import (
	"github.com/spf13/cobra"

	"pachyderm/internal/cli/data/commit"
	"pachyderm/internal/cli/data/file"
	"pachyderm/internal/cli/data/repo"
	"pachyderm/internal/cli/kit"
)

// Commands are those about versioned data, by their verbs.
func Commands(k *kit.Kit) map[string][]*cobra.Command {
	all := map[string][]*cobra.Command{}
	for _, noun := range []map[string][]*cobra.Command{repo.Commands(k), commit.Commands(k), file.Commands(k)} {
		for verb, commands := range noun {
			all[verb] = append(all[verb], commands...)
		}
	}
	return all
}
