package cli

import (
	"github.com/spf13/cobra"

	"pachyderm/internal/cli/data"
	"pachyderm/internal/cli/kit"
)

// verbs are the commands that begin with what is done, as upstream has them, with what
// each area has under them.
func verbs(k *kit.Kit) []*cobra.Command {
	areas := []map[string][]*cobra.Command{
		data.Commands(k),
		{"inspect": {inspectCluster(k)}},
	}
	var all []*cobra.Command
	for _, v := range []struct{ name, short, example string }{
		{"create", "Create projects, repositories and branches", "  pachctl create repo images"},
		{"update", "Change what is said of projects and repositories", "  pachctl update repo images --description cats"},
		{"inspect", "Show one thing in detail", "  pachctl inspect commit images@master\n  pachctl inspect cluster"},
		{"list", "List projects, repositories, branches, commits and files", "  pachctl list repo\n  pachctl list file images@master"},
		{"delete", "Delete projects, repositories, branches, commits and files", "  pachctl delete file images@master:/cat.png"},
		{"put", "Put files into a repository", "  pachctl put file images@master -f cat.png"},
		{"get", "Get files from a repository", "  pachctl get file images@master:/cat.png -o cat.png"},
		{"copy", "Copy files within pachd", "  pachctl copy file images@master:/cat.png best@master"},
		{"glob", "Find files by a pattern", "  pachctl glob file \"images@master:/*.png\""},
		{"diff", "Show what differs between commits", "  pachctl diff file images@master"},
		{"edit", "Attach keys and values to something", "  pachctl edit metadata repo images add owner=vision"},
		{"find", "Find the commits that changed a file", "  pachctl find commit images@master:/cat.png"},
		{"start", "Start commits and transactions", "  pachctl start commit images@master\n  pachctl start transaction"},
		{"finish", "Finish commits and transactions", "  pachctl finish commit images@master\n  pachctl finish transaction"},
		{"stop", "Leave the active transaction", "  pachctl stop transaction"},
		{"resume", "Make a transaction the active one again", "  pachctl resume transaction 0d7a9ca4d1b84c5b9f4c3e1a2b3c4d5e"},
		{"clear", "Take back what was put into open commits", "  pachctl clear commit images@master"},
		{"squash", "Remove commits, and leave their files to the next ones", "  pachctl squash commit images@master^"},
		{"wait", "Wait for commits", "  pachctl wait commit images@master"},
		{"subscribe", "Print commits as they come", "  pachctl subscribe commit images@master"},
	} {
		var below []*cobra.Command
		for _, area := range areas {
			below = append(below, area[v.name]...)
		}
		all = append(all, kit.Group(v.name, v.short, "", v.example, below...))
	}
	return all
}
