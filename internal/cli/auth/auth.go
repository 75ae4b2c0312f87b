package auth

import (
	"github.com/spf13/cobra"

	"pachyderm/internal/cli/auth/people"
	"pachyderm/internal/cli/kit"
)

// Commands are those of auth that manage who may do what.
func Commands(k *kit.Kit) []*cobra.Command {
	return append(people.Commands(k),
		getRobotToken(k), allowRobot(k), revoke(k), listTokens(k), listSessions(k),
		getGroups(k), listGroups(k), getUsers(k), createGroup(k), addMember(k), removeMember(k),
		rolesForPermission(k), explain(k), setMaxAge(k), listMaxAges(k),
		kit.Group("get", "Show who has which roles on a resource", "", "  pachctl auth get cluster\n  pachctl auth get repo images",
			getBinding(k, onCluster()), getBinding(k, onProject()), getBinding(k, onRepo()), getBinding(k, onEnterprise())),
		kit.Group("set", "Set the roles of a user, group or robot on a resource", "",
			"  pachctl auth set cluster clusterAdmin user:alice@example.com",
			setBinding(k, onCluster()), setBinding(k, onProject()), setBinding(k, onRepo()), setBinding(k, onEnterprise())),
		kit.Group("check", "Show what you, or somebody else, may do on a resource", "", "  pachctl auth check repo images",
			checkAccess(k, onCluster()), checkAccess(k, onProject()), checkAccess(k, onRepo())),
	)
}
