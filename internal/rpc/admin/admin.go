package admin

import (
	"cmp"
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	adminpb "pachyderm/api/admin"
	versionpb "pachyderm/api/version"
	"pachyderm/internal/access"
	"pachyderm/internal/data/metadata"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/version"
)

type server struct {
	adminpb.UnimplementedAPIServer
	cluster  *adminpb.ClusterInfo
	metadata *db.Memory[map[string]string]
}

// New serves admin_v2; c is what is said of this installation.
func New(d *db.DB, c *adminpb.ClusterInfo) adminpb.APIServer {
	return &server{cluster: c, metadata: db.Remember(d, metadata.Topic, func(ctx context.Context) (m map[string]string, err error) {
		err = d.View(ctx, func(tx *db.Tx) error {
			m, err = metadata.OfCluster(ctx, tx)
			return err
		})
		return m, err
	})}
}

// InspectCluster is what every client calls first. As upstream's it never
// fails: what it would complain of becomes a warning.
func (s *server) InspectCluster(ctx context.Context, req *adminpb.InspectClusterRequest) (*adminpb.ClusterInfo, error) {
	out := proto.CloneOf(s.cluster)
	out.WarningsOk = true
	out.WebResources = &adminpb.WebResource{ArchiveDownloadBaseUrl: archives(out)}
	version := versionWarning(req.GetClientVersion())
	project := projectWarning(session.FromContext(ctx), req.GetCurrentProject().GetName())
	noted := s.note(ctx, out)
	for _, w := range []string{version, project, noted} {
		if w != "" {
			out.Warnings = append(out.Warnings, w)
		}
	}
	return out, nil
}

// note adds the cluster's metadata, which is for those who are signed in, and returns a
// warning if it cannot be read.
func (s *server) note(ctx context.Context, out *adminpb.ClusterInfo) (warning string) {
	if c := session.FromContext(ctx); c.Guarded() && c.Name == "" {
		return ""
	}
	m, err := s.metadata.Get(ctx)
	if err != nil {
		return "WARNING: Could not get cluster metadata: " + fault.Message(err)
	}
	out.Metadata = m
	return ""
}

func archives(c *adminpb.ClusterInfo) string {
	switch {
	case c.GetProxyHost() == "":
		return "/archive/"
	case c.GetProxyTls():
		return "https://" + c.GetProxyHost() + "/archive/"
	}
	return "http://" + c.GetProxyHost() + "/archive/"
}

// projectWarning is for those only who may know which projects exist; others
// could try names until they do (decision 0008). While authentication is off
// nothing here knows of projects.
func projectWarning(c session.Caller, project string) string {
	if project == "" || !c.Guarded() {
		return ""
	}
	err := c.AuthorizeSeeBindings(access.Resource{Type: access.Project, Name: project})
	if !fault.Is(err, fault.NotFound) {
		return ""
	}
	return fmt.Sprintf("WARNING: Could not inspect project %q: it does not exist", project)
}

// versionWarning compares as upstream does: the same major and minor version
// fit each other, and 0.0.0 fits everything.
func versionWarning(c *versionpb.Version) string {
	own := version.Current()
	order := cmp.Or(cmp.Compare(c.GetMajor(), own.GetMajor()), cmp.Compare(c.GetMinor(), own.GetMinor()))
	differs := func(how, upgrade string) string {
		return fmt.Sprintf("WARNING: the client (%d.%d) is much %s than the server (%d.%d): upgrade %s",
			c.GetMajor(), c.GetMinor(), how, own.GetMajor(), own.GetMinor(), upgrade)
	}
	switch {
	case c == nil:
		return "WARNING: the client did not say its version: it may be too old for this server"
	case order == 0, c.GetMajor() == 0 && c.GetMinor() == 0 && c.GetMicro() == 0:
		return ""
	case order < 0:
		return differs("older", "it")
	}
	return differs("newer", "the server")
}

type versions struct {
	versionpb.UnimplementedAPIServer
}

// NewVersion serves versionpb_v2.
func NewVersion() versionpb.APIServer { return versions{} }

// GetVersion says what this pachd is.
func (versions) GetVersion(context.Context, *emptypb.Empty) (*versionpb.Version, error) {
	return version.Current(), nil
}
