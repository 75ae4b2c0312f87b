package enterprise

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/api/license"
	"pachyderm/internal/cli/configfile"
)

// A session never goes to another place than the one it was made at because
// the enterprise server says so.
func TestSynced_SessionStays(t *testing.T) {
	for name, test := range map[string]struct {
		info *license.UserClusterInfo
		want configfile.Context
	}{
		"the same":           {&license.UserClusterInfo{Id: "c", Address: "a:1", ClusterDeploymentId: "d"}, configfile.Context{Address: "grpc://a:1", DeploymentID: "d", Token: "t"}},
		"another address":    {&license.UserClusterInfo{Id: "c", Address: "evil:1", ClusterDeploymentId: "d"}, configfile.Context{Address: "grpc://evil:1", DeploymentID: "d"}},
		"another deployment": {&license.UserClusterInfo{Id: "c", Address: "a:1", ClusterDeploymentId: "e"}, configfile.Context{Address: "grpc://a:1", DeploymentID: "e"}},
		"nonsense":           {&license.UserClusterInfo{Id: "c", Address: "x://y/z", ClusterDeploymentId: "d"}, configfile.Context{DeploymentID: "d"}},
	} {
		got := synced(&configfile.Context{Address: "grpc://a:1", DeploymentID: "d", Token: "t"}, test.info)
		if diff := cmp.Diff(test.want, *got, cmp.AllowUnexported(configfile.Context{})); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}
