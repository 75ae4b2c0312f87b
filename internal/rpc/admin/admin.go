package admin

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/emptypb"

	adminpb "pachyderm/api/admin"
	versionpb "pachyderm/api/version"
	"pachyderm/internal/access"
	"pachyderm/internal/fault"
	"pachyderm/internal/session"
	"pachyderm/internal/version"
)

// Cluster is what is said of this installation.
type Cluster struct {
	// ID is this installation's, for ever.
	ID           string
	DeploymentID string
	// PublicHost and PublicTLS are where clients reach it from outside.
	PublicHost string
	PublicTLS  bool
}

// Server is admin_v2.
type Server struct {
	adminpb.UnimplementedAPIServer
	Cluster  Cluster
	Sessions *session.Service
}

// InspectCluster is what every client calls first. As upstream's it never
// fails: what it would complain of becomes a warning.
func (s *Server) InspectCluster(ctx context.Context, req *adminpb.InspectClusterRequest) (*adminpb.ClusterInfo, error) {
	out := &adminpb.ClusterInfo{
		Id: s.Cluster.ID, DeploymentId: s.Cluster.DeploymentID, WarningsOk: true, ProxyHost: s.Cluster.PublicHost, ProxyTls: s.Cluster.PublicTLS,
		WebResources: &adminpb.WebResource{ArchiveDownloadBaseUrl: s.Cluster.archives()},
	}
	for _, w := range []string{versionWarning(req.GetClientVersion()), s.projectWarning(ctx, req.GetCurrentProject().GetName())} {
		if w != "" {
			out.Warnings = append(out.Warnings, w)
		}
	}
	return out, nil
}

func (c Cluster) archives() string {
	switch {
	case c.PublicHost == "":
		return "/archive/"
	case c.PublicTLS:
		return "https://" + c.PublicHost + "/archive/"
	}
	return "http://" + c.PublicHost + "/archive/"
}

func (s *Server) projectWarning(ctx context.Context, project string) string {
	if project == "" {
		return ""
	}
	switch roles, err := s.Sessions.Roles(ctx); {
	case err != nil:
		return fmt.Sprintf("WARNING: Could not inspect project %q: %s", project, fault.Message(err))
	case !roles.Known(access.Resource{Type: access.Project, Name: project}):
		return fmt.Sprintf("WARNING: Could not inspect project %q: it does not exist", project)
	}
	return ""
}

// versionWarning compares as upstream does: the same major and minor version
// fit each other, and 0.0.0 fits everything.
func versionWarning(c *versionpb.Version) string {
	own := version.Current()
	switch {
	case c == nil:
		return "WARNING: the client did not say its version: it may be too old for this server"
	case c.GetMajor() == 0 && c.GetMinor() == 0 && c.GetMicro() == 0, c.GetMajor() == own.Major && c.GetMinor() == own.Minor:
		return ""
	case c.GetMajor() < own.Major, c.GetMajor() == own.Major && c.GetMinor() < own.Minor:
		return fmt.Sprintf("WARNING: the client (%d.%d) is much older than the server (%d.%d): upgrade it", c.GetMajor(), c.GetMinor(), own.Major, own.Minor)
	}
	return fmt.Sprintf("WARNING: the client (%d.%d) is much newer than the server (%d.%d): upgrade the server", c.GetMajor(), c.GetMinor(), own.Major, own.Minor)
}

// Version is versionpb_v2.
type Version struct {
	versionpb.UnimplementedAPIServer
}

// GetVersion says what this pachd is.
func (Version) GetVersion(context.Context, *emptypb.Empty) (*versionpb.Version, error) {
	v := version.Current()
	return &versionpb.Version{
		Major: v.Major, Minor: v.Minor, Micro: v.Micro, Additional: v.Additional,
		GitCommit: v.Commit, GitTreeModified: v.Modified, BuildDate: v.Date, GoVersion: v.Go, Platform: v.Platform,
	}, nil
}
