package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"pachyderm/api/admin"
	"pachyderm/api/auth"
	"pachyderm/api/pfs"
	versionpb "pachyderm/api/version"
	"pachyderm/client"
	"pachyderm/internal/version"
)

const defaultAddress = "grpc://localhost:30650"

// place is an installation that a command works with: a context of the
// configuration, as the environment has changed it.
type place struct {
	name    string // of the context
	doc     *contextDoc
	address string
	cas     []byte
}

// place is the active context, or the enterprise context if that is meant.
func (a *app) place(enterprise bool) (*place, error) {
	c, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	name, err := a.active(c)
	if err != nil {
		return nil, err
	}
	if enterprise {
		other, err := a.activeEnterprise(c)
		if err != nil {
			return nil, err
		}
		if other != name {
			a.notef("Using enterprise context: %s\n", other)
			name = other
		}
	}
	if name == "" {
		return nil, fmt.Errorf("no context is active: make one with: pachctl connect ADDRESS")
	}
	p := &place{name: name, doc: c.V2.Contexts[name]}
	return p, p.locate(a.Getenv)
}

// locate finds the address, and whom to trust there: an address from the
// environment brings its own certificate authorities or has the system's.
func (p *place) locate(getenv func(string) string) (err error) {
	p.address = defaultAddress
	switch port := p.doc.PortForwarders["pachd"]; {
	case getenv("PACHD_ADDRESS") != "":
		p.address = getenv("PACHD_ADDRESS")
		p.cas, err = readCAs(getenv("PACH_CA_CERTS"))
		return err
	case p.doc.Address != "":
		p.address = p.doc.Address
	case port != 0:
		p.address = fmt.Sprintf("grpc://localhost:%d", port)
	}
	if p.cas, err = base64.StdEncoding.DecodeString(p.doc.ServerCAs); err != nil {
		return fmt.Errorf("server_cas of context %q is not in base64: set it again with: pachctl config update context --server-cas", p.name)
	}
	return nil
}

// readCAs reads the files that PACH_CA_CERTS lists.
func readCAs(list string) (pem []byte, err error) {
	for path := range strings.SplitSeq(list, ",") {
		if path == "" {
			continue
		}
		data, err := os.ReadFile(path) //nolint:gosec // the user names the file
		if err != nil {
			return nil, fmt.Errorf("cannot read the certificate authorities in PACH_CA_CERTS: %w", err)
		}
		pem = append(append(pem, data...), '\n')
	}
	return pem, nil
}

// project is what the user works in.
func (p *place) project() string {
	if p.doc.Project == "" {
		return "default"
	}
	return p.doc.Project
}

// dial connects with a token, or without one for "".
func (a *app) dial(ctx context.Context, p *place, token string) (*client.Client, error) {
	opts := []client.Option{client.WithToken(token)}
	if len(p.cas) > 0 {
		opts = append(opts, client.WithServerCAs(p.cas))
	}
	return client.Dial(ctx, p.address, opts...)
}

// limit bounds one call to pachd.
func (a *app) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.rpcTimeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, a.rpcTimeout)
}

// withClient runs do with a connection that carries the user's session, after
// what upstream's client does at the beginning of each.
func (a *app) withClient(ctx context.Context, enterprise bool, do func(context.Context, *client.Client, *place) error) error {
	p, err := a.place(enterprise)
	if err != nil {
		return err
	}
	ctx, cancel := a.limit(ctx)
	defer cancel()
	if err := a.exchangeEnvironment(ctx, p); err != nil {
		return err
	}
	c, err := a.dial(ctx, p, p.doc.Token)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := a.greet(ctx, c, p); err != nil {
		return err
	}
	return do(ctx, c, p)
}

// exchangeEnvironment makes a session of the ID token in DEX_TOKEN, for jobs
// that have one and no session.
func (a *app) exchangeEnvironment(ctx context.Context, p *place) error {
	raw := a.Getenv("DEX_TOKEN")
	if raw == "" || p.doc.Token != "" {
		return nil
	}
	c, err := a.dial(ctx, p, "")
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	session, err := c.Auth.Authenticate(ctx, &auth.AuthenticateRequest{IdToken: raw})
	if err != nil {
		a.notef("pachctl: DEX_TOKEN was not accepted: %s\n", client.MessageOf(err))
		return nil
	}
	return a.remember(p, session.GetPachToken())
}

// remember keeps a session token in the context.
func (a *app) remember(p *place, token string) error {
	p.doc.Token = token
	return a.changeConfig(func(c *configFile) error {
		doc, err := c.find(p.name)
		if err == nil {
			doc.Token = token
		}
		return err
	})
}

// greet asks for the cluster and passes its warnings on.
func (a *app) greet(ctx context.Context, c *client.Client, p *place) error {
	info, err := inspect(ctx, c, p.project())
	if err != nil {
		return err
	}
	for _, w := range info.GetWarnings() {
		if a.Getenv("PACHYDERM_IGNORE_VERSION_SKEW") != "" && (strings.Contains(w, "much older than") || strings.Contains(w, "much newer than")) {
			continue
		}
		a.notef("pachctl: %s\n", strings.TrimPrefix(w, "WARNING: "))
	}
	if info.GetPaused() && a.Getenv("PACHYDERM_IGNORE_PAUSED_MODE") == "" {
		a.notef("pachctl: the cluster is paused: most commands will fail until it is not\n")
	}
	if info.GetPendingRestart() && a.Getenv("PACHYDERM_IGNORE_PENDING_RESTART") == "" {
		a.notef("pachctl: the cluster is about to restart: %s\n", info.GetRestartInfo())
	}
	id := info.GetDeploymentId()
	if id == "" || p.doc.DeploymentID != "" || a.Getenv("PACHD_ADDRESS") != "" {
		return nil
	}
	return a.changeConfig(func(c *configFile) error {
		doc, err := c.find(p.name)
		if err == nil {
			doc.DeploymentID = id
		}
		return err
	})
}

// inspect is InspectCluster, without the project for servers that want a
// sign-in for that.
func inspect(ctx context.Context, c *client.Client, project string) (*admin.ClusterInfo, error) {
	request := &admin.InspectClusterRequest{ClientVersion: ownVersion(), CurrentProject: &pfs.Project{Name: project}}
	info, err := c.Admin.InspectCluster(ctx, request)
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied:
		request.CurrentProject = nil
		return c.Admin.InspectCluster(ctx, request)
	case codes.Unimplemented:
		own := ownVersion()
		if v, err := c.Version.GetVersion(ctx, &emptypb.Empty{}); err == nil && v.GetMajor() != own.GetMajor() {
			return nil, fmt.Errorf("this client is for pachyderm %d.x, but the server has a version %d.x - please install the correct client for your server", own.GetMajor(), v.GetMajor())
		}
	}
	return info, err
}

func ownVersion() *versionpb.Version {
	v := version.Current()
	return &versionpb.Version{
		Major: v.Major, Minor: v.Minor, Micro: v.Micro, Additional: v.Additional,
		GitCommit: v.Commit, GitTreeModified: v.Modified, BuildDate: v.Date, GoVersion: v.Go, Platform: v.Platform,
	}
}
