package rpc

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/emptypb"

	adminpb "pachyderm/api/admin"
	versionpb "pachyderm/api/version"
	"pachyderm/internal/access"
	"pachyderm/internal/fault"
	"pachyderm/internal/version"
)

type adminServer struct {
	adminpb.UnimplementedAPIServer
	*Server
}

// InspectCluster is what every client calls first. As upstream's it never
// fails: what it would complain of becomes a warning.
func (s *adminServer) InspectCluster(ctx context.Context, req *adminpb.InspectClusterRequest) (*adminpb.ClusterInfo, error) {
	out := &adminpb.ClusterInfo{
		Id: s.ClusterID, DeploymentId: s.DeploymentID, WarningsOk: true, ProxyHost: s.PublicHost, ProxyTls: s.PublicTLS,
		WebResources: &adminpb.WebResource{ArchiveDownloadBaseUrl: "/archive/"},
	}
	if s.PublicHost != "" {
		scheme := "http"
		if s.PublicTLS {
			scheme = "https"
		}
		out.WebResources.ArchiveDownloadBaseUrl = scheme + "://" + s.PublicHost + "/archive/"
	}
	if w := versionWarning(req.GetClientVersion()); w != "" {
		out.Warnings = append(out.Warnings, w)
	}
	if p := req.GetCurrentProject().GetName(); p != "" {
		switch ix, err := s.Access.Index(ctx); {
		case err != nil:
			out.Warnings = append(out.Warnings, fmt.Sprintf("WARNING: Could not inspect project %q: %s", p, fault.Message(err)))
		case !ix.Known(access.Resource{Type: access.Project, Name: p}):
			out.Warnings = append(out.Warnings, fmt.Sprintf("WARNING: Could not inspect project %q: it does not exist", p))
		}
	}
	return out, nil
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

type versionServer struct {
	versionpb.UnimplementedAPIServer
}

func (*versionServer) GetVersion(context.Context, *emptypb.Empty) (*versionpb.Version, error) {
	v := version.Current()
	return &versionpb.Version{
		Major: v.Major, Minor: v.Minor, Micro: v.Micro, Additional: v.Additional,
		GitCommit: v.Commit, GitTreeModified: v.Modified, BuildDate: v.Date, GoVersion: v.Go, Platform: v.Platform,
	}, nil
}
