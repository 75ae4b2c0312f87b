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
		"an unknown project": {&adminpb.InspectClusterRequest{ClientVersion: version(0, 0), CurrentProject: &pfspb.Project{Name: "no/such\x01"}}, ""},
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

// Which projects exist, those hear only who may see who has roles on any.
func TestInspectCluster_ProjectWarning(t *testing.T) {
	h := pachdtest.Start(t)
	_, stranger := h.Robot("stranger", 0)
	_, owner := h.Robot("owner", 0)
	if err := h.Bind(pachdtest.Project("merger"), "robot:owner", "projectOwner"); err != nil {
		t.Fatal(err)
	}
	warnings := func(token, project string) []string {
		ctx := t.Context()
		if token != "" {
			ctx = pachdtest.As(ctx, token)
		}
		info, err := h.API.Admin.InspectCluster(ctx, &adminpb.InspectClusterRequest{
			ClientVersion: &versionpb.Version{}, CurrentProject: &pfspb.Project{Name: project},
		})
		if err != nil {
			t.Fatal(err)
		}
		return info.GetWarnings()
	}
	const absent = `WARNING: Could not inspect project "nosuch": it does not exist`
	for name, c := range map[string]struct{ token, project, want string }{
		"nobody, absent":              {"", "nosuch", ""},
		"nobody, existing":            {"", "merger", ""},
		"a made-up token, absent":     {"made-up", "nosuch", ""},
		"who has no role, absent":     {stranger, "nosuch", ""},
		"who has no role, existing":   {stranger, "merger", ""},
		"the owner, existing":         {owner, "merger", ""},
		"the owner, absent":           {owner, "nosuch", ""},
		"an administrator, absent":    {h.RootToken, "nosuch", absent},
		"an administrator, existing":  {h.RootToken, "merger", ""},
		"an administrator, the first": {h.RootToken, "default", ""},
	} {
		if got := strings.Join(warnings(c.token, c.project), "\n"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	h.Deactivate(h.Root())
	for _, token := range []string{"", h.RootToken} {
		if got := warnings(token, "default"); len(got) > 0 {
			t.Errorf("while authentication is off: %q", got)
		}
	}
}
