package admin_test

import (
	"context"
	"strings"
	"testing"

	adminpb "pachyderm/api/admin"
	pfspb "pachyderm/api/pfs"
	versionpb "pachyderm/api/version"
	"pachyderm/internal/config"
	"pachyderm/internal/pachd/pachdtest"
)

func TestInspectCluster_NeverFails(t *testing.T) {
	h := pachdtest.Start(t, func(c *config.Config) { c.Cluster.DeploymentID = "the-deployment" })
	id, err := h.DB.Meta(t.Context(), "cluster-id")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.DB.Close(); err != nil {
		t.Fatal(err)
	}
	admin := adminpb.NewAPIClient(h.Conn)
	version := func(major, minor uint32) *versionpb.Version { return &versionpb.Version{Major: major, Minor: minor} }
	for name, c := range map[string]struct {
		req     *adminpb.InspectClusterRequest
		warning string
	}{
		"nothing said":       {&adminpb.InspectClusterRequest{}, "did not say its version"},
		"any version":        {&adminpb.InspectClusterRequest{ClientVersion: version(0, 0)}, ""},
		"a very old client":  {&adminpb.InspectClusterRequest{ClientVersion: version(1, 13)}, "much older"},
		"a very new client":  {&adminpb.InspectClusterRequest{ClientVersion: version(99, 0)}, "much newer"},
		"the default":        {&adminpb.InspectClusterRequest{ClientVersion: version(0, 0), CurrentProject: &pfspb.Project{Name: "default"}}, ""},
		"an unknown project": {&adminpb.InspectClusterRequest{ClientVersion: version(0, 0), CurrentProject: &pfspb.Project{Name: "no/such\x01"}}, "it does not exist"},
	} {
		for _, ctx := range []context.Context{t.Context(), pachdtest.As(t.Context(), "made-up"), pachdtest.As(h.Root(), "two")} {
			info, err := admin.InspectCluster(ctx, c.req)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			warnings := strings.Join(info.GetWarnings(), "\n")
			if info.GetId() != string(id) || info.GetDeploymentId() != "the-deployment" || !info.GetWarningsOk() ||
				(warnings == "") != (c.warning == "") || !strings.Contains(warnings, c.warning) {
				t.Errorf("%s: %v", name, info)
			}
		}
	}
}
