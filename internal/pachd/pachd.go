package pachd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"

	"pachyderm/api/admin"
	"pachyderm/internal/access"
	"pachyderm/internal/access/freshness"
	"pachyderm/internal/config"
	"pachyderm/internal/config/declared"
	"pachyderm/internal/data/check"
	"pachyderm/internal/data/file"
	"pachyderm/internal/data/fileset"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/trigger"
	"pachyderm/internal/data/urlsource"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/exchange"
	"pachyderm/internal/issuer/regroup"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/limit"
	"pachyderm/internal/limit/guess"
	"pachyderm/internal/pachd/datadir"
	"pachyderm/internal/pachd/store"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/login"
	"pachyderm/internal/people/past"
	"pachyderm/internal/people/rename"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
	"pachyderm/internal/reconcile"
	"pachyderm/internal/requestid"
	"pachyderm/internal/rpc"
	"pachyderm/internal/rpc/pfs/edit"
	"pachyderm/internal/secret"
	"pachyderm/internal/tracing"
	"pachyderm/internal/version"
	"pachyderm/internal/web/console"
)

const (
	// shutdownTimeout is how long calls under way may take to finish when pachd stops.
	shutdownTimeout = 5 * time.Second
	// tracesWithin is how long a collector may take for what is left then.
	tracesWithin = time.Second
	// rootTokenWithin is how long the database may take for another root token.
	rootTokenWithin = 10 * time.Second
)

// Pachd is a server that is ready to run.
type Pachd struct {
	DB     *db.DB
	Issuer *issuer.Issuer
	Login  *login.Service
	Limits *limit.Limits
	// Files are what commits hold.
	Files *file.Service
	// URLs are where files come from that are put by URL.
	URLs *urlsource.Source
	// Declared makes it so what the configuration declares.
	Declared *reconcile.Reconciler

	config   config.Config
	id       string // the installation's
	log      *slog.Logger
	now      func() time.Time
	Sessions *session.Service
	fresh    *freshness.Service
	groups   *regroup.Service
	exchange *exchange.Service
	sealer   *secret.Sealer
	root     secret.Text // as it was configured last
	tracer   *tracing.Tracer
	newRoot  bool                        // this start made the root token
	rename   func(context.Context) error // what is left of it
	stopping atomic.Bool

	rpc     *rpc.Server
	rest    http.Handler
	console http.Handler
	metrics *prometheus.Registry
	// requests are those over HTTP; swept is when the last sweep succeeded, in seconds since 1970.
	requests *prometheus.HistogramVec
	swept    atomic.Int64
	guesses  *guess.Guesses
	packs    *pack.Service
	sets     *fileset.Service
	store    *store.Watch
	triggers *trigger.Service
	listens  listeners
	lock     *os.File
	tls      *tls.Config
}

// New opens everything that pachd needs; on failure it has closed it again. The errors are one sentence for the operator.
func New(ctx context.Context, c config.Config, log *slog.Logger, now func() time.Time) (p *Pachd, err error) {
	log = slog.New(requestid.Handler(log.Handler()))
	p = &Pachd{config: c, log: log, now: now, metrics: prometheus.NewRegistry()}
	for _, note := range c.Notes {
		log.WarnContext(ctx, "upstream's variables", "note", note)
	}
	p.Limits = newLimits(c, log, now)
	p.tracer, err = tracing.New(ctx, tracing.Config{
		Endpoint: c.Tracing.Endpoint, Ratio: float64(c.Tracing.Percent) / 100, Version: version.Short(version.Current()),
		Replica: replicaName(c.DataDir), Log: log, Now: now,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.lock, err = datadir.Lock(c.DataDir); err != nil {
		return p, err
	}
	if p.tls, err = loadTLS(c.TLS); err != nil {
		return p, err
	}
	if p.listens, err = listen(ctx, c.Listen); err != nil {
		return p, err
	}
	if p.DB, err = db.Open(ctx, databaseOptions(c)); err != nil {
		return p, err
	}
	if p.rename, err = rename.AtStart(ctx, p.DB, p.log, p.now); err != nil {
		return p, err
	}
	if err := p.wirePeople(ctx); err != nil {
		return p, err
	}
	if err := p.Declared.Start(ctx, c.Declared); err != nil {
		return p, err
	}
	if err := p.wireData(ctx); err != nil {
		return p, err
	}
	return p, p.wireServer(ctx)
}

// wirePeople makes the parts that know who somebody is and what they hold.
func (p *Pachd) wirePeople(ctx context.Context) error {
	c := p.config
	sealer, err := secret.OpenFor(ctx, p.DB, sealingKey(c))
	if err != nil {
		return err
	}
	p.sealer = sealer
	p.guesses, err = guess.New(ctx, guess.Config{
		DB: p.DB, Sealer: sealer, Log: p.log, Now: p.now, Limits: p.Limits, WrongPasswords: c.Limits.WrongPasswords,
	})
	if err != nil {
		return err
	}
	root, err := p.rootToken(ctx)
	if err != nil {
		return err
	}
	roles := &access.Service{DB: p.DB}
	p.fresh = freshness.New(freshness.Config{DB: p.DB, Now: p.now, Facts: p.groupFacts})
	p.Sessions = session.New(session.Config{
		Stale: p.fresh.Stale, Use: func(identityID string) { p.groups.Use(identityID) },
		DB: p.DB, Access: roles, Now: p.now,
		EndGrants: func(ctx context.Context, tx *db.Tx, identityID string, now time.Time) (int64, error) {
			return p.Issuer.Grants.EndOfIdentity(ctx, tx, identityID, now)
		},
		SignOut: func(ctx context.Context, tx *db.Tx, identityID string, now time.Time) error {
			return p.Issuer.Grants.SignOut(ctx, tx, identityID, now)
		},
		RobotTTL:  time.Duration(c.Auth.RobotTokenTTL),
		RootToken: root, RootFile: c.RootTokenFile(),
	})
	p.exchange = exchange.New(exchange.Config{
		DB: p.DB, Sessions: p.Sessions, Log: p.log, Now: p.now, Issuer: func() string { return p.Issuer.URL() }, Insecure: c.Insecure,
	})
	p.Issuer, err = issuer.New(ctx, issuer.Config{
		DB: p.DB, Sealer: sealer, Log: p.log, Now: p.now,
		PublicURL: p.publicURL(), Insecure: c.Insecure, SigningAlgorithm: c.Issuer.SigningAlgorithm,
		References: references(c), TrustedProxies: c.TrustedProxies,
		Exchange: p.exchange.Serve,
		Traces:   trace.Keep{PerConnector: c.SignInTraces.PerConnector, For: time.Duration(c.SignInTraces.KeepFor)},

		TracedRoles: rolesOnCluster(roles),
	})
	if err != nil {
		return err
	}
	p.groups = regroup.New(regroup.Config{
		DB: p.DB, Sealer: sealer, Providers: p.Issuer.Providers, Log: p.log, Now: p.now, End: p.Sessions.EndIdentity,
	})
	p.Login = login.New(login.Deps{
		DB: p.DB, Sealer: sealer, Issuer: p.Issuer, Log: p.log, Now: p.now,
		SessionTTL: time.Duration(c.Auth.SessionDuration), Insecure: c.Insecure,
	})
	p.Issuer.ReachedAt(p.Login.BrowsersAt)
	if c.Auth.Activate {
		if p.newRoot, err = p.Sessions.EnsureRoot(ctx); err != nil {
			return err
		}
	}
	if err := cmp.Or(roles.Load(ctx), past.Begin(ctx, p.DB, p.now())); err != nil {
		return err
	}
	p.root = c.Auth.RootToken
	p.Declared, err = reconcile.New(ctx, reconcile.Config{
		DB: p.DB, Sealer: sealer, Issuer: p.Issuer, Login: p.Login, Sessions: p.Sessions, References: references(c),
		Log: p.log, Now: p.now, Replica: replicaName(c.DataDir), Read: p.readDeclared,
	})
	return err
}

// groupFacts are what is known of the groups of somebody, with its age.
func (p *Pachd) groupFacts(ctx context.Context, who principal.Name) (all []freshness.Fact, err error) {
	err = p.DB.View(ctx, func(tx *db.Tx) error {
		facts, err := identity.Memberships(ctx, tx, who)
		for _, f := range facts {
			fact := freshness.Fact{Group: f.Group, Seen: f.Seen, Unasked: f.Unasked}
			if f.Stated() {
				fact.Seen = time.Time{}
			}
			all = append(all, fact)
		}
		return err
	})
	return all, err
}

func newLimits(c config.Config, log *slog.Logger, now func() time.Time) *limit.Limits {
	return limit.New(limit.Config{
		SignInsPerMinute: c.Limits.SignInsPerMinute, Proxies: limit.Proxies(c.TrustedProxies), Log: log, Now: now,
	})
}

// rolesOnCluster says which roles somebody has on the cluster.
func rolesOnCluster(roles *access.Service) func(context.Context, principal.Name, []string) ([]string, error) {
	return func(ctx context.Context, who principal.Name, groups []string) ([]string, error) {
		ix, err := roles.Index(ctx)
		if err != nil {
			return nil, err
		}
		names, _ := identity.GroupsNamed(groups) // a trace cuts names that are long
		held, _ := ix.Effective(who, names, access.Resource{Type: access.Cluster})
		return held, nil
	}
}

// replicaName is the same for a pachd that is started again, and for no other.
func replicaName(dataDir string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return host + ":" + dataDir
}

// readDeclared reads what is declared now, and follows the root token, which the
// reconciler is not to see.
func (p *Pachd) readDeclared() (declared.State, error) {
	c, err := p.config.Again()
	if err != nil || c.Auth.RootToken == p.root {
		return c.Declared, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), rootTokenWithin)
	defer cancel()
	if err := p.Sessions.ConfiguredRoot(ctx, c.Auth.RootToken); err != nil {
		return c.Declared, err
	}
	p.root = c.Auth.RootToken // so that only changes count: another replica's file may be behind
	return c.Declared, nil
}

// wireServer makes what clients call.
func (p *Pachd) wireServer(ctx context.Context) error {
	var creds credentials.TransportCredentials
	if p.tls != nil {
		creds = credentials.NewTLS(p.tls)
	}
	c := p.config.Cluster
	var err error
	p.rpc, err = rpc.New(rpc.Config{
		DB: p.DB, Sessions: p.Sessions, Issuer: p.Issuer, Exchange: p.exchange, Login: p.Login, Fresh: p.fresh,
		Data: edit.Edits{Files: p.Files, Sets: p.sets, URLs: p.URLs}, Check: check.New(p.DB, p.packs), Log: p.log, Now: p.now,
		Creds: creds, Limits: p.Limits, Tracer: p.tracer, Sealer: p.sealer,
		Cluster: &admin.ClusterInfo{Id: p.id, DeploymentId: c.DeploymentID, ProxyHost: c.PublicHost, ProxyTls: c.PublicTLS},
	})
	if err != nil {
		return err
	}
	p.console = console.New(console.Config{
		Conn: p.rpc.InProcess(), Issuer: p.Issuer, Login: p.Login, Sealer: p.sealer, Log: p.log, Now: p.now,
		PublicHost: c.PublicHost, GRPC: p.GRPC(),
	})
	p.rest, err = p.rpc.REST(ctx)
	p.registerMetrics()
	return err
}

// publicURL is the configured one, or the address that was really bound.
func (p *Pachd) publicURL() string {
	if p.config.PublicURL != "" {
		return p.config.PublicURL
	}
	scheme := "http"
	if p.tls != nil {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(p.config.Listen.HTTP)
	if err != nil || host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	switch {
	case p.listens.http != nil:
		port = fmt.Sprint(p.listens.http.Addr().(*net.TCPAddr).Port)
	case err != nil: // it does not listen
		return scheme + "://localhost"
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, port))
}

// GRPC is the address that the gRPC API is served at.
func (p *Pachd) GRPC() string { return address(p.listens.grpc) }

// HTTP is the address that the pages and readiness are served at.
func (p *Pachd) HTTP() string { return address(p.listens.http) }

// Metrics is the address that the metrics are served at.
func (p *Pachd) Metrics() string { return address(p.listens.metrics) }

// Run serves until ctx ends, and then lets calls under way finish.
func (p *Pachd) Run(ctx context.Context) error {
	asked := ctx // to stop
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, ctx := errgroup.WithContext(running)
	g.Go(func() error {
		p.awaitStop(asked, ctx)
		stop()
		return nil
	})
	g.Go(func() error {
		return p.DB.Listen(ctx, func(err error) {
			p.log.WarnContext(ctx, "changes of other replicas are not received, so nothing is taken from memory", "error", err)
		}, func() { p.log.InfoContext(ctx, "changes of other replicas are received again") })
	})
	g.Go(func() error { return p.Issuer.Run(ctx) })
	g.Go(func() error { p.groups.Run(ctx); return nil })
	g.Go(func() error { return p.sweep(ctx) })
	g.Go(func() error { return p.sweepPacks(ctx) })
	g.Go(func() error { p.store.Run(ctx); return nil })
	g.Go(func() error { p.triggers.Run(ctx); return nil })
	g.Go(func() error { return p.Declared.Run(ctx) })
	g.Go(func() error { return errors.Join(p.rename(ctx), p.followKeys(ctx)) })
	if p.listens.grpc != nil {
		g.Go(func() error {
			// Told to stop before it began, as by a signal during the start.
			if err := p.rpc.Serve(p.bounded(p.listens.grpc)); !errors.Is(err, grpc.ErrServerStopped) {
				return err
			}
			return nil
		})
	}
	servers := []*http.Server{
		p.serve(g, p.listens.http, p.tls, p.pages()),
		p.serve(g, p.listens.callback, p.tls, p.callbackPages()),
		p.serve(g, p.listens.metrics, nil, p.metricsPage()),
	}
	p.rpc.Health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING)
	g.Go(func() error {
		<-ctx.Done()
		p.stop(servers)
		return nil
	})
	return errors.Join(g.Wait(), p.close())
}

// awaitStop returns once pachd is asked to stop and whoever sends people here has
// had the time to hear of it, or when something has failed.
func (p *Pachd) awaitStop(asked, failed context.Context) {
	select {
	case <-asked.Done():
	case <-failed.Done():
		return
	}
	p.stopping.Store(true)
	p.rpc.Health.Shutdown()
	select {
	case <-time.After(time.Duration(p.config.ShutdownDelay)):
	case <-failed.Done():
	}
}

func (p *Pachd) stop(servers []*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		p.rpc.GRPC.GracefulStop()
		close(stopped)
	}()
	for _, s := range servers {
		if s != nil {
			if err := s.Shutdown(ctx); err != nil {
				p.log.Warn("an HTTP request was cut off", "error", err)
			}
		}
	}
	select {
	case <-stopped:
	case <-ctx.Done():
		p.rpc.GRPC.Stop()
	}
}

func (p *Pachd) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), tracesWithin)
	defer cancel()
	// What a collector does not take any more is lost, and no failure.
	_ = p.tracer.Close(ctx)
	err := p.listens.close()
	if p.DB != nil {
		err = errors.Join(err, p.DB.Close())
	}
	if p.lock != nil {
		err = errors.Join(err, p.lock.Close())
	}
	return err
}

// references is what connector documents may name. What pachd keeps for itself
// they may not, wherever it is configured to be.
func references(c config.Config) *secret.References {
	return &secret.References{
		Environ: c.Environ, Names: c.Secrets.AllowEnv, Folders: append(c.Secrets.AllowFiles, filepath.Join(c.DataDir, "secrets")),
		Declared: c.Secrets.DeclaredFiles,
		Never:    append(c.Own(), "/var/run/secrets/kubernetes.io", "/run/secrets/kubernetes.io", "/proc", "/sys", "/dev"),
	}
}

func loadTLS(c config.TLS) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fault.New(fault.Invalid, "tls: the pair of certificate and key in %s and %s cannot be used: %v", c.CertFile, c.KeyFile, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

func databaseOptions(c config.Config) db.Options {
	d := c.Database
	o := db.Options{
		URL: d.URL.Reveal(), ListenURL: d.ListenURL.Reveal(), RootCert: d.SSLRootCert, Cert: d.SSLCert, Key: d.SSLKey,
		MaxConns: d.MaxOpenConns, MaxIdle: d.MaxIdleConns,
	}
	if d.PasswordFile != "" {
		o.Password = func() (string, error) {
			password, err := secret.ReadFile("database password", d.PasswordFile)
			if errors.Is(err, fs.ErrNotExist) {
				err = fault.New(fault.Precondition, "there is no database password %s", d.PasswordFile).Next("correct database.passwordFile")
			}
			return strings.TrimRight(string(password), "\r\n"), err
		}
	}
	return o
}
