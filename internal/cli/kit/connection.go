package kit

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"pachyderm/api/admin"
	"pachyderm/api/auth"
	"pachyderm/api/pfs"
	versionpb "pachyderm/api/version"
	"pachyderm/client"
	"pachyderm/internal/cli/configfile"
	"pachyderm/internal/fault"
	"pachyderm/internal/version"
)

// Target is an installation that a command works with: a context of the
// configuration, as the environment has changed it.
type Target struct {
	Context string // its name
	Token   string
	Project string // that the user works in
	// Transaction is the id of the one that is active, or "".
	Transaction string
	CAs         []byte // PEM

	address      string
	deploymentID string
}

// Conn is a connection that carries the user's session.
type Conn struct {
	*client.Client
	Target *Target
}

// Identities is where connectors and the like are managed, for WithConn and FindTarget:
// at the enterprise context, if there is one.
const Identities = true

// FindTarget is the active context, or the enterprise context if that is meant.
func (k *Kit) FindTarget(enterprise bool) (*Target, error) {
	file, err := configfile.Load(k.Getenv)
	if err != nil {
		return nil, err
	}
	name, err := file.ActiveName(k.Getenv)
	if err != nil {
		return nil, err
	}
	if enterprise {
		other, err := file.ActiveEnterpriseName(k.Getenv)
		if err != nil {
			return nil, err
		}
		if other != name {
			k.Notef("Using enterprise context: %s\n", other)
			name = other
		}
	}
	if name == "" {
		return nil, fault.New(fault.Precondition, "no context is active").Next("make one with: pachctl connect ADDRESS")
	}
	return newTarget(name, file.V2.Contexts[name], k.Getenv)
}

// TargetNamed is a context by its name, whatever the environment says of the
// active one. Fault: NotFound.
func (k *Kit) TargetNamed(name string) (*Target, error) {
	file, err := configfile.Load(k.Getenv)
	if err != nil {
		return nil, err
	}
	c, ok := file.V2.Contexts[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no context %q", name).Next("list them with: pachctl config list context")
	}
	return newTarget(name, c, func(string) string { return "" })
}

// newTarget finds the address, and whom to trust there: an address from the
// environment brings its own certificate authorities or has the system's.
func newTarget(name string, c *configfile.Context, getenv func(string) string) (t *Target, err error) {
	t = &Target{
		Context: name, Token: c.Token, Project: cmp.Or(c.Project, "default"), Transaction: c.Transaction,
		address: configfile.DefaultAddress, deploymentID: c.DeploymentID,
	}
	switch port := c.PortForwarders["pachd"]; {
	case getenv("PACHD_ADDRESS") != "":
		t.address = getenv("PACHD_ADDRESS")
		t.CAs, err = readCAs(getenv("PACH_CA_CERTS"))
		return t, err
	case c.Address != "":
		t.address = c.Address
	case port != 0:
		t.address = fmt.Sprintf("grpc://localhost:%d", port)
	}
	if t.CAs, err = base64.StdEncoding.DecodeString(c.ServerCAs); err != nil {
		return nil, fault.New(fault.Invalid, "server_cas of context %q is not valid base64", name).
			Next("set it again with: pachctl config update context --server-cas")
	}
	return t, nil
}

// readCAs reads the files that PACH_CA_CERTS lists.
func readCAs(list string) (pem []byte, err error) {
	for path := range strings.SplitSeq(list, ",") {
		if path == "" {
			continue
		}
		data, err := os.ReadFile(path) //nolint:gosec // the user names the file
		if err != nil {
			return nil, fault.New(fault.Invalid, "cannot read the certificate authorities in PACH_CA_CERTS: %v", err)
		}
		pem = append(append(pem, data...), '\n')
	}
	return pem, nil
}

// Dial connects with a token, or without one for "".
func (k *Kit) Dial(ctx context.Context, t *Target, token string) (*client.Client, error) {
	opts := []client.Option{client.WithToken(token)}
	if len(t.CAs) > 0 {
		opts = append(opts, client.WithServerCAs(t.CAs))
	}
	return client.Dial(ctx, t.address, opts...)
}

// Limit bounds one call to pachd.
func (k *Kit) Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if k.RPCTimeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, k.RPCTimeout)
}

// WithConn runs do with a connection that carries the user's session, after
// what upstream's client does at the beginning of each.
func (k *Kit) WithConn(ctx context.Context, enterprise bool, do func(context.Context, *Conn) error) error {
	t, err := k.FindTarget(enterprise)
	if err != nil {
		return err
	}
	ctx, cancel := k.Limit(ctx)
	defer cancel()
	if err := k.exchangeEnvironment(ctx, t); err != nil {
		return err
	}
	c, err := k.Dial(ctx, t, t.Token)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := k.CheckCluster(ctx, c, t); err != nil {
		return err
	}
	return do(ctx, &Conn{c, t})
}

// CleanupContext is for taking steps back, also if that is because of Ctrl-C.
func CleanupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

// exchangeEnvironment makes a session of the ID token in DEX_TOKEN, for jobs
// that have one and no session.
func (k *Kit) exchangeEnvironment(ctx context.Context, t *Target) error {
	raw := k.Getenv("DEX_TOKEN")
	if raw == "" || t.Token != "" {
		return nil
	}
	c, err := k.Dial(ctx, t, "")
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	session, err := c.Auth.Authenticate(ctx, &auth.AuthenticateRequest{IdToken: raw})
	if err != nil {
		k.Notef("pachctl: DEX_TOKEN was not accepted: %s\n", client.MessageOf(err))
		return nil
	}
	return k.SetToken(t, session.GetPachToken())
}

// SetToken keeps a session token in the context.
func (k *Kit) SetToken(t *Target, token string) error {
	t.Token = token
	return k.changeContext(t, func(c *configfile.Context) { c.Token = token })
}

// SetTransaction makes a transaction the active one of the context, or none for "".
func (k *Kit) SetTransaction(t *Target, id string) error {
	t.Transaction = id
	return k.changeContext(t, func(c *configfile.Context) { c.Transaction = id })
}

func (k *Kit) changeContext(t *Target, change func(*configfile.Context)) error {
	return configfile.Change(k.Getenv, func(file *configfile.File) error {
		c, err := file.Find(t.Context)
		if err == nil {
			change(c)
		}
		return err
	})
}

// CheckCluster passes the cluster's warnings on, and writes its deployment id
// into the context if that has none.
func (k *Kit) CheckCluster(ctx context.Context, c *client.Client, t *Target) error {
	info, err := k.InspectCluster(ctx, c, t)
	if err != nil {
		return err
	}
	for _, w := range info.GetWarnings() {
		k.Notef("pachctl: %s\n", strings.TrimPrefix(w, "WARNING: ")) // a label that each has
	}
	if info.GetPaused() && k.Getenv("PACHYDERM_IGNORE_PAUSED_MODE") == "" {
		k.Notef("pachctl: the cluster is paused: most commands will fail until it is not\n")
	}
	if info.GetPendingRestart() && k.Getenv("PACHYDERM_IGNORE_PENDING_RESTART") == "" {
		k.Notef("pachctl: the cluster is about to restart: %s\n", info.GetRestartInfo())
	}
	id := info.GetDeploymentId()
	if id == "" || t.deploymentID != "" || k.Getenv("PACHD_ADDRESS") != "" {
		return nil
	}
	return k.changeContext(t, func(c *configfile.Context) { c.DeploymentID = id })
}

// InspectCluster leaves the project out for servers that want a sign-in for it.
func (k *Kit) InspectCluster(ctx context.Context, c *client.Client, t *Target) (*admin.ClusterInfo, error) {
	request := &admin.InspectClusterRequest{ClientVersion: version.Current(), CurrentProject: &pfs.Project{Name: t.Project}}
	if k.Getenv("PACHYDERM_IGNORE_VERSION_SKEW") != "" {
		request.ClientVersion = &versionpb.Version{} // which no server warns of
	}
	info, err := c.Admin.InspectCluster(ctx, request)
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied:
		request.CurrentProject = nil
		return c.Admin.InspectCluster(ctx, request)
	case codes.Unimplemented:
		own := version.Current()
		if v, err := c.Version.GetVersion(ctx, &emptypb.Empty{}); err == nil && v.GetMajor() != own.GetMajor() {
			return nil, fault.New(fault.Precondition, "this client is for pachyderm %d.x, but the server has a version %d.x",
				own.GetMajor(), v.GetMajor()).
				Next("please install the correct client for your server")
		}
	}
	return info, err
}
