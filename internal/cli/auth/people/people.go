package people

import (
	"github.com/spf13/cobra"

	"pachyderm/internal/cli/kit"
)

// Commands are those of auth about people.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{listUsers(k), disableUser(k), enableUser(k), renameUser(k)}
}
